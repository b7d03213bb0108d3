"""The result of a run: ``result.json`` for its readers, ``report.json`` in the form that is read back."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from cnncli.core.as_text import result_lines
from cnncli.core.errors import StorageError
from cnncli.core.html import metrics_table, report_html
from cnncli.core.results import SplitReport, Values
from cnncli.runs.test_looks import Looks

_PLAIN = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_PLAIN)
class Monitored:
    """The metric that picked the best epoch, which way is better, and what it was then."""

    metric: str
    mode: Literal["max", "min"]
    value: float


@dataclass(frozen=True, config=_PLAIN)
class RunResult:
    """The best epoch's metrics by split, and the one look at the test split (or what there is) with its weights."""

    run_dir: str
    best: str
    last: str
    best_epoch: int
    epochs: int
    monitored: Monitored
    metrics: dict[str, Values]
    samples: dict[str, int]
    report: SplitReport
    test_looks: Looks | None = None

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        return {
            "run_dir": self.run_dir,
            "best": self.best,
            "last": self.last,
            "best_epoch": self.best_epoch,
            "epochs": self.epochs,
            "monitor": {"metric": self.monitored.metric, "mode": self.monitored.mode, "value": self.monitored.value},
            "metrics": with_counts(self.metrics, self.samples),
            **self.report.to_json(),
            **({} if self.test_looks is None else self.test_looks.to_json()),
        }

    def _told(self) -> str:
        return f"{self.run_dir}: epoch {self.best_epoch} of {self.epochs} is the best by {self.monitored.metric}"

    def __str__(self) -> str:
        return result_lines(self._told(), self.metrics, self.samples, self.report)

    def _repr_html_(self) -> str:
        return metrics_table(self.metrics, self.samples, self._told()) + report_html(self.report)

    def to_report(self) -> dict[str, Any]:
        """All of it as plain values, for ``read_result``."""
        found: dict[str, Any] = TypeAdapter(RunResult).dump_python(self, mode="json")
        return found


def with_counts(metrics: dict[str, Values], samples: dict[str, int]) -> dict[str, dict[str, Any]]:
    """``{split: {n, metric: value, …}}``."""
    return {split: {"n": samples[split], **values} for split, values in metrics.items()}


def read_result(path: Path) -> RunResult:
    """The result in a run's ``report.json``; raises ``StorageError`` when the file is damaged."""
    try:
        # by way of json: pydantic's own parser refuses names that are not UTF-8
        return TypeAdapter(RunResult).validate_python(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:  # pydantic's is a ValueError
        raise StorageError(
            f"{path}: cannot be read ({str(error).splitlines()[0]}); evaluate the run's best.pt"
        ) from error
