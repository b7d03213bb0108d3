"""Which columns of a table say when a row was, and which tells several series apart."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.notices import notice
from cnncli.data.cells import Flags, Numbers, forms_of, numbers
from cnncli.data.fitting import Rules, choose_form
from cnncli.data.number_forms import PLAIN
from cnncli.data.number_times import numbers_as_times
from cnncli.data.times import Times, joined, read_times

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 1000  # values that are looked at before a whole column of text is
CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?$")
YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)")
TIMES = frozenset(["date", "datetime", "timestamp", "time", "ds", "datum", "zeit", "fecha"])
PARTS = (("year", "month", "day", "hour", "minute"), ("yr", "mo", "dy", "hr", "mi"))


@dataclass(frozen=True)
class Table:
    """A table whose columns are looked at as numbers once, however often they are asked for."""

    frame: "pd.DataFrame"
    name: str
    taken: Collection[str] = ()  # columns that the config names as values
    rules: Rules = field(default_factory=Rules)  # how its numbers are written
    known: dict[str, tuple[Numbers, Flags]] = field(default_factory=dict)

    def numbers(self, column: str) -> tuple[Numbers, Flags]:
        """The values of a column, NaN where it has none, and which of them are no number."""
        if column not in self.known:
            self.known[column] = numbers(self.frame[column])
        return self.known[column]

    def written(self, column: str) -> tuple[Numbers, Flags]:
        """The values of a column in the form that its numbers are written in, and which of them are none.

        Raises ``DataError`` where two forms give different numbers.
        """
        form = choose_form(self.frame[column], self.rules)
        return self.numbers(column) if form in (None, PLAIN) else numbers(self.frame[column], form)

    def holds_values(self, column: str) -> bool:
        """Whether at least half of what a column holds are numbers in some form, such as ``1.234,5``."""
        if self.is_numeric(column):
            return True
        some = self.frame[column].iloc[:: max(len(self.frame) // SAMPLE, 1)]
        return bool(forms_of(some)) and bool(forms_of(self.frame[column]))

    def is_numeric(self, column: str) -> bool:
        """Whether at least half of what a column holds are numbers."""
        if column not in self.known and len(self.frame) > 2 * SAMPLE and self.frame[column].dtype.kind not in "iufb":
            some = self.frame[column].iloc[:: len(self.frame) // SAMPLE]  # words are slow to look at as numbers
            if not numbers(some)[0].size or np.isnan(numbers(some)[0]).mean() > 0.9:
                return False
        values, bad = self.numbers(column)
        return int((np.isnan(values) & bad).sum()) <= int((~np.isnan(values)).sum())

    @cached_property
    def free(self) -> list[str]:
        """The columns that are not named as values."""
        return [column for column in self.frame.columns if column not in self.taken]

    def require(self, columns: Sequence[str], key: str) -> None:
        """Raise ``DataError`` for a column that is not there."""
        for column in columns:
            if column not in self.frame.columns:
                raise DataError(f"{self.name}: dataset.{key}: no column '{column}'; "
                                f"{did_you_mean(column, list(self.frame.columns))}")  # fmt: skip


def find_times(
    table: Table, wanted: str | list[str] | bool | None, day_first: bool | None, zone: str | None
) -> tuple[Times | None, set[str]]:
    """The times of the rows and the columns that they are read from; None: the rows are taken as they lie.

    ``wanted`` names the column, or those of date and time; False: there is none. Raises ``DataError``.
    """
    if wanted is False:
        return None, set()
    if wanted is None or wanted is True:
        return _found(table, day_first, zone)
    names = [wanted] if isinstance(wanted, str) else wanted
    table.require(names, "time")
    if len(names) == 1:
        times = _one(table, names[0], day_first, zone, named=True)
    else:
        times = read_times(joined(table.frame, names), table.name, day_first, zone)
    if times is None:
        raise DataError(
            f"{table.name}: dataset.time: column '{'+'.join(names)}' holds no times in a usual form, such as "
            f"'{table.frame[names[0]].iloc[0]}'; write them as 2024-03-15, or set dataset.time: false"
        )
    return times, set(names)


def _one(table: Table, column: str, day_first: bool | None, zone: str | None, named: bool = False) -> Times | None:
    if table.is_numeric(column):
        return numbers_as_times(table.frame[column], table.numbers(column)[0], named, table.name)
    return read_times(table.frame[column], table.name, day_first, zone)


def _found(table: Table, day_first: bool | None, zone: str | None) -> tuple[Times | None, set[str]]:
    parts = _parts(table)
    if not parts:
        quarters = [column for column in table.free if column.strip().lower() in ("year", "quarter")]
        parts = sorted(quarters, key=lambda column: column.strip().lower() == "quarter") if len(quarters) == 2 else []
    if parts and (times := read_times(joined(table.frame, parts), table.name, day_first, zone)) is not None:
        return times, set(parts)
    texts = [column for column in table.free if not table.is_numeric(column)]
    found: list[tuple[Times, set[str]]] = []
    for column in [*texts, *(column for column in table.free if column not in texts)]:
        if found and column not in texts:
            break
        times = _one(table, column, day_first, zone)
        if times is not None:
            found.append((times, {column}))
            if column not in texts:
                notice("times", f"{table.name}: the numbers of '{column}' are taken for times, not for values; "
                                "dataset.time: false takes them for values")  # fmt: skip
    if not found:
        return None, set()
    if len(found) > 1:
        others = ", ".join(f"'{times.column}'" for times, _ in found[1:])
        notice("times", f"{table.name}: the times are those of '{found[0][0].column}', not of {others}; "
                        "dataset.time names another")  # fmt: skip
    return _with_clock(table, *found[0], day_first, zone)


def require_no_times(table: Table) -> None:
    """Raise ``DataError`` for a column that is meant to hold times where none could be read.

    That is one called so, unless it counts upwards, or of texts which all have a year. The order of the rows is not
    known then: to take them as they lie would learn a newest first table backwards.
    """
    for column in table.free:
        if table.is_numeric(column):
            doubt = column.strip().lower() in TIMES and not bool((np.diff(table.numbers(column)[0]) > 0).all())
        else:
            told = table.frame[column].fillna("").astype(str)
            years = bool(told.is_unique and told.str.contains(YEAR).all())
            doubt = column.strip().lower() in TIMES or (years and not table.holds_values(column))
        if doubt:
            raise DataError(
                f"{table.name}: column '{column}' has '{table.frame[column].iloc[0]}', no time in a usual form, so the "
                "order of the lines is not known; write times as 2024-03-15, or set dataset.time: false, which takes "
                "the lines as they lie, the oldest first"
            )


def _with_clock(
    table: Table, times: Times, used: set[str], day_first: bool | None, zone: str | None
) -> tuple[Times, set[str]]:
    """Dates joined with the time of the day from a column of its own, where there is one."""
    if times.form.clock or times.form.dayless or times.different:
        return times, used
    for column in table.free:
        if column in used:
            continue
        if table.is_numeric(column):
            values = table.numbers(column)[0]
            whole = np.isfinite(values).all() and (values == np.floor(values)).all()
            plain = column.strip().lower() in ("hour", "hr", "hours") and whole
            plain = plain and values.min() >= 0 and values.max() <= 23
        else:
            plain = table.frame[column].astype(str).str.strip().map(lambda text: CLOCK.match(text) is not None).all()
        if plain:
            both = read_times(joined(table.frame, [times.column, column]), table.name, day_first, zone)
            if both is not None:
                return both, {*used, column}
    return times, used


def _parts(table: Table) -> list[str]:
    """The columns year, month, day (hour, minute), where they are there in numbers."""
    lower = {column.strip().lower(): column for column in table.free}
    for names in PARTS:
        found = []
        for name in names:
            if name not in lower or not table.is_numeric(lower[name]):
                break
            found.append(lower[name])
        if len(found) >= 2:
            return found
    return []
