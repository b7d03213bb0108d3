"""Series in CSV files: read, ordered by time, told apart, and without gaps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.notices import notice
from cnncli.data.columns import refuse, texts
from cnncli.data.fitting import Rules
from cnncli.data.gaps import Array, Gaps, Stretch, clock_of, closed, filled, require_different, tell
from cnncli.data.number_forms import Decimal, Thousands, table_sign
from cnncli.data.series_columns import find_series, may_name_series, yaml_words
from cnncli.data.table_file import open_table
from cnncli.data.time_columns import Table, find_times, require_no_times
from cnncli.data.time_steps import Step
from cnncli.data.times import Moments, Times

if TYPE_CHECKING:
    import pandas as pd

Footer = Annotated[int, Field(ge=0, le=1000)]


@dataclass(frozen=True)
class Reading:
    """How a file is read: the keys of ``series_csv`` that have to do with it."""

    columns: list[str] | None = None
    delimiter: str | None = None
    time: str | list[str] | bool | None = None
    series: str | list[str] | None = None
    day_first: bool | None = None
    zone: str | None = None
    gaps: Gaps = "error"
    na_values: tuple[str, ...] = ()
    header: bool | int = True
    footer: int = 0
    encoding: str | None = None
    decimal: Decimal | None = None
    thousands: Thousands | None = None


@dataclass(frozen=True)
class Found:
    """``values`` float64 ``[L, F]``, series after series, each in the order of time.

    ``moments`` ``[L]`` are those of ``times``, those of filled gaps among them; None without a column of times.
    ``step`` is None where there are none, or they have no step.
    """

    values: Array
    columns: tuple[str, ...]
    stretches: tuple[Stretch, ...]
    times: Times | None = None
    moments: Moments | None = None
    step: Step | None = None
    local: bool = False  # whether ``moments`` are what a clock on the spot showed
    by: tuple[str, ...] = ()  # the columns that tell the series apart

    def after(self, stretch: Stretch, steps: int) -> list[str] | None:
        """The times of the ``steps`` after the end of a series, in the form that was read; None where unknown."""
        if self.times is None or self.moments is None or self.step is None:
            return None
        last = self.moments[stretch.end - 1]
        ahead = self.step.at(last, np.arange(1, steps + 1))
        if ahead[-1] >= np.datetime64("9999-12-31"):  # the end of Python's calendar
            return None
        return self.times.text(ahead, self.local)


def read_series(path: Path, reading: Reading) -> Found:
    """The numeric columns of a CSV file, or those named, in the order of time.

    Raises ``DataError`` naming file, line and column of what is missing, no number, or cannot be placed in time.
    """
    named = [reading.series] if isinstance(reading.series, str) else list(reading.series or ())
    table = _read(path, reading, named)
    times, used = find_times(table, reading.time, reading.day_first, reading.zone)
    if not named and times is not None and not times.different:  # 007 and 7 may be two of several series
        table = _read(path, reading, _whole(table, used))
    ids = find_series(table, reading.series, times, used)
    columns = _columns(table, reading, used | set(ids))
    if times is None:
        _lie_as_they_are(table, reading)
    values = np.stack([_values(table, column, reading) for column in columns], axis=1)
    table = Table(table.frame[ids], table.name)  # texts of a million times are as large as all that follows
    return replace(regular_series(table, values, tuple(columns), times, ids, reading), by=tuple(ids))


def read_rows(path: Path, reading: Reading, as_text: Sequence[str] = ()) -> Table:
    """The rows of the file as they lie; the columns ``as_text`` are not read as numbers."""
    file = open_table(
        path, reading.header, reading.delimiter, encoding=reading.encoding, text=as_text, footer=reading.footer,
        names=reading.columns or (), decimal=table_sign(reading.decimal, reading.thousands),
    )  # fmt: skip
    rules = Rules(
        na_values=reading.na_values, decimal=file.decimal, thousands=reading.thousands, delimiter=file.delimiter,
        name=str(path),
    )  # fmt: skip
    return Table(without(file.frame, reading.na_values), str(path), reading.columns or (), rules)


def _read(path: Path, reading: Reading, as_text: list[str]) -> Table:
    table = read_rows(path, reading, as_text)
    if reading.header is True:
        _require_names(list(table.frame.columns), table.name)
    return table


def _whole(table: Table, used: set[str]) -> list[str]:
    """The columns of whole numbers that are not ``used`` yet."""
    numeric = [name for name in table.frame.columns if name not in used and table.frame[name].dtype.kind in "if"]
    return [name for name in numeric if (table.frame[name] % 1 == 0).all()]


def regular_series(
    table: Table, values: Array, columns: tuple[str, ...], times: Times | None, ids: list[str], reading: Reading
) -> Found:
    """The rows series by series, each ordered, looked through for gaps and without them."""
    names, codes = identities(table, ids)
    order = _order(table, codes, times)
    codes, values = codes[order], values[order]
    lines = table.frame.index.to_numpy()[order]
    ends = np.flatnonzero(np.diff(codes, append=-1)) + 1
    stretches = [
        Stretch(names[codes[end - 1]], int(begin), int(end)) for begin, end in zip([0, *ends[:-1]], ends, strict=True)
    ]
    if times is None:
        return _without_times(table.name, values, columns, stretches, reading.gaps)
    return _on_time(table.name, values, columns, stretches, times, (order, lines), reading.gaps)


def _without_times(name: str, values: Array, columns: tuple[str, ...], stretches: list[Stretch], gaps: Gaps) -> Found:
    whole = [filled(name, values[each.begin : each.end], columns, gaps, each.id) for each in stretches]
    tell(name, int(np.isnan(values).sum()), gaps)
    return Found(np.concatenate(whole) if len(whole) > 1 else whole[0], columns, tuple(stretches))


def _on_time(
    name: str,
    values: Array,
    columns: tuple[str, ...],
    stretches: list[Stretch],
    times: Times,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    gaps: Gaps,
) -> Found:
    """``rows`` are the order of the file's rows and their lines."""
    longest = max(stretches, key=lambda each: each.end - each.begin)
    clock = clock_of(name, times, *rows, slice(longest.begin, longest.end))
    require_different(clock, stretches)
    if clock.step is None and longest.end - longest.begin > 2:
        notice("uneven", f"{name}: the times of '{times.column}' have no common step; every line is taken as one step")
    whole: list[Array] = []
    moments: list[Moments] = []
    found: list[Stretch] = []
    count = 0
    for each in stretches:
        here, when = closed(clock, values, each, gaps)
        count += int(np.isnan(here).sum())
        whole.append(filled(name, here, columns, gaps, each.id))
        moments.append(when)
        begin = found[-1].end if found else 0
        found.append(Stretch(each.id, begin, begin + len(here)))
    tell(name, count, gaps)
    if len(found) == 1:
        return Found(whole[0], columns, tuple(found), times, moments[0], clock.step, clock.local)
    together = np.concatenate(whole), np.concatenate(moments)
    return Found(together[0], columns, tuple(found), times, together[1], clock.step, clock.local)


def without(frame: "pd.DataFrame", na_values: tuple[str, ...]) -> "pd.DataFrame":
    """The table with an empty text where nothing, or one of ``na_values``, is written."""
    texts = [name for name in frame.columns if frame[name].dtype == object]
    frame = frame.fillna(dict.fromkeys(texts, ""))
    return frame.replace(dict.fromkeys(na_values, "")) if na_values else frame


def _require_names(columns: list[str], name: str) -> None:
    """Raise ``DataError`` where the first line holds data: nothing but numbers, or numbers and a date."""
    like_data = [re.fullmatch(r"[-+]?\d[-\d.,:/T ]*(e[-+]?\d+)?Z?", column, re.IGNORECASE) for column in columns]
    if all(like_data):
        raise DataError(
            f"{name}:1: a column is called '{columns[-1]}'; the first line must name the columns, or set "
            "dataset.header: false"
        )


def _columns(table: Table, reading: Reading, used: set[str]) -> list[str]:
    """The columns that are the series' values."""
    if reading.columns is not None:
        for column in reading.columns:
            if column not in table.frame.columns:
                raise DataError(
                    f"{table.name}: no column '{column}'; {did_you_mean(column, list(table.frame.columns))}"
                )
        if twice := [column for column in reading.columns if column in used]:
            raise DataError(
                f"{table.name}: column '{twice[0]}' is among dataset.columns and also the time or series; name it once"
            )
        return reading.columns
    found = [column for column in table.frame.columns if column not in used and table.holds_values(column)]
    if not found:
        raise DataError(f"{table.name}: has no column of numbers; check dataset.delimiter")
    return found


def _values(table: Table, column: str, reading: Reading) -> Array:
    values, bad = table.written(column)
    listed = "fix it, or name it in dataset.na_values and set dataset.gaps: interpolate"
    refuse(table.frame[column], bad, table.name, f"has {{}} where a number is expected; {listed}")
    if reading.gaps not in ("interpolate", "previous"):
        refuse(
            table.frame[column], np.isnan(values), table.name,
            "has no value; a step is missing here: fill the gap, or set dataset.gaps: interpolate",
        )  # fmt: skip
    return values


def _lie_as_they_are(table: Table, reading: Reading) -> None:
    """Without times the lines are the steps: a blank one is a gap, and that there are no times is said."""
    lines = table.frame.index.to_numpy()
    if reading.gaps == "error" and len(gap := np.flatnonzero(np.diff(lines) != 1)):
        raise DataError(
            f"{table.name}:{lines[gap[0]] + 1}: is blank; a step is missing here: fill the gap, or set "
            "dataset.gaps: ignore"
        )
    if reading.time is not False:
        require_no_times(table)
        words = [column for column in table.free if not table.holds_values(column)][:3]
        seen = f" ({', '.join(map(repr, words))}: no times in a usual form)" if words else ""
        notice("order", f"{table.name}: no column of times{seen}; the lines are taken as they lie, the oldest first")
    if reading.series is None and (names := may_name_series(table)):
        columns = "column " if len(names) == 1 else "columns "
        cause = f"each value of {columns}{' and '.join(map(repr, names))} stands in many lines in a row"
        advice = f"where these are several series, set dataset.series: {yaml_words(names)}"
        notice("series", f"{table.name}: {cause}; {advice}")


def identities(table: Table, ids: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The names of the series in the order of the file, and the number of every row's."""
    if not ids:
        return [""], np.zeros(len(table.frame), dtype=np.int64)
    named = [texts(table.frame[column]).fillna("") for column in ids]
    text = named[0]
    for more in named[1:]:
        text = text + "/" + more
    refuse(text.rename("/".join(ids)), (text == "").to_numpy(), table.name, "has no name of a series; give one")
    codes, names = text.factorize()
    return [str(name) for name in names], codes.astype(np.int64)


def _order(table: Table, codes: NDArray[np.int64], times: Times | None) -> NDArray[np.int64]:
    """The rows of each series in the order of time; a notice tells where the file has another."""
    if times is None:
        return np.argsort(codes, kind="stable")
    order = np.lexsort((times.values, codes))
    of_series = np.argsort(codes, kind="stable")
    if not np.array_equal(order, of_series):
        newest = np.array_equal(times.values[of_series][::-1], times.values[order]) and not codes.any()
        how = "newest first" if newest else "not in the order of time"
        notice("sorted", f"{table.name}: the lines are {how}; they are sorted by '{times.column}'")
    return order
