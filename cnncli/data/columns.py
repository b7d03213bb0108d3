"""The columns of a table as inputs: what is fitted on the training part, and the encoding that follows from it."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.spec import Column, Table

if TYPE_CHECKING:
    import pandas as pd

LINE = "line"  # the name of an index that holds line numbers of a file
MISSING = frozenset({"", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None"})
MAX_NAMES = 100  # more different texts or classes than this are hardly meant
LARGEST = 1e30  # squares of larger numbers leave float32
NO_VALUE = "has no value; give one, or set missing: fill or drop in the training config"
UNKNOWN = "fix it, or set missing: fill in the training config, which gives such values an input of their own"

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


def texts(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Every value as text without blanks around it, None where there is none; whole numbers as integers."""
    import pandas as pd

    return pd.Series([_text(value) for value in column.tolist()], index=column.index, dtype=object)


def _text(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return None if text in MISSING else text


def numbers(column: "pd.Series[Any]") -> tuple[Numbers, Flags]:
    """The values as float64 ``[N]``, NaN where there is none, and which of them are no finite number ``[N]``."""
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad, without = np.abs(values) > LARGEST, np.isnan(values)
    bad[without] = texts(column[without]).notna().to_numpy()  # the slow look at text only where it is needed
    return values, bad


def is_numeric(column: "pd.Series[Any]") -> bool:
    """Whether a column is meant to hold numbers: at least half of what it holds are numbers."""
    values, bad = numbers(column)
    return int((np.isnan(values) & bad).sum()) <= int((~np.isnan(values)).sum())


def refuse(column: "pd.Series[Any]", wrong: Flags, name: str, cause: str) -> None:
    """Raise ``DataError`` for the first value that is ``wrong``; ``{}`` in ``cause`` stands for the value."""
    if wrong.any():
        position = int(wrong.argmax())
        label = column.index[position]
        where = f"{name}:{label}" if column.index.name == LINE else f"{name}: row {label}"
        raise DataError(f"{where}: column '{column.name}' {cause.replace('{}', repr(_text(column.iloc[position])))}")


def fit_table(
    frame: "pd.DataFrame",
    features: Sequence[str],
    targets: Sequence[str],
    categorical: Collection[str] = (),
    *,
    scale: bool = True,
    fill: bool = False,
    name: str = "rows",
) -> Table:
    """The columns that ``features`` become, of the rows given: these must be the training part alone.

    ``scale`` standardises numbers, ``fill`` prepares every column for missing values.
    """
    columns = tuple(
        _fit_number(frame[feature], scale, fill, name)
        if feature not in categorical and is_numeric(frame[feature])
        else _fit_category(frame[feature], feature in categorical, fill, name)
        for feature in features
    )
    return Table(columns, tuple(targets))


def _fit_number(column: "pd.Series[Any]", scale: bool, fill: bool, name: str) -> Column:
    values, bad = numbers(column)
    refuse(column, bad, name, "has {} where a number is expected; fix it, or name the column in categorical")
    missing = np.isnan(values)
    if missing.all():
        raise DataError(f"{name}: column '{column.name}' has no value in the training part; name it in ignore")
    if not fill:
        refuse(column, missing, name, NO_VALUE)
    mean, std = mean_and_std(values[~missing])
    return Column(
        str(column.name), mean if scale else 0.0, std if scale else 1.0, fill=mean if fill else None, missing=fill
    )


def mean_and_std(values: Numbers) -> tuple[float, float]:
    """Mean and standard deviation of float64 ``[N]``; the deviation of values that are all the same is 1."""
    mean, std = float(values.mean()), float(values.std())
    return mean, std if std > 1e-12 * abs(mean) else 1.0  # rounding alone leaves a deviation of about 1e-16


def _fit_category(column: "pd.Series[Any]", declared: bool, fill: bool, name: str) -> Column:
    text = texts(column)
    missing = text.isna().to_numpy()
    if not fill:
        refuse(column, missing, name, NO_VALUE)
    categories = tuple(sorted(set(text[~missing])))
    if not categories:
        raise DataError(f"{name}: column '{column.name}' has no value in the training part; name it in ignore")
    if len(categories) > MAX_NAMES and not declared:
        raise DataError(
            f"{name}: column '{column.name}' has {len(categories)} different texts; name it in ignore, "
            "or in categorical if they are meant"
        )
    return Column(str(column.name), categories=categories, missing=fill)


def encode_rows(frame: "pd.DataFrame", table: Table, name: str = "rows") -> Tensor:
    """The inputs of every row, float32 ``[N, F]``: columns are found by name, those that are not needed passed over.

    Raises ``DataError`` naming the columns that are missing, or line and column of the first wrong value; ``name``
    is the file's.
    """
    frame = frame.rename(columns=str)
    _require_columns(list(frame.columns), table, name)
    encoded = [_encode_column(frame[column.name], column, name) for column in table.columns]
    return torch.from_numpy(np.concatenate(encoded, axis=1))


def _require_columns(found: list[str], table: Table, name: str) -> None:
    wanted = [column.name for column in table.columns]
    missing = [column for column in wanted if column not in found]
    if missing:
        extra = [column for column in found if column not in (*wanted, *table.targets)]
        named = " and ".join(filter(None, [", ".join(f"'{column}'" for column in missing[:-1]), f"'{missing[-1]}'"]))
        subject = f"column {named} is missing" if len(missing) == 1 else f"columns {named} are missing"
        others = f" (extra: {', '.join(map(repr, extra))})" if extra else ""
        advice = did_you_mean(missing[0], extra)
        advice = advice if advice.startswith("did") else "add it" if len(missing) == 1 else "add them"
        raise DataError(f"{name}: {subject}{others}; {advice}")
    for column in wanted:
        if found.count(column) > 1:
            raise DataError(f"{name}: there are {found.count(column)} columns called '{column}'; keep one")


def _encode_column(series: "pd.Series[Any]", column: Column, name: str) -> NDArray[np.float32]:
    """One column's inputs, float32 ``[N, 1]`` or, for a category, ``[N, names]``."""
    if column.categories is None:
        values, bad = numbers(series)
        refuse(series, bad, name, "has {} where a number is expected; fix it")
        missing = np.isnan(values)
        if column.fill is None:
            refuse(series, missing, name, NO_VALUE)
        else:
            values = np.where(missing, column.fill, values)
        return ((values - column.mean) / column.std).astype(np.float32)[:, None]
    codes = _codes(texts(series), column.categories)
    unknown = codes < 0
    if not column.missing:
        refuse(series, unknown & texts(series).isna().to_numpy(), name, NO_VALUE)
        refuse(series, unknown, name, f"has {{}}, unknown in training ({_known(column.categories)}); {UNKNOWN}")
    codes[unknown] = len(column.categories)
    return np.eye(len(column.inputs), dtype=np.float32)[codes]


def _codes(text: "pd.Series[Any]", names: Sequence[str]) -> NDArray[np.int64]:
    """The position of every text in ``names``, -1 where it is not there; int64 ``[N]``."""
    positions: dict[str | None, int] = {known: position for position, known in enumerate(names)}
    return np.array([positions.get(value, -1) for value in text.tolist()], dtype=np.int64)


def encode_labels(
    column: "pd.Series[Any]", names: Sequence[str] | None, name: str
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes in the order of their numbers, and the number of every row's class, int64 ``[N]``.

    Without ``names`` the classes are the distinct values, whole numbers in the order of numbers. Raises ``DataError``
    for a class that is not in ``names``, and when the values are measurements rather than classes.
    """
    values, bad = numbers(column)
    text = texts(column)
    if not bad.any():
        text = text.map(lambda value: str(int(float(value))) if float(value).is_integer() else value)
    if names is None:
        distinct = np.unique(values)
        if not bad.any() and (len(distinct) > MAX_NAMES or (distinct != np.floor(distinct)).any()):
            raise DataError(
                f"{name}: target column '{column.name}' has {len(distinct)} distinct numbers; set task: regression"
            )
        names = sorted(set(text), key=str if bad.any() else int)
        if len(names) < 2:
            raise DataError(
                f"{name}: target column '{column.name}' has {len(names)} class; two or more are needed to tell apart"
            )
    codes = _codes(text, names)
    refuse(column, codes < 0, name, f"has the class {{}}, unknown in training ({_known(names)}); fix or remove it")
    return tuple(names), codes


def _known(names: Sequence[str]) -> str:
    return f"known: {', '.join(names[:12])}" + (f", … ({len(names)} in all)" if len(names) > 12 else "")
