"""What a network is compared with."""

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

Values = dict[str, float]
"""Metrics by name."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Baseline:
    """What needs no network: its name, its metrics on a split, and the class that it always names, if it is one.

    ``seconds`` are those that fitting and judging it took; None of the simplest ones, which take no time.
    """

    name: str
    metrics: Values
    always: str | None = None
    seconds: float | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """One flat object."""
        about = {"class": self.always, "seconds": self.seconds}
        return {"name": self.name, **{key: value for key, value in about.items() if value is not None}, **self.metrics}

    def __str__(self) -> str:
        return self.name if self.always is None else f"{self.name} ({self.always})"


def in_order(baselines: Sequence[Baseline], headline: str, lower_is_better: bool) -> list[Baseline]:
    """Those that have the ``headline``, the best first."""
    known = [baseline for baseline in baselines if headline in baseline.metrics]
    return sorted(known, key=lambda baseline: baseline.metrics[headline], reverse=not lower_is_better)
