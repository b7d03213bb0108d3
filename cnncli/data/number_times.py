"""Whole numbers as times: 20240315, 202403, 2024, seconds to nanoseconds since 1970."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnncli.data.time_forms import Form
from cnncli.data.times import MOSTLY, Moments, Times, no_time

if TYPE_CHECKING:
    import pandas as pd

YEARS = frozenset({"year", "years", "yr", "date", "ds", "time", "period", "jahr", "annee", "ano", "jaar"})
NAMES = YEARS | {
    "datetime", "timestamp", "day", "month", "quarter", "datum", "zeit", "monat", "fecha", "unix", "epoch", "dt", "ts",
    "utc", "when", "yearmonth", "yyyymm", "yyyymmdd",
}  # fmt: skip
UNITS = (("s", 1e8, 4.2e9), ("ms", 1e11, 4.2e12), ("us", 1e14, 4.2e15), ("ns", 1e17, 4.2e18))
DIGITS = (("%Y%m%d", 15000000, 22000000), ("%Y%m", 150000, 220000), ("%Y", 1500, 2200))


def numbers_as_times(column: "pd.Series[Any]", values: NDArray[np.float64], named: bool, name: str) -> Times | None:
    """The times that whole numbers stand for: 20240315, 202403, 2024, seconds to nanoseconds since 1970.

    ``named``: the config says that they are. Else the column's own name must sound like it, or (of years and months
    not) the numbers must never go back, or never forth. Raises ``DataError`` where a few are no times.
    """
    words = set(re.split(r"[^a-z]+", str(column.name).lower()))
    whole = np.isfinite(values) & (values == np.floor(values))
    for kind, least, most in (*UNITS, *DIGITS):
        inside = whole & (values >= least) & (values <= most)
        if not len(values) or inside.mean() < MOSTLY:
            continue
        steps = np.diff(values[inside])
        ordered = len(steps) > 1 and ((steps > 0).all() or (steps < 0).all())
        years = kind == "%Y"
        speaks = named or bool(words & (YEARS if years else NAMES))
        if not speaks and (years or kind == "%Y%m" or not ordered):
            continue
        moments = _moments(values, inside, kind)
        known = ~np.isnat(moments)
        if known.all():
            return Times(str(column.name), moments, Form(kind) if "%" in kind else Form("", unit=kind))
        if known.mean() >= MOSTLY and len(values) > 1:
            raise no_time(column, ~known, name)
    return None


def _moments(values: NDArray[np.float64], inside: NDArray[np.bool_], kind: str) -> Moments:
    """Numbers as times, NaT where they are none."""
    import pandas as pd

    found = np.full(len(values), np.datetime64("NaT", "us"), dtype="datetime64[us]")
    numbers = values[inside].astype(np.int64)
    if "%" not in kind:
        found[inside] = numbers.astype(f"datetime64[{kind}]").astype("datetime64[us]")
    else:
        text = pd.Series(numbers).astype(str)
        found[inside] = pd.to_datetime(text, format=kind, errors="coerce").to_numpy().astype("datetime64[us]")
    return found
