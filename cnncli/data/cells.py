"""The values of a table's columns as numbers or texts, whatever they were read as, and the first that is wrong."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from cnncli.core.columns import Form
from cnncli.core.errors import DataError
from cnncli.data.number_forms import PLAIN, find_forms, read_number, tidy

if TYPE_CHECKING:
    import pandas as pd

LINE = "line"  # the name of an index that holds line numbers of a file
MISSING_BEFORE = frozenset({"", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None"})
"""What was missing in every table that a checkpoint without a list of its own was trained on."""
LARGEST = 1e30  # squares of larger numbers leave float32

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


def texts(column: "pd.Series[Any]", na: Collection[str] = ()) -> "pd.Series[Any]":
    """Every value as text without blanks around it, None where it is empty or one of ``na``.

    Floats that are whole numbers become texts of integers.
    """
    import pandas as pd

    codes, values = _distinct(column)
    found = np.array([*(_text(value, na) for value in values), None], dtype=object)
    return pd.Series(found[codes], index=column.index, dtype=object)


def _distinct(column: "pd.Series[Any]") -> tuple[NDArray[np.intp], list[Any]]:
    """Values of a column and the position of each row's among them, -1 where it has none."""
    import pandas as pd

    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) != "string":
        values = column.tolist()  # of which 1 and True would be the same to pandas
        without = np.array([value is None or value is pd.NA or value != value for value in values], dtype=bool)
        return np.where(without, -1, np.arange(len(values))), values
    codes, distinct = pd.factorize(column)
    return codes, list(distinct)


def _text(value: Any, na: Collection[str] = ()) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = normalize("NFC", str(value).strip())
    return None if not text or text in na else text


def numbers(column: "pd.Series[Any]", form: Form = PLAIN, na: Collection[str] = ()) -> tuple[Numbers, Flags]:
    """The values as float64 ``[N]``, NaN where there is none, and which of them are no finite number ``[N]``.

    Texts are read in ``form``; ``nan`` is no value, as an empty one and those in ``na`` are.
    """
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
        values = column.to_numpy(dtype=np.float64)
        return values, np.abs(values) > LARGEST
    codes, distinct = _distinct(column)
    found, wrong = _read([_text(value, na) for value in distinct], form)
    return np.append(found, np.nan)[codes], np.append(wrong, False)[codes]


def _read(given: list[str | None], form: Form) -> tuple[Numbers, Flags]:
    import pandas as pd

    if form == PLAIN:
        tidied = [None if text is None else tidy(text) for text in given]
        found = pd.to_numeric(pd.Series(tidied, dtype=object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
        if brackets := [n for n, text in enumerate(tidied) if text is not None and text.startswith("(")]:
            found = found.copy()
            found[brackets] = [read_number(tidied[n] or "", PLAIN) for n in brackets]  # (5.00) is -5
    else:
        found = np.array([np.nan if text is None else read_number(text, form) for text in given], dtype=np.float64)
    without = np.array([text is None or text.lower() == "nan" for text in given], dtype=bool)
    return found, ~without & (np.isnan(found) | (np.abs(found) > LARGEST))


def is_numeric(column: "pd.Series[Any]", na: Collection[str] = ()) -> bool:
    """Whether a column is meant to hold numbers: at least half of what it holds are numbers, in some form."""
    return bool(forms_of(column, na=na))


def forms_of(column: "pd.Series[Any]", allowed: Sequence[Form] | None = None, na: Collection[str] = ()) -> list[Form]:
    """The forms that the numbers of a column may be in: none for texts, several where that makes a difference."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
        return [PLAIN]
    codes, distinct = _distinct(column)
    given = [_text(value, na) for value in distinct]
    may_be_plain = allowed is None or PLAIN in allowed
    plain, wrong = _read(given, PLAIN)
    if may_be_plain and not wrong.any():
        return [PLAIN]
    found = find_forms([text for text in given if text is not None and text.lower() != "nan"], allowed)
    if found or not may_be_plain:
        return found
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    good, bad = counts[~np.isnan(plain)].sum(), counts[wrong & np.isnan(plain)].sum()
    return [PLAIN] if bad <= good else []


def refuse(column: "pd.Series[Any]", wrong: Flags, name: str, cause: str) -> None:
    """Raise ``DataError`` for the first value that is ``wrong``; ``{}`` in ``cause`` stands for the value."""
    if wrong.any():
        position = int(wrong.argmax())
        value = _text(column.iloc[position]) or ""
        raise DataError(f"{where(column, position, name)}: column '{column.name}' {cause.replace('{}', repr(value))}")


def where(column: "pd.Series[Any]", position: int, name: str) -> str:
    """The place of a value in words: file and line, or row."""
    label = column.index[position]
    return f"{name}:{label}" if column.index.name == LINE else f"{name}: row {label}"
