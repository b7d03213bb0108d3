"""What is fitted on the training part of a table: how each column is read, and how it becomes inputs."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.core.columns import Column, Constant, Form
from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.core.spec import Table
from cnncli.data.cells import MISSING_BEFORE, Flags, forms_of, numbers, refuse, texts
from cnncli.data.columns import mean_and_std, written
from cnncli.data.dates import date_format, date_parts
from cnncli.data.labels import MAX_NAMES, NO_VALUE
from cnncli.data.number_forms import PLAIN, allowed_forms

if TYPE_CHECKING:
    import pandas as pd

FEW_NAMES = 20  # so many are no burden, however few rows there are


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
    if form not in (
        PLAIN,
        Form(",") if rules.decimal == "," else PLAIN,
    ):  # a decimal comma of the whole table is told by its reader
        notice("numbers_as_text", f"{rules.name}: column '{name}' holds numbers written {written(form)}")
    rules.forms[name] = form
    return form


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
        return Constant(str(column.name), repr(float(known[0])).removesuffix(".0"))
    mean, std = mean_and_std(known)
    fill = mean if rules.fill else None
    scaled = (mean, std) if rules.scale else (0.0, 1.0)
    return Column(str(column.name), *scaled, fill=fill, missing=rules.fill, form=form)


def _advice(column: "pd.Series[Any]", bad: Flags) -> str:
    text = texts(column[bad][:1]).iloc[0] if bad.any() else None
    if text in MISSING_BEFORE:
        return f"if it stands for no value, set dataset.na_values: ['{text}']"
    if text in ("-", "--", ".", "inf", "-inf", "Inf", "-Inf", "infinity"):
        return f"if it stands for no value, set dataset.na_values: ['{text}']"
    return "fix it, or name the column in ignore"


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
        most = max(counts.values())
        cause = f"has no text that is in {rules.rare} training rows, the commonest is in {most}"
        raise DataError(
            f"{name}: column '{column.name}' {cause}; {f'set dataset.rare: {most}, or ' if most > 1 else ''}name the "
            f"column in ignore{', not in categorical' if column.name in rules.categorical else ''}"
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
