"""The rows of a table as inputs, by columns that were fitted on the training part."""

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cnncli.core.columns import Column, Constant, Form
from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.notices import notice
from cnncli.core.spec import Table
from cnncli.data.cells import (
    LARGEST,
    LINE,
    MISSING_BEFORE,
    Flags,
    Numbers,
    is_numeric,
    numbers,
    refuse,
    texts,
)
from cnncli.data.dates import date_parts
from cnncli.data.labels import MAX_NAMES, NO_VALUE, encode_category
from cnncli.data.number_forms import PLAIN

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LARGEST", "LINE", "MAX_NAMES", "Flags", "Numbers", "encode_rows", "is_numeric", "mean_and_std", "missing_in",
    "numbers", "refuse", "texts", "written",
]  # fmt: skip

MAX_BYTES = 2**31  # of the inputs that a table with categories becomes


def missing_in(table: Table | None, given: Collection[str] = ()) -> Collection[str]:
    """The texts that stand for no value: ``given`` without a table, else what its training knew as such."""
    if table is None:
        return given
    return MISSING_BEFORE if table.na_values is None else table.na_values


def written(form: Form) -> str:
    """How numbers are written, in words."""
    parts = ["with a decimal comma"] if form.decimal == "," else []
    parts += [f"with '{form.thousands}' between thousands"] if form.thousands else []
    return " and ".join([*parts, *([f"in {form.unit}"] if form.unit else [])])


def mean_and_std(values: Numbers) -> tuple[float, float]:
    """Mean and standard deviation of float64 ``[N]``; the deviation of values that are all the same is 1."""
    mean, std = float(values.mean()), float(values.std())
    return mean, std if std > 1e-12 * abs(mean) else 1.0  # rounding alone leaves a deviation of about 1e-16


def encode_rows(frame: "pd.DataFrame", table: Table, name: str = "rows") -> Tensor:
    """The inputs of every row, float32 ``[N, F]``: columns are found by name, those that are not needed passed over.

    Raises ``DataError`` naming the columns that are missing, or line and column of the first wrong value; ``name``
    is the file's.
    """
    if not all(isinstance(column, str) for column in frame.columns):
        frame = frame.rename(columns=str)
    _require_columns(list(frame.columns), table, name)
    widths = [len(column.inputs) for column in table.columns]
    _require_room(table, widths, len(frame), name)
    na, encoded = missing_in(table), np.zeros((len(frame), sum(widths)), dtype=np.float32)
    start = 0
    for column, width in zip(table.columns, widths, strict=True):
        _encode_column(frame[column.name], column, name, na, encoded[:, start : start + width])
        start += width
    for constant in table.constants:
        if constant.name in frame.columns:
            _tell_moved(frame[constant.name], constant, name, na)
    return torch.from_numpy(encoded)


def _require_room(table: Table, widths: list[int], rows: int, name: str) -> None:
    bytes_ = 4 * sum(widths) * rows
    column, width = max(zip(table.columns, widths, strict=True), key=lambda pair: pair[1])
    if column.categories is not None and bytes_ > MAX_BYTES:
        raise DataError(
            f"{name}: column '{column.name}' has {width:,} different texts, which are {width:,} inputs of each of "
            f"{rows:,} rows: {bytes_ / 2**30:.1f} GiB, more than {MAX_BYTES / 2**30:.0f}; name it in ignore, or set "
            "dataset.rare, below which texts share one input"
        )


def _require_columns(found: list[str], table: Table, name: str) -> None:
    wanted = [column.name for column in table.columns]
    counts = Counter(found)
    missing = [column for column in wanted if column not in counts]
    if missing:
        known = {*wanted, *table.targets, *(constant.name for constant in table.constants)}
        extra = [column for column in found if column not in known]
        shown = missing if len(missing) <= 12 else [*missing[:12], f"… ({len(missing):,} in all)"]
        named = " and ".join(filter(None, [", ".join(f"'{column}'" for column in shown[:-1]), f"'{shown[-1]}'"]))
        subject = f"column {named} is missing" if len(missing) == 1 else f"columns {named} are missing"
        others = f" (extra: {', '.join(map(repr, extra))})" if extra else ""
        advice = did_you_mean(missing[0], extra)
        advice = advice if advice.startswith("did") else "add it" if len(missing) == 1 else "add them"
        raise DataError(f"{name}: {subject}{others}; {advice}")
    for column in wanted:
        if counts[column] > 1:
            raise DataError(f"{name}: there are {counts[column]} columns called '{column}'; keep one")


def _encode_column(
    series: "pd.Series[Any]", column: Column, name: str, na: Collection[str], out: "np.ndarray[Any, Any]"
) -> None:
    """Write one column's inputs to ``out``, float32 ``[N, width]`` of zeros."""
    if column.date:
        parts, wrong = date_parts(series, column.date)
        refuse(series, wrong, name, f"has {{}} where a date as {column.date} is expected; fix it")
        parts[:, 0] = (parts[:, 0] - column.mean) / column.std
        out[:] = parts
    elif column.categories is None:
        values, bad = numbers(series, column.form, na)
        refuse(series, bad, name, f"has {{}} where a number{_how(column.form)} is expected; fix it")
        missing = np.isnan(values)
        if column.fill is None:
            refuse(series, missing, name, NO_VALUE)
        elif missing.any():
            values = np.where(missing, column.fill, values)
        out[:, 0] = (values - column.mean) / column.std
    else:
        out[np.arange(len(series)), encode_category(series, column, name, na)] = 1


def _how(form: Form) -> str:
    return "" if form == PLAIN else f" {written(form)}"


def _tell_moved(series: "pd.Series[Any]", constant: Constant, name: str, na: Collection[str]) -> None:
    """A notice where a column that was the same in all training rows is something else now."""
    if series.dtype.kind in "iuf":
        moved = (series != _number(constant.value)).to_numpy() & series.notna().to_numpy()
    else:
        text = texts(series, na)
        moved = (text != constant.value).to_numpy() & text.notna().to_numpy()
        moved &= numbers(series)[0] != _number(constant.value)
    if moved.any():
        first = int(moved.argmax())
        notice(
            "moved",
            f"{name}: column '{constant.name}' was {constant.value} in all training rows, so nothing is known of other "
            f"values: {_rows(int(moved.sum()))} another, first {texts(series[first : first + 1], na).iloc[0]}",
        )


def _rows(count: int) -> str:
    return "1 row has" if count == 1 else f"{count:,} rows have"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
