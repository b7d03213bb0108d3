"""Steps of a series that are not there: named with their lines, filled on request, or passed over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.data.time_steps import DAY, Step, find_step
from cnncli.data.times import Moments, Times

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Gaps = Literal["error", "interpolate", "previous", "ignore"]
HOUR = DAY // 24
MOST = 20  # steps for each line, in a series whose gaps are filled; more are a wrong time


@dataclass(frozen=True)
class Stretch:
    """One series of a file: the rows ``begin`` to ``end``; ``id`` is empty where there is but one."""

    id: str
    begin: int
    end: int


@dataclass(frozen=True)
class Clock:
    """When the rows of a file were, ordered as they are: ``moments`` and ``lines`` ``[L]``, and their ``step``.

    ``local``: the step is one of the clock on the spot, which ``moments`` then are of.
    """

    name: str
    times: Times
    moments: Moments
    lines: NDArray[np.int64]
    step: Step | None = None
    local: bool = False

    def written(self, row: int) -> str:
        """A row's time as the file has it."""
        return self.times.text(self.moments[row : row + 1], self.local)[0]


def clock_of(name: str, times: Times, order: NDArray[np.int64], lines: NDArray[np.int64], longest: slice) -> Clock:
    """The clock of a file, its step found from the ``longest`` series. Raises ``DataError`` for a repeated time."""
    clock = Clock(name, times, times.values[order], lines)
    step = find_step(clock.moments[longest]) if _rises(clock.moments[longest]) else None
    if times.wall is None or _regular(clock.moments[longest], step):
        return Clock(name, times, clock.moments, lines, step)
    wall = times.wall[order]
    by_wall = find_step(wall[longest]) if _rises(wall[longest]) else None
    if _regular(wall[longest], by_wall):
        return Clock(name, times, wall, lines, by_wall, local=True)
    return Clock(name, times, clock.moments, lines, step)


def _rises(moments: Moments) -> bool:
    return bool((np.diff(moments).astype(np.int64) > 0).all())


def _regular(moments: Moments, step: Step | None) -> bool:
    if step is None:
        return False
    positions, off = step.positions(moments)
    return not off.any() and bool((np.diff(positions) == 1).all())


def require_different(clock: Clock, stretches: Sequence[Stretch]) -> None:
    """Raise ``DataError`` with both lines where a time is there twice in one series."""
    again = np.flatnonzero(clock.moments[1:] == clock.moments[:-1])
    starts = np.array([stretch.begin for stretch in stretches])
    again = again[~np.isin(again + 1, starts)]
    if not len(again):
        return
    row = int(again[0]) + 1
    lines = sorted((int(clock.lines[row - 1]), int(clock.lines[row])))
    advice = "name what tells the series apart with dataset.series, a column or a list [store, item], or remove one"
    if _put_back(clock, clock.moments[row]):
        advice = (
            "clocks are put back in such a night: set dataset.zone to the zone of these times, such as Europe/Berlin, "
            "or write them with their offsets"
        )
    raise DataError(
        f"{clock.name}:{lines[1]}: column '{clock.times.column}' has '{clock.written(row)}' again, after line "
        f"{lines[0]}; {advice}"
    )


def _put_back(clock: Clock, moment: np.datetime64) -> bool:
    """Whether a time without a zone is in an hour that some country's clocks show twice, or not at all."""
    if clock.times.form.zoned or clock.times.zone is not None or not clock.times.form.clock:
        return False
    month = int(moment.astype("datetime64[M]").astype(np.int64)) % 12 + 1
    day = moment.astype("datetime64[D]")
    hour = int((moment - day).astype(np.int64)) // HOUR
    return month in (3, 4, 9, 10, 11) and hour <= 3 and (int(day.astype(np.int64)) + 3) % 7 == 6


def closed(clock: Clock, values: Array, stretch: Stretch, gaps: Gaps) -> tuple[Array, Moments]:
    """The values and moments of one series with its gaps filled, or as they are; raises ``DataError`` for gaps."""
    here = slice(stretch.begin, stretch.end)
    values, moments = values[here], clock.moments[here]
    if clock.step is None or gaps == "ignore":
        return values, moments
    positions, off = clock.step.positions(moments)
    if off.any():
        row = stretch.begin + int(off.argmax())
        raise DataError(
            f"{clock.name}:{clock.lines[row]}: column '{clock.times.column}' has '{clock.written(row)}', where the "
            f"other lines are one step ({clock.step}) apart; fix it, or set dataset.gaps: ignore, which takes the "
            "lines as they lie"
        )
    missing = np.diff(positions) - 1
    if not missing.any():
        return values, moments
    if gaps == "error":
        raise _gap(clock, stretch, missing)
    length = int(positions[-1]) + 1
    if length > MOST * (len(values) + 100):
        raise _gap(clock, stretch, missing)
    filled = np.full((length, values.shape[1]), np.nan)
    filled[positions] = values
    whole = clock.step.at(moments[0], np.arange(length))
    whole[positions] = moments
    return filled, whole


def _gap(clock: Clock, stretch: Stretch, missing: NDArray[np.int64]) -> DataError:
    rows = np.flatnonzero(missing) + 1 + stretch.begin
    row, count = int(rows[0]), int(missing.max(initial=0) and missing[missing > 0][0])
    lines = ", ".join(str(clock.lines[each]) for each in rows[1:6]) + (", …" if len(rows) > 6 else "")
    others = f" ({len(rows)} gaps in all, also before lines {lines})" if len(rows) > 1 else ""
    advice = "add the lines, or set dataset.gaps: interpolate (or previous)"
    hidden = clock.moments[row - 1] + np.timedelta64(HOUR, "us")
    step = clock.step
    if step is not None and step.unit == "time" and count * step.size == HOUR and _put_back(clock, hidden):
        advice = (
            "clocks are put forward in such a night: set dataset.zone to the zone of these times, such as "
            "Europe/Berlin; or " + advice
        )
    if int(missing.sum()) > MOST * (len(missing) + 100):
        advice = "too many to fill; is the time right? dataset.gaps: ignore takes the lines as they lie"
    steps = f"1 step ({clock.step}) is" if count == 1 else f"{count:,} steps ({clock.step}) are"
    series = f" of series '{stretch.id}'" if stretch.id else ""
    return DataError(
        f"{clock.name}:{clock.lines[row]}: column '{clock.times.column}'{series} goes from "
        f"'{clock.written(row - 1)}' to '{clock.written(row)}', {steps} missing{others}; {advice}"
    )


def filled(name: str, values: Array, columns: Sequence[str], gaps: Gaps, series: str = "") -> Array:
    """``values`` ``[L, F]`` without NaN: on a line between their neighbours, or as the value before."""
    lost = np.isnan(values)
    if not lost.any():
        return values
    values = values.copy()
    places = np.arange(len(values))
    for column in np.flatnonzero(lost.any(0)).tolist():
        known = ~lost[:, column]
        if not known.any() or (gaps == "previous" and not known[0]):
            where = f" of series '{series}'" if series else ""
            raise DataError(
                f"{name}: column '{columns[column]}'{where} "
                + ("begins without a value; set dataset.gaps: interpolate" if known.any() else
                   "has no value at all; leave it out of dataset.columns")
            )  # fmt: skip
        if gaps == "previous":
            last = np.maximum.accumulate(np.where(known, places, 0))
            values[:, column] = values[last, column]
        else:
            values[lost[:, column], column] = np.interp(places[~known], places[known], values[known, column])
    return values


def tell(name: str, count: int, gaps: Gaps) -> None:
    """Say how many values were filled."""
    if count:
        how = "by the value before" if gaps == "previous" else "on a line between their neighbours"
        notice("gaps", f"{name}: {count:,} missing values are filled {how}")
