"""Columns of dates as numbers that a network can learn from: year, and month, weekday and hour on their circles."""

from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.core.errors import DataError
from cnncli.data.cells import Flags, Numbers, texts

if TYPE_CHECKING:
    import pandas as pd

ISO = "ISO8601"
_DAYS = (
    "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d", "%B %d, %Y", "%b %d, %Y",
    "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%Y年%m月%d日",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p")


def date_format(column: "pd.Series[Any]", name: str, given: str | None = None) -> str:
    """The one form that every date of a column has: ``ISO8601`` or as ``strptime`` writes it.

    Raises ``DataError`` naming a line where there is none, or two that differ.
    """
    found = texts(column).dropna()
    fitting = [given] if given is not None else [ISO, *(day + hour for day in _DAYS for hour in _TIMES)]
    if given is None:  # a few tell at once what most are not
        few = found.drop_duplicates().iloc[:20]
        fitting = [form for form in fitting if _parsed(few, form).notna().all()]
    whole = {form: _parsed(found, form) for form in fitting}
    good = {form: times for form, times in whole.items() if times.notna().all()}
    if not good:
        wrong = next(iter(whole.values())).isna().to_numpy() if whole else np.ones(len(found), dtype=bool)
        line = found.index[int(wrong.argmax())]
        text = found.iloc[int(wrong.argmax())]
        raise DataError(
            f"{name}:{line}: column '{column.name}' has '{text}', no date in a form that all have; fix it, or set "
            "dataset.date_format, for example '%d.%m.%Y'"
        )
    first, *others = good
    for other in others:
        differ = (good[other] != good[first]).to_numpy()
        if differ.any():
            text = found.iloc[int(differ.argmax())]
            raise DataError(
                f"{name}:{found.index[int(differ.argmax())]}: column '{column.name}' has '{text}', which is another "
                f"date as {first} than as {other}; set dataset.date_format to one of them"
            )
    return first


def _parsed(found: "pd.Series[Any]", form: str) -> "pd.Series[Any]":
    import pandas as pd

    return pd.to_datetime(found, format=form, errors="coerce", utc=True)


def date_parts(column: "pd.Series[Any]", form: str) -> tuple[Numbers, Flags]:
    """Year, and month, weekday and hour as sine and cosine, float64 ``[N, 7]``; and which have no date ``[N]``."""
    given = texts(column)
    times = _parsed(given, form)
    wrong = times.isna().to_numpy()
    hours = times.dt.hour + times.dt.minute / 60
    turns = [(times.dt.month - 1) / 12, times.dt.day_of_week / 7, hours / 24]
    circles = [part(2 * np.pi * turn.to_numpy(np.float64)) for turn in turns for part in (np.sin, np.cos)]
    return np.stack([times.dt.year.to_numpy(np.float64), *circles], axis=1), wrong
