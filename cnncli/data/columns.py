"""The columns of a table as inputs: what is fitted on the training part, and the encoding that follows from it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
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
    forms_of,
    is_numeric,
    numbers,
    refuse,
    texts,
)
from cnncli.data.dates import date_format, date_parts
from cnncli.data.labels import MAX_NAMES, NO_VALUE, encode_category
from cnncli.data.number_forms import PLAIN, allowed_forms

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LARGEST", "LINE", "MAX_NAMES", "Flags", "Numbers", "Rules", "choose_form", "encode_rows", "fit_table",
    "is_numeric", "mean_and_std", "missing_in", "numbers", "refuse", "texts",
]  # fmt: skip

FEW_NAMES = 20  # so many are no burden, however few rows there are
MAX_BYTES = 2**31  # of the inputs that a table with categories becomes


@dataclass(frozen=True)
class Rules:
    """How columns are read and fitted: the arguments of the data set, and what the file told (``delimiter``)."""

    categorical: Collection[str] = ()
    dates: Collection[str] = ()
    date_format: str | None = None
    scale: bool = True
    fill: bool = False
    rare: int | None = None
    na_values: tuple[str, ...] = ()
    decimal: str | None = None
    thousands: str | None = None
    delimiter: str = ","
    name: str = "rows"
    forms: "dict[str, Form]" = field(default_factory=dict)  # those that were chosen


def missing_in(table: Table | None, given: Collection[str] = ()) -> Collection[str]:
    """The texts that stand for no value: ``given`` without a table, else what its training knew as such."""
    if table is None:
        return given
    return MISSING_BEFORE if table.na_values is None else table.na_values


def choose_form(column: "pd.Series[Any]", rules: Rules) -> Form | None:
    """How the numbers of a column are written, None where it holds texts.

    What is found and not plain is told as a notice. Raises ``DataError`` where two forms give different numbers.
    """
    name = str(column.name)
    if name in rules.forms:
        return rules.forms[name]
    if column.dtype.kind in "iuf":
        return Form(",") if rules.decimal == "," else PLAIN  # as read: the next file may have texts there
    stated = allowed_forms(rules.decimal, rules.thousands) if rules.decimal or rules.thousands else None
    forms = forms_of(column, stated, rules.na_values) or (
        [] if stated is None else forms_of(column, None, rules.na_values)
    )
    if not forms:
        return None
    if len(forms) > 1 and rules.delimiter == ",":  # where the decimal sign is a comma, cells are parted by another
        forms = [form for form in forms if form.decimal == "."] or forms
    if len(forms) > 1:
        position = next(n for n, text in enumerate(texts(column)) if text is not None and "," in text)
        refuse(
            column, np.arange(len(column)) == position, rules.name,
            "has {}, which with a decimal comma is another number than with commas between thousands; set "
            "dataset.decimal: ',' or dataset.thousands: ','",
        )  # fmt: skip
    (form,) = forms
    if form != PLAIN:
        notice("numbers_as_text", f"{rules.name}: column '{name}' holds numbers written {_written(form)}")
    rules.forms[name] = form
    return form


def _written(form: Form) -> str:
    parts = ["with a decimal comma"] if form.decimal == "," else []
    parts += [f"with '{form.thousands}' between thousands"] if form.thousands else []
    return " and ".join([*parts, *([f"in {form.unit}"] if form.unit else [])])


def fit_table(frame: "pd.DataFrame", features: Sequence[str], targets: Sequence[str], rules: Rules) -> Table:
    """The columns that ``features`` become, of the rows given: these must be the training part alone.

    A column that never changes is left out, with a notice. Raises ``DataError`` naming what cannot be an input.
    """
    columns: list[Column] = []
    constants: list[Constant] = []
    for feature in features:
        found = _fit(frame[feature], rules)
        (columns if isinstance(found, Column) else constants).append(found)  # type: ignore[arg-type]
    if not columns:
        raise DataError(f"{rules.name}: every feature has one value in all training rows; give data that change")
    if constants:
        named = ", ".join(f"'{constant.name}' ({constant.value})" for constant in constants[:10])
        more = f" and {len(constants) - 10:,} more" if len(constants) > 10 else ""
        notice("constant", f"{rules.name}: one value in all training rows, so ignored: {named}{more}")
    forms = tuple(rules.forms.get(target, PLAIN) for target in targets)
    return Table(tuple(columns), tuple(targets), None, rules.na_values, tuple(constants), forms)


def _fit(column: "pd.Series[Any]", rules: Rules) -> Column | Constant:
    if column.name in rules.dates:
        return _fit_date(column, rules)
    form = None if column.name in rules.categorical else choose_form(column, rules)
    return _fit_category(column, rules) if form is None else _fit_number(column, form, rules)


def _fit_number(column: "pd.Series[Any]", form: Form, rules: Rules) -> Column | Constant:
    values, bad = numbers(column, form, rules.na_values)
    refuse(column, bad, rules.name, f"has {{}} where a number is expected; {_advice(column, bad)}")
    missing = np.isnan(values)
    if missing.all():
        raise DataError(f"{rules.name}: column '{column.name}' has no value in the training part; name it in ignore")
    if not rules.fill:
        refuse(column, missing, rules.name, NO_VALUE)
    known = values[~missing] if missing.any() else values
    if (known == known[0]).all() and len(known) > 1:
        return Constant(str(column.name), f"{known[0]:.17g}")
    mean, std = mean_and_std(known)
    fill = mean if rules.fill else None
    scaled = (mean, std) if rules.scale else (0.0, 1.0)
    return Column(str(column.name), *scaled, fill=fill, missing=rules.fill, form=form)


def _advice(column: "pd.Series[Any]", bad: Flags) -> str:
    text = texts(column[bad][:1]).iloc[0] if bad.any() else None
    if text in MISSING_BEFORE:
        return f"if it stands for no value, set dataset.na_values: ['{text}']"
    return "fix it, or name the column in categorical"


def mean_and_std(values: Numbers) -> tuple[float, float]:
    """Mean and standard deviation of float64 ``[N]``; the deviation of values that are all the same is 1."""
    mean, std = float(values.mean()), float(values.std())
    return mean, std if std > 1e-12 * abs(mean) else 1.0  # rounding alone leaves a deviation of about 1e-16


def _fit_date(column: "pd.Series[Any]", rules: Rules) -> Column:
    missing = texts(column, rules.na_values).isna().to_numpy()
    refuse(column, missing, rules.name, "has no date; give one, or set missing: drop in the training config")
    form = date_format(column, rules.name, rules.date_format)
    mean, std = mean_and_std(date_parts(column, form)[0][:, 0])
    return Column(str(column.name), *((mean, std) if rules.scale else (0.0, 1.0)), unseen="error", date=form)


def _fit_category(column: "pd.Series[Any]", rules: Rules) -> Column | Constant:
    name, text = rules.name, texts(column, rules.na_values)
    missing = text.isna().to_numpy()
    if not rules.fill:
        refuse(column, missing, name, NO_VALUE)
    counts = Counter(text[~missing].tolist())
    if not counts:
        raise DataError(f"{name}: column '{column.name}' has no value in the training part; name it in ignore")
    if column.name not in rules.categorical:
        _require_few(column, len(counts), int((~missing).sum()), name)
    if len(counts) == 1 and not missing.any() and len(text) > 1:
        return Constant(str(column.name), next(iter(counts)))
    categories = tuple(sorted(known for known, count in counts.items() if count >= (rules.rare or 0)))
    if not categories:
        raise DataError(
            f"{name}: column '{column.name}' has no text that is in {rules.rare} rows; lower dataset.rare, or name the "
            "column in ignore"
        )
    usual = max(categories, key=lambda known: counts[known])
    return Column(
        str(column.name), fill=float(categories.index(usual)) if rules.fill and not missing.any() else None,
        categories=categories, missing=rules.fill and bool(missing.any()),
        unseen="own" if len(categories) < len(counts) else "error",
    )  # fmt: skip


def _require_few(column: "pd.Series[Any]", different: int, rows: int, name: str) -> None:
    """Raise ``DataError`` for texts that are nearly all different, of which nothing can be learned as categories."""
    if different > MAX_NAMES or (different > FEW_NAMES and 2 * different > rows):
        raise DataError(
            f"{name}: column '{column.name}' has {different:,} different texts in {rows:,} rows; name it in ignore, "
            "in dates if it holds dates, or in categorical if they are meant"
        )
    if rows > 2 and different > rows / 2:
        notice(
            "many_categories",
            f"{name}: column '{column.name}' has {different} different texts in {rows} rows, an input each; name it "
            "in ignore if they are not meant",
        )


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
    return "" if form == PLAIN else f" {_written(form)}"


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
