"""What a comparison found, as typed parts."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cnncli.core.spec import Split

Answer = Literal["better", "worse", "not distinguishable"]
Unit = Literal["samples", "groups", "blocks", "seeds"]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """A metric of a row: the mean over its runs, their standard deviation where there are several, and each value."""

    mean: float
    deviation: float | None
    values: tuple[float, ...]
    interval: Interval | None = None


@dataclass(frozen=True)
class Judged:
    """An argument of the comparison: its runs, and what they reached."""

    argument: str
    runs: tuple[str, ...]
    seeds: tuple[int | None, ...]
    metrics: dict[str, Summary]
    baselines: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Test:
    """The difference of a metric from the first row's; ``p_holm`` is ``p`` corrected for the number of comparisons."""

    difference: float
    low: float
    high: float
    p: float | None
    p_holm: float | None
    method: str
    answer: Answer | None


@dataclass(frozen=True)
class Needed:
    """How many units find such a difference of the headline in 80 % of all cases."""

    difference: float
    unit: Unit
    count: int


@dataclass(frozen=True)
class Compared:
    """A row against the first: of what ``unit`` there were how many (first, this one), or why there is no test.

    ``found_with_these`` is the difference of the headline that is found in 80 % of all cases as it is.
    """

    argument: str
    against: str
    unit: Unit | None
    counts: tuple[int, int]
    tests: dict[str, Test]
    needed: Needed | None = None
    found_with_these: float | None = None
    why_none: str = ""


@dataclass(frozen=True)
class Comparison:
    """The rows, in what their settings differ (``{key: values by row}``), and each against the first."""

    split: Split
    samples: int | None
    headline: str
    lower_is_better: bool
    metrics: tuple[str, ...]
    scores: tuple[str, ...]  # further ones of all rows
    rows: tuple[Judged, ...]
    differs: dict[str, tuple[str, ...]]
    compared: tuple[Compared, ...]
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """As docs/json.md lists it."""
        found = asdict(self)
        found["headline"] = {"metric": self.headline, "lower_is_better": self.lower_is_better}
        found.pop("lower_is_better")
        for row in found["rows"]:
            row["baselines"] = [{"name": name, "value": value} for name, value in row["baselines"]]
        return found
