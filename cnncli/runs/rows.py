"""A row for every run, or for all the runs that differ in nothing but the seed and were made together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, stdev
from typing import Any

from cnncli.runs.listing import ListedRun
from cnncli.runs.settings import same_but_for_seed

CHOSEN = "precision"  # what can be measured by each run of a set for itself


@dataclass(frozen=True)
class Spread:
    """The mean of ``n`` runs, and their standard deviation (divided by n - 1); None of a single one."""

    mean: float
    deviation: float | None
    n: int


def spread(values: Sequence[float]) -> Spread | None:
    """The mean of values and how far they lie apart; None where there is none."""
    if not values:
        return None
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Row:
    """One run, or those of one set by their seeds; ``key`` is what they have in common."""

    runs: tuple[ListedRun, ...]

    @property
    def first(self) -> ListedRun:
        """The run that stands for the others: they have the same config, but for the seed."""
        return self.runs[0]

    @property
    def is_set(self) -> bool:
        """Whether the row stands for several runs."""
        return len(self.runs) > 1

    @property
    def began(self) -> datetime:
        """When the last of the runs began."""
        return max(run.began for run in self.runs)

    @property
    def seconds(self) -> float | None:
        """What all the runs took together."""
        known = [run.seconds for run in self.runs if run.seconds is not None]
        return sum(known) if known else None

    @property
    def state(self) -> str:
        """The state of the run; of several how many are in which state."""
        states = Counter(run.state for run in self.runs)
        return self.first.state if len(states) == 1 else ", ".join(f"{n} {state}" for state, n in states.items())

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs."""
        return [run.seed for run in self.runs if run.seed is not None]

    def value(self, key: str) -> Any:
        """What ``--sort`` and ``--filter`` call ``key``: a value of the config, or a metric (of a set its mean)."""
        told = {"date": self.began.isoformat(" "), "name": self.first.name, "state": self.state, "time": self.seconds}
        if key in told:
            return told[key]
        if key in self.first.settings:
            return self.first.settings[key]
        found = self.metric(key)
        return None if found is None else found.mean

    def metric(self, key: str) -> Spread | None:
        """A metric, ``metric`` being the monitored one; of a set over the runs that are finished."""
        judged = [run for run in self.runs if run.state == "finished"] if self.is_set else self.runs
        values = [run.outcome.monitored if key == "metric" else run.outcome.metrics.get(key) for run in judged]
        return spread([value for value in values if value is not None])

    def baseline(self) -> float | None:
        """What the baseline to beat reaches in the headline; of a set on the mean."""
        values = [run.outcome.baselines[0].value for run in self.runs if run.outcome.baselines]
        found = spread([value for value in values if value is not None])
        return None if found is None else found.mean


def as_rows(runs: Sequence[ListedRun], merge: bool = True) -> list[Row]:
    """A row for every run, in their order; ``merge`` those that one command made for several seeds."""
    groups: dict[Any, list[ListedRun]] = {}
    for run in runs:
        key: Any = run.path
        if merge and run.seeds is not None and run.settings:
            settings = {name: value for name, value in run.settings.items() if name != CHOSEN}
            key = (run.path.parent, run.seeds.id, same_but_for_seed(settings))
        if any(other.seed == run.seed for other in groups.get(key, [])):
            key = run.path  # an earlier trial of this seed
        groups.setdefault(key, []).append(run)
    return [Row(tuple(sorted(group, key=lambda run: run.seed or 0))) for group in groups.values()]
