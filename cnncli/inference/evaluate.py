"""A checkpoint judged on a split of its data."""

from dataclasses import dataclass
from typing import Any, get_args

from cnncli.compute.interrupt import StopSignal
from cnncli.core.errors import ConfigError, Interrupted, did_you_mean
from cnncli.core.results import SplitReport, Values
from cnncli.core.spec import Split
from cnncli.inference.predictor import Predictor
from cnncli.runs.results import with_counts
from cnncli.training.build import open_data
from cnncli.training.display import Display
from cnncli.training.report import report_split


@dataclass(frozen=True)
class Evaluation:
    """What a checkpoint scores on a split; ``views``: with means over several views of each picture."""

    checkpoint: str
    report: SplitReport
    views: bool = False

    @property
    def metrics(self) -> dict[str, Values]:
        """The metrics by split."""
        return {self.report.split: self.report.metrics}

    @property
    def samples(self) -> dict[str, int]:
        """How many samples each split has."""
        return {self.report.split: self.report.samples}

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        about = {"checkpoint": self.checkpoint, "split": self.report.split, **({"tta": True} if self.views else {})}
        return {**about, "metrics": with_counts(self.metrics, self.samples), **self.report.to_json()}


def evaluate(predictor: Predictor, split: Split, display: Display) -> Evaluation:
    """Metrics, details of each class and the baseline of a trained network on one split of its data."""
    data = open_data(predictor.config, display.track, predictor.spec)
    predictor.task.fit(data.sources["train"].targets)
    with StopSignal() as stop:
        report = report_split(predictor.model, data, split, predictor.task, predictor.runtime, display, stop)
    if report is None:
        assert stop.signum is not None
        raise Interrupted("stopped before the evaluation was done", stop.signum)
    return Evaluation(str(predictor.path), report, predictor.views)


def parse_split(text: str) -> Split:
    """The split called ``text``; raises ``ConfigError`` for any other word."""
    splits: dict[str, Split] = {name: name for name in get_args(Split)}
    if text not in splits:
        raise ConfigError(f"--split {text}: {did_you_mean(text, list(splits))}")
    return splits[text]
