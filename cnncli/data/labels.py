"""Texts that name classes and categories: as they are written, and known or unknown in training."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from cnncli.core.columns import Column
from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.data.cells import MISSING_BEFORE, forms_of, numbers, refuse, texts, where

if TYPE_CHECKING:
    import pandas as pd

MAX_NAMES = 100  # more different texts or classes than this are hardly meant
NO_VALUE = "has no value; give one, or set missing: fill or drop in the training config"
_WHOLE = re.compile(r"-?(0|[1-9]\d*)")
_WHOLE_FLOAT = re.compile(r"(-?(?:0|[1-9]\d*))\.0+")


def encode_category(series: "pd.Series[Any]", column: Column, name: str, na: Collection[str] = ()) -> NDArray[np.int64]:
    """The position of every row's text among the inputs of a column of categories, int64 ``[N]``.

    Raises ``DataError`` for a text that training did not have, unless it learned what to do with one.
    """
    assert column.categories is not None
    text, known = texts(series, na), column.categories
    codes = code_texts(text, known)
    missing = text.isna().to_numpy()
    if column.missing:
        codes[missing] = len(known)
    elif column.fill is not None and missing.any():
        codes[missing] = int(column.fill)
        taken = f"taken as '{known[int(column.fill)]}', the most frequent"
        notice("filled", f"{name}: column '{series.name}' has no value in {int(missing.sum()):,} rows; {taken}")
    else:
        refuse(series, missing, name, NO_VALUE)
    unseen = (codes < 0) & ~missing
    if column.unseen == "own":
        codes[unseen] = len(column.inputs) - 1
    elif column.unseen == "missing" and column.missing:
        if unseen.any():
            first = text.iloc[int(unseen.argmax())]
            cause = f"has texts that are unknown in training in {int(unseen.sum()):,} rows, first '{first}'"
            notice("unseen", f"{name}: column '{series.name}' {cause}; they count as missing")
        codes[unseen] = len(known)
    else:
        refuse(series, unseen, name, f"has {{}}, unknown in training ({shown(known)}); {_advice()}")
    return codes


def _advice() -> str:
    return (
        "fix it, or set dataset.rare in the training config, above the number of rows of its rarest text: "
        "new texts are then taken as rare ones"
    )


def code_texts(text: "pd.Series[Any]", names: Sequence[str]) -> NDArray[np.int64]:
    """The position of every text in ``names``, -1 where it is not there; int64 ``[N]``."""
    import pandas as pd

    positions: dict[Any, int] = {normalize("NFC", known): position for position, known in enumerate(names)}
    codes, distinct = pd.factorize(text)
    return np.array([*(positions.get(value, -1) for value in distinct), -1], dtype=np.int64)[codes]


def encode_labels(
    column: "pd.Series[Any]",
    names: Sequence[str] | None,
    name: str,
    na: Collection[str] = (),
    before: bool = False,
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes in the order of their numbers, and the number of every row's class, int64 ``[N]``.

    Without ``names`` the classes are the distinct texts as written, whole numbers in the order of numbers; ``before``
    joins all texts of one number, as checkpoints of before did. Raises ``DataError`` for a class that is not in
    ``names``, and when the values are measurements rather than classes.
    """
    text = texts(column, na)
    if before:
        _, bad = numbers(column, na=na)
        if not bad.any():
            text = text.map(lambda value: str(int(float(value))) if float(value).is_integer() else value)
    else:
        text = _joined(text, str(column.name), name)
    if names is None:
        names = _names(column, text, name, na)
    codes = code_texts(text, names)
    refuse(column, codes < 0, name, f"has the class {{}}, unknown in training ({shown(names)}); fix or remove it")
    return tuple(names), codes


def _joined(text: "pd.Series[Any]", column: str, name: str) -> "pd.Series[Any]":
    """Labels with ``1.0`` as ``1`` where all are whole numbers, some of them written as floats."""
    distinct = [value for value in text.unique() if value is not None]
    floats = {value: match[1] for value in distinct if (match := _WHOLE_FLOAT.fullmatch(value))}
    if not floats or not all(value in floats or _WHOLE.fullmatch(value) for value in distinct):
        return text
    notice("labels", f"{name}: column '{column}' has classes like '{next(iter(floats))}', taken as whole numbers")
    return text.map(lambda value: floats.get(value, value))


def _names(column: "pd.Series[Any]", text: "pd.Series[Any]", name: str, na: Collection[str]) -> list[str]:
    counts = Counter(text.tolist())
    whole = all(_WHOLE.fullmatch(value) for value in counts)
    if forms_of(column, na=na):
        values, bad = numbers(text)
        distinct = np.unique(values[~np.isnan(values)])  # nan is told below
        fractions = bool((distinct != np.floor(distinct)).any())
        if not bad.any() and (len(distinct) > MAX_NAMES or fractions):
            raise DataError(
                f"{name}: target column '{column.name}' has {len(distinct)} distinct numbers; set task: regression"
            )
        if bad.any() and len(counts) > max(MAX_NAMES, len(text) // 2):
            raise DataError(
                f"{name}: target column '{column.name}' has {len(counts):,} different texts, most of them numbers; set "
                "task: regression"
            )
    _tell_missing(column, text, counts, name)
    if len(counts) < 2:
        raise DataError(
            f"{name}: target column '{column.name}' has {len(counts)} class; two or more are needed to tell apart"
        )
    names = sorted(counts, key=int if whole else str)
    _tell_similar(names, str(column.name), name)
    return names


def _tell_missing(column: "pd.Series[Any]", text: "pd.Series[Any]", counts: Mapping[str, int], name: str) -> None:
    """Say which classes may stand for no label; raises ``DataError`` for ``nan`` among numbers, which does."""
    words = [word for word in counts if word in MISSING_BEFORE or word.lower() == "nan"]
    if not words:
        return
    rows = text.isin(words).to_numpy()
    advice = f"set dataset.na_values: [{', '.join(map(repr, words))}] and dataset.missing: drop"
    known, bad = numbers(text[~rows])
    if len(known) and not bad.any():
        no_number = text.str.lower().eq("nan").to_numpy()
        refuse(column, no_number, name, f"has {{}} among numbers, a missing label; give one, or {advice}")
    named = ", ".join(map(repr, words))
    first = where(text, int(rows.argmax()), name)
    cause = f"{first}: column '{column.name}' has {named} as a class, in {int(rows.sum()):,} rows"
    notice("missing_labels", f"{cause}; if that means no label, {advice}")


def _tell_similar(names: Sequence[str], column: str, name: str) -> None:
    """A notice for classes that differ in case, blanks or leading zeros only."""
    alike = defaultdict(list)
    for known in names:
        key = re.sub(r"\s+", " ", known).casefold()
        alike[
            str(float(key)) if re.fullmatch(r"[-+]?\d[\d.]{0,300}(e\d{1,3})?", key) and _is_float(key) else key
        ].append(known)
    for same in alike.values():
        if len(same) > 1:
            shown_ = ", ".join(map(repr, same[:5]))
            notice("similar_classes", f"{name}: column '{column}' has the classes {shown_}, which look like one")


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def shown(names: Sequence[str]) -> str:
    """Some names for a message."""
    return f"known: {', '.join(names[:12])}" + (f", … ({len(names)} in all)" if len(names) > 12 else "")
