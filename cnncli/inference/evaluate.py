"""A checkpoint judged on a split of its data."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cnncli.compute.failures import ANSWERING, explained
from cnncli.compute.interrupt import StopSignal
from cnncli.core.as_text import result_lines
from cnncli.core.errors import DataError, Interrupted, PlaceGone, SamplesGone, StorageError
from cnncli.core.html import metrics_table, report_html
from cnncli.core.members import Members
from cnncli.core.printable import shell_word
from cnncli.core.results import SplitReport, Values
from cnncli.core.slices import Slices
from cnncli.core.spec import Split
from cnncli.data import DataBundle
from cnncli.data.contract import Remembered
from cnncli.data.order import Share
from cnncli.data.places import home_of, placed, where_to_set
from cnncli.inference.judged_split import judged_split
from cnncli.inference.predictor import Predictor
from cnncli.runs.outputs import MOST
from cnncli.runs.results import read_result, with_counts
from cnncli.runs.run_folder import RunFolder
from cnncli.runs.test_looks import Looks, count_look, in_run
from cnncli.training.build import open_data
from cnncli.training.display import Display
from cnncli.training.keep_outputs import KEPT, keep
from cnncli.training.recorder import Recorder
from cnncli.training.report import report_split


@dataclass(frozen=True)
class Evaluation:
    """What a checkpoint scores on a split; ``views``: with means over several views of each picture."""

    checkpoint: str
    report: SplitReport
    views: bool = False
    looks: Looks | None = None  # at the test split of the run, this one included
    place: str | None = None  # where the samples lie that are judged as test, if not of the run's own data

    @property
    def judged(self) -> str:
        """What people read of the samples: the split's name, or the place where they lie."""
        return self.report.split if self.place is None else self.place

    @property
    def metrics(self) -> dict[str, Values]:
        """The metrics by split."""
        return {self.report.split: self.report.metrics}

    @property
    def samples(self) -> dict[str, int]:
        """How many samples each split has."""
        return {self.report.split: self.report.samples}

    def __str__(self) -> str:
        return result_lines(self.checkpoint, self.metrics, self.samples, self.report)

    def _repr_html_(self) -> str:
        return metrics_table(self.metrics, self.samples, self.checkpoint) + report_html(self.report)

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        about: dict[str, Any] = {
            "checkpoint": self.checkpoint,
            "split": self.report.split,
            **({"tta": True} if self.views else {}),
        }
        if self.looks is not None:
            about |= self.looks.to_json()
        return {**about, "metrics": with_counts(self.metrics, self.samples), **self.report.to_json()}


@explained(ANSWERING)
def evaluate(
    predictor: Predictor, split: Split | None, display: Display, place: str | None = None, by: str | None = None
) -> Evaluation:
    """Metrics, details of each class and the baseline of a trained network on one split of its data.

    The split is the one that the run remembers, wherever the data lie now; at another ``place`` it is all that training
    has not seen. Without a ``split`` it is test, or validation where there is none. ``by`` is a column, or ``folder``,
    of which each slice is judged on its own, too.
    """
    ranks = predictor.runtime.ranks
    with ranks.zero_first():
        data, training = at_home(predictor, display) if place is None else _elsewhere(predictor, place, display)
        split = "test" if place is not None else judged_split(split, data.sources, predictor.path, predictor.config)
        data.share = Share(ranks.index, ranks.count)
        if ranks.count > 1:
            data.loader(split, predictor.runtime.device)
    slices = None if by is None else data.slices(split, by)
    predictor.task.fit(training)
    wanted = place is None and _wants_outputs(predictor, split)
    recorder = Recorder(data, split, predictor.task, predictor.config.task.name, to_keep=wanted)
    with StopSignal() as stop:
        report = report_split(predictor.model, data, split, predictor.task, predictor.runtime, display, stop, recorder)
    if report is None:
        assert stop.signum is not None
        raise Interrupted("stopped before the evaluation was done", stop.signum)
    if slices is not None:
        report = ranks.from_zero(partial(_with_slices, report, recorder, slices))
    if wanted and ranks.is_zero:
        keep(recorder, RunFolder(predictor.path.parent).outputs(split), display)
    if place is None:
        report = with_fitted(report, RunFolder(predictor.path.parent).report)
    counted = split == "test" and place is None
    looks = ranks.from_zero(lambda: count_look(predictor.path, "eval", display.warn)) if counted else None
    return Evaluation(str(predictor.path), report, predictor.views, looks, place)


def with_fitted(report: SplitReport, of_run: Path) -> SplitReport:
    """``report`` beside the baselines that its run has fitted, where the run's own ``report.json`` is on this split.

    It is where samples and simple baselines are the same.
    """
    if not of_run.is_file():
        return report
    try:
        known = read_result(of_run).report
    except StorageError:  # it is evaluated anew, and nothing else of the file is needed
        return report
    simple = tuple(baseline for baseline in known.baselines if baseline.seconds is None)
    if (known.split, known.samples, simple) != (report.split, report.samples, report.baselines):
        return report
    return report.beside([baseline for baseline in known.baselines if baseline.seconds is not None])


def _with_slices(report: SplitReport, recorder: Recorder, slices: Slices) -> SplitReport:
    """``report`` with the slices of what was recorded; raises ``DataError`` where it was too much."""
    from cnncli.scoring.slices import by_slices  # scipy takes a while to import

    outputs = recorder.judged()
    if outputs is None:
        cause = recorder.fault or f"the answers take more than {MOST // 2**20} MiB"
        raise DataError(f"by {slices.by}: no slices can be judged ({cause}); leave it out, or judge a smaller split")
    block = by_slices(outputs, slices, report.headline, report.metrics)
    return replace(report, blocks=(*report.blocks, block))


def _wants_outputs(predictor: Predictor, split: Split) -> bool:
    """Whether these are a run's best weights, and the run has no outputs of the split where it should."""
    config, run = predictor.config, RunFolder(predictor.path.parent)
    wanted = config.logging.outputs and predictor.as_trained and not predictor.views and split in KEPT
    own = predictor.path.name == run.best.name and in_run(predictor.path)
    missing = predictor.runtime.ranks.from_zero(lambda: not run.outputs(split).exists())
    return wanted and own and missing


def at_home(predictor: Predictor, display: Display, command: str = "eval") -> tuple[DataBundle, Tensor]:
    """The data of the run and its training targets; raises ``DataError`` where its samples are not there.

    What helps then is told as words of the ``command`` that asks.
    """
    config = predictor.config
    try:
        data = own_data(predictor, display)
    except SamplesGone as error:
        others = f", or judge others: cnncli eval --ckpt {shell_word(predictor.path)} --data PLACE"
        raise DataError(f"{error}; {where_to_set(config.dataset)}{others if command == 'eval' else ''}") from error
    except PlaceGone as error:
        place = f"cnncli {command} --ckpt {predictor.path} dataset.{error.key}=PLACE"
        raise DataError(f"{error}: {place}") from error
    training = _remembered_targets(predictor)
    return data, data.sources["train"].targets if training is None else training


def own_data(predictor: Predictor, display: Display) -> DataBundle:
    """The data that a network was trained and judged on, in the splits that its run remembers.

    Raises ``DataError`` where they are not there, or not as they were.
    """
    remembered = None if predictor.members is None else Remembered(predictor.members)
    return open_data(predictor.config, display.track, predictor.spec, remembered)


def _remembered_targets(predictor: Predictor) -> Tensor | None:
    """The targets of the training part as the run saw them; None where it does not keep them."""
    if predictor.members is None or not len(predictor.members.learned):
        return None
    training = torch.from_numpy(predictor.members.learned)
    return training.long() if training.dtype == torch.int16 else training


def _elsewhere(predictor: Predictor, place: str, display: Display) -> tuple[DataBundle, Tensor]:
    """All labelled samples at ``place`` but those of training, and the targets of training, for the baseline."""
    members, config = predictor.members or Members("path"), predictor.config
    section = placed(config.dataset, predictor.spec, place)
    moved = config.model_copy(update={"dataset": section})
    home = home_of(config.dataset) if members.by == "path" else None
    data = open_data(moved, display.track, predictor.spec, Remembered(members, elsewhere=True, home=home))
    if (training := _remembered_targets(predictor)) is not None:
        return data, training
    if predictor.spec.kind.only == "windows":  # whose baselines need nothing of training
        return data, torch.zeros(0)
    return data, open_data(config, display.track, predictor.spec).sources["train"].targets
