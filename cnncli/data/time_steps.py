"""The step of a series: so many seconds, months or business days, found from its times, and what comes after them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnncli.data.times import Moments

DAY = 86_400_000_000  # microseconds
CLOSED = 5  # business days in a row without a line that are taken for holidays
Days = Literal["same", "last", "last business", "first business"]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """``size`` microseconds, months or business days; ``day`` says which day of the month, ``anchor`` the same one."""

    unit: Literal["time", "month", "business"]
    size: int
    day: Days = "same"
    anchor: int = 1

    def positions(self, times: Moments) -> tuple[Whole, NDArray[np.bool_]]:
        """How many steps each of the (sorted) times is after the first, and which are not a whole number of them."""
        if self.unit == "time":
            since = (times - times[0]).astype(np.int64)
            return since // self.size, since % self.size != 0
        if self.unit == "month":
            months = _months(times)
            since = months - months[0]
            return since // self.size, (since % self.size != 0) | (times != self.at(times[0], since // self.size))
        days = times.astype("datetime64[D]")
        since = np.busday_count(days[0], days).astype(np.int64)
        steps = np.diff(since, prepend=since[0] - 1)
        steps[(steps > 1) & (steps <= CLOSED + 1)] = 1  # holidays
        return np.cumsum(steps) - 1, ~np.is_busday(days)

    def at(self, first: np.datetime64, steps: Whole) -> Moments:
        """The times so many ``steps`` after ``first``: datetime64[us] of the same length."""
        if self.unit == "time":
            return np.asarray(first + (steps * self.size).astype("timedelta64[us]"))
        clock = first - first.astype("datetime64[D]")
        if self.unit == "business":
            days = np.busday_offset(first.astype("datetime64[D]"), steps, roll="backward")
        else:
            months = (_months(np.array([first]))[0] + steps * self.size).astype("datetime64[M]")
            days = _day_of(months, self.day, self.anchor)
        return np.asarray(days.astype("datetime64[us]") + clock)

    def __str__(self) -> str:
        if self.unit == "month":
            names = {1: "month", 3: "quarter", 12: "year"}
            return names.get(self.size, f"{self.size} months")
        if self.unit == "business":
            return "business day"
        for name, size in (
            ("week", 7 * DAY),
            ("day", DAY),
            ("hour", DAY // 24),
            ("minute", 60_000_000),
            ("second", 10**6),
        ):
            if self.size % size == 0:
                count = self.size // size
                return name if count == 1 else f"{count} {name}s"
        return f"{self.size / 1e6:g} seconds"


def find_step(times: Moments) -> Step | None:
    """The step of sorted, different times, None where most are not one step apart."""
    if len(times) < 2:
        return None
    apart = np.diff(times).astype(np.int64)
    least = int(apart.min())
    if least >= 28 * DAY and (found := _calendar(times)) is not None:
        return found
    if least >= DAY and (found := _business(times, apart)) is not None:
        return found
    return _fixed(apart)


def _fixed(apart: Whole) -> Step | None:
    sizes, counts = np.unique(apart, return_counts=True)
    size = int(sizes[counts.argmax()])
    return Step("time", size) if counts.max() * 2 >= len(apart) else None


def _business(times: Moments, apart: Whole) -> Step | None:
    days = times.astype("datetime64[D]")
    if len(times) < 6 or not np.is_busday(days).all() or len(np.unique(times - days)) > 1:
        return None
    weekends = np.busday_count(days[:-1], days[1:]) < (days[1:] - days[:-1]).astype(np.int64)
    return Step("business", 1) if weekends.any() and (apart == DAY).mean() > 0.5 else None


def _calendar(times: Moments) -> Step | None:
    days = times.astype("datetime64[D]")
    months = _months(times)
    apart = np.diff(months)
    if len(np.unique(times - days)) > 1 or (apart <= 0).any():
        return None
    sizes, counts = np.unique(apart, return_counts=True)
    size = int(sizes[counts.argmax()])
    if counts.max() * 2 < len(apart):
        return None
    starts = months.astype("datetime64[M]")
    numbers = (days - starts.astype("datetime64[D]")).astype(np.int64) + 1
    kinds: tuple[Days, ...] = ("last", "same", "last business", "first business")
    for kind in kinds:
        anchor = int(numbers.max())
        if (_day_of(starts, kind, anchor) == days).mean() > 0.8:
            return Step("month", size, kind, anchor)
    return None


def _months(times: Moments) -> Whole:
    return times.astype("datetime64[M]").astype(np.int64)


def _day_of(months: NDArray[np.datetime64], kind: Days, anchor: int) -> NDArray[np.datetime64]:
    """A day of every month ``datetime64[M]``: datetime64[D]."""
    first = months.astype("datetime64[D]")
    last = (months + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    if kind == "same":
        return np.asarray(np.minimum(first + np.timedelta64(anchor - 1, "D"), last))
    if kind == "last":
        return np.asarray(last)
    if kind == "last business":
        return np.asarray(np.busday_offset(last, 0, roll="backward"))
    return np.asarray(np.busday_offset(first, 0, roll="forward"))
