"""Which runs are shown, and in which order."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.metrics import LOWER_IS_BETTER
from cnncli.runs.listing import ListedRun
from cnncli.runs.rows import Row
from cnncli.runs.settings import written

DATE, METRIC = "date", "metric"
SPECIAL = (DATE, METRIC, "name", "state", "time")
_CONDITION = re.compile(r"([^<>=!]+)(<=|>=|!=|=|<|>)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """``optimizer.lr<0.01``: what a run must fulfil to be shown."""

    text: str
    key: str
    sign: str
    wanted: str

    def holds(self, value: Any) -> bool:
        """Whether a value is as it is wanted; one that is not there is never."""
        if value is None and self.wanted != "null":
            return False
        ours, theirs = _number(value), _number(self.wanted)
        if ours is not None and theirs is not None:
            return _compares(ours, self.sign, theirs)
        if self.sign in ("=", "!="):
            return _compares(written(value), self.sign, self.wanted)
        return self.key == DATE and _compares(str(value), self.sign, self.wanted)


def conditions(texts: Iterable[str], runs: Sequence[ListedRun]) -> list[Condition]:
    """What ``--filter`` asks for; raises ``ConfigError`` for what is no condition, or about a key that no run has."""
    found = []
    for text in texts:
        parts = _CONDITION.fullmatch(text)
        if parts is None:
            raise ConfigError(f"--filter '{text}' is no condition; write key=value, key<value or key>value")
        key = known_key(parts[1].strip(), runs, "--filter")
        if parts[2] not in ("=", "!=") and key != DATE and _number(parts[3]) is None:
            raise ConfigError(f"--filter '{text}': '{parts[3]}' is no number; {parts[2]} compares numbers, = any value")
        found.append(Condition(text, key, parts[2], parts[3].strip()))
    return found


def known_key(word: str, runs: Sequence[ListedRun], option: str) -> str:
    """The key of the config or the metric that ``word`` means: its name, or its last part where only one ends so.

    Raises ``ConfigError`` with the nearest names.
    """
    known = dict.fromkeys(SPECIAL)
    for run in runs:
        known |= dict.fromkeys([*run.settings, *run.outcome.metrics])
    if word in known or not runs:
        return word
    ending = [key for key in known if key.endswith((f".{word}", f"/{word}"))]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise ConfigError(f"{option} {word}: can be {' or '.join(ending[:6])}; write one of them")
    raise ConfigError(f"{option} {word}: no run has such a key; {did_you_mean(word, list(known))}")


def kept(runs: Sequence[ListedRun], wanted: Sequence[Condition]) -> list[ListedRun]:
    """The runs that fulfil all conditions."""
    return [run for run in runs if all(each.holds(Row((run,)).value(each.key)) for each in wanted)]


def in_order(rows: Sequence[Row], key: str, backwards: bool) -> list[Row]:
    """Rows by a key: of dates the newest first, of metrics the best, else the smallest; what has none comes last."""
    there = [row for row in rows if row.value(key) is not None]
    missing = [row for row in rows if row.value(key) is None]
    first_is_largest = key == DATE or (_is_metric(key, rows) and not _lower_is_better(key, rows))
    ordered = sorted(there, key=lambda row: _rank(row.value(key)), reverse=first_is_largest)
    return [*(reversed(ordered) if backwards else ordered), *missing]


def best_of_each(rows: Sequence[Row]) -> list[Row]:
    """Of each name, and of each metric that its runs were judged by on validation, the best."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        if row.metric(METRIC) is not None:
            groups.setdefault((row.first.name, row.first.outcome.monitor), []).append(row)
    best = [in_order(group, METRIC, backwards=False)[0] for group in groups.values()]
    return [row for row in rows if row in best]


def _is_metric(key: str, rows: Sequence[Row]) -> bool:
    return key == METRIC or any(key in run.outcome.metrics for row in rows for run in row.runs)


def _lower_is_better(key: str, rows: Sequence[Row]) -> bool:
    if key == METRIC:
        return any(row.first.outcome.mode == "min" for row in rows if row.first.outcome.monitored is not None)
    return key.rpartition("/")[2] in LOWER_IS_BETTER


def _rank(value: Any) -> tuple[int, float, str]:
    """Numbers before words."""
    number = _number(value)
    return (1, 0.0, written(value)) if number is None else (0, number, "")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _compares(ours: Any, sign: str, theirs: Any) -> bool:
    return bool({
        "=": ours == theirs, "!=": ours != theirs, "<": ours < theirs, ">": ours > theirs, "<=": ours <= theirs,
        ">=": ours >= theirs,
    }[sign])  # fmt: skip
