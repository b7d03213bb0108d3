"""Which columns of a table tell several series apart."""

import re
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.data.time_columns import Table
from cnncli.data.times import Times

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

CALENDAR = frozenset(["year", "quarter", "month", "week", "weekday", "day", "hour", "minute", "second", "time", "date"])
_YAML = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])  # are no words to YAML
MOST_IDS = 6  # columns that are tried together


def yaml_words(columns: Sequence[str]) -> str:
    """Names of columns as a config has them: one, or a list; those that YAML would take for something else quoted."""
    plain = [
        name if re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in _YAML else "'" + name.replace("'", "''") + "'"
        for name in columns
    ]
    return plain[0] if len(plain) == 1 else f"[{', '.join(plain)}]"


def find_series(table: Table, wanted: str | list[str] | None, times: Times | None, used: set[str]) -> list[str]:
    """The columns that tell several series apart: those that the config names, or one that explains repeated times.

    Empty where there is one series. Raises ``DataError`` where several columns could be meant.
    """
    if wanted is not None:
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        table.require(names, "series")
        return names
    if times is None or times.different:
        return []
    free = [column for column in table.free if column not in used and column.strip().lower() not in CALENDAR]
    fit = [column for column in free if _explain(table, [column], times)]
    texts = [column for column in fit if not table.is_numeric(column)]
    fit = texts or fit
    if len(fit) > 1:
        named = " or ".join(f"'{column}'" for column in fit)
        raise DataError(
            f"{table.name}: times are repeated, and {named} could tell the series apart; set dataset.series: "
            f"{yaml_words(fit[:1])}"
        )
    if fit:
        count = table.frame[fit[0]].nunique()
        notice("series", f"{table.name}: {count} series, told apart by '{fit[0]}'; dataset.series names another column")
    elif together := _together(table, free, times):
        raise DataError(
            f"{table.name}: times are repeated, and no column alone tells the series apart, but "
            f"{' and '.join(together)} together do; set dataset.series: {yaml_words(together)}"
        )
    return fit


def _together(table: Table, free: list[str], times: Times) -> list[str]:
    """The fewest columns that tell the series apart together, texts before numbers; empty where none do."""
    ids = [column for column in free if _codes(table, column) is not None]
    ids = sorted(ids, key=table.is_numeric)[:MOST_IDS]
    for count in range(2, len(ids) + 1):
        for columns in combinations(ids, count):
            if _explain(table, list(columns), times):
                return [column for column in table.free if column in columns]
    return []


def may_name_series(table: Table) -> list[str]:
    """Columns of texts each of which stand in one block of lines, as where several series follow one another."""
    texts = [column for column in table.free if not table.is_numeric(column)]
    words = {column: table.frame[column].fillna("").astype(str) for column in texts[:MOST_IDS]}
    found: list[str] = []
    blocks = 1
    for column in words:
        text = _joined([words[each] for each in (*found, column)])
        count = int((text != text.shift()).sum())
        if blocks < count == text.nunique() <= len(text) // 5:
            found, blocks = [*found, column], count
    return found


def _joined(parts: "list[pd.Series[str]]") -> "pd.Series[str]":
    text = parts[0]
    for more in parts[1:]:
        text = text + "\0" + more
    return text


def _codes(table: Table, column: str) -> "NDArray[np.int64] | None":
    """A number for each different value of a column; None where it cannot be the name of a series."""
    if table.is_numeric(column):
        values = table.numbers(column)[0]
        if not np.isfinite(values).all() or (values != np.floor(values)).any():
            return None
    codes, names = table.frame[column].factorize()
    return None if len(names) < 2 or 2 * len(names) > len(codes) else codes.astype(np.int64)


def _explain(table: Table, columns: Sequence[str], times: Times) -> bool:
    """Whether no time is there twice for the same values of columns that have few different ones."""
    codes = {column: _codes(table, column) for column in columns}
    if any(each is None for each in codes.values()):
        return False
    import pandas as pd

    ids = pd.DataFrame(codes)
    return 2 * len(ids.drop_duplicates()) <= len(ids) and not ids.assign(time=times.values).duplicated().any()
