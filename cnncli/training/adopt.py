"""A network that a script of somebody's own has trained becomes a run: its weights, judged on the config's data."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnncli.compute.failures import ANSWERING, explained
from cnncli.compute.interrupt import StopSignal
from cnncli.compute.runtime import environment
from cnncli.config.checking import LoadedConfig
from cnncli.core.errors import Interrupted, StorageError, TrainingError
from cnncli.core.notices import notice
from cnncli.core.results import SplitReport, Values
from cnncli.core.spec import Pictures, Split
from cnncli.runs.checkpoint import Checkpoint, save_checkpoint
from cnncli.runs.ending import keeping_end
from cnncli.runs.result_picture import draw_result
from cnncli.runs.results import Monitored, RunResult
from cnncli.runs.run_folder import RunFolder, create_run, now
from cnncli.runs.test_looks import count_look
from cnncli.tasks.protocol import Meter
from cnncli.training.baselines import Comparison, check_baselines
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.display import Display
from cnncli.training.experiment import SPLITS, drawn
from cnncli.training.foreign_weights import Pairing, narrowed, pair, paired, read_weights
from cnncli.training.keep_outputs import KeptOutputs
from cnncli.training.new_run import NewRun
from cnncli.training.pictures import are_pictures, mistaken_pictures
from cnncli.training.report import evaluate_split, report_split


@dataclass(frozen=True)
class Origin:
    """The file that weights come from, its SHA-256, and which of its entries became which of the network."""

    file: str
    sha256: str
    pairing: Pairing

    def to_json(self) -> dict[str, Any]:
        """As the run writes it down."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "paired_by": "order" if self.pairing.by_order else "name",
            "entries": [vars(each) | {"shape": list(each.shape)} for each in self.pairing.pairs],
        }


@dataclass(frozen=True)
class Adopted:
    """The result of a run whose weights come from a file."""

    result: RunResult
    origin: Origin

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        return {**self.result.to_json(), "weights": self.origin.to_json()}


@explained(ANSWERING)
def adopt(loaded: LoadedConfig, file: Path, by_order: bool, new: NewRun, display: Display) -> Adopted:
    """A run of ``loaded`` with the weights in ``file``: calibrated on validation, and judged as at a training's end.

    Raises ``CheckpointError`` where the file cannot be used or its weights are not of the config's network,
    ``FitsInOrder`` where they are under other names and ``by_order`` is not asked for. Nothing is written then.
    """
    weights, sha256 = read_weights(file), _sha256(file)
    loaded = _as_saved(loaded)
    experiment = build_experiment(loaded, display.track, measure=False)
    check_baselines(loaded, experiment)
    model = experiment.state.model
    own = {name: value.cpu() for name, value in model.state_dict().items()}
    pairing = pair(weights, own, by_order, file)
    model.load_state_dict(paired(pairing, weights, own, file))
    _tell(experiment, pairing, narrowed(pairing, weights), file)
    run = create_run(new.runs_dir, loaded.config.name, new.run_id, new.overwrite, f"{new.stamp or now()}{new.suffix}")
    with run.locked(), keeping_end(run.path):
        origin = Origin(str(file), sha256, pairing)
        return Adopted(_written(_Adopting(experiment, run, display), origin), origin)


def _sha256(file: Path) -> str:
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"{file}: cannot be read ({error.strerror or error}); check the disk") from error


def _as_saved(loaded: LoadedConfig) -> LoadedConfig:
    """The config without what would change or replace the weights, and in the precision of a plain script."""
    config = loaded.config
    compute = config.compute.model_copy(update={"compile": "off"} if config.compute.compile == "auto" else {})
    train = config.train.model_copy(update={"start_from": None, "ema_decay": None})
    precision = "fp32" if config.precision == "auto" else config.precision
    changed = {"precision": precision, "compute": compute, "train": train, "finetune": None}
    return replace(loaded, config=config.model_copy(update=changed))


def _tell(experiment: Experiment, pairing: Pairing, narrow: bool, file: Path) -> None:
    """What can make the network another one than the script's."""
    data = experiment.data
    if are_pictures(data) and experiment.config.dataset.normalize == "dataset":
        preprocess = data.spec.require(Pictures, "a mean")
        mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (preprocess.mean, preprocess.std))
        told = f"mean {mean} and standard deviation {std}, those of the training split"
        notice("adopt", f"pixels are normalised with {told}; if the script used others, set dataset.normalize")
    if pairing.moved:
        notice("adopt", f"{file} has its layers in another order than the network: compare the result with the script")
    if narrow:
        notice("adopt", f"{file} holds float64; the network keeps float32")


@dataclass(frozen=True)
class _Adopting:
    """A network that has its weights, and where all about it is written."""

    experiment: Experiment
    run: RunFolder
    display: Display

    def calibrated(self) -> Values:
        """Choose on validation what answers need; returns the metrics there, none where there is no such split."""
        if "val" not in self.experiment.data.sources:
            return {}
        meter = self._looked("val")
        self.experiment.task.calibrate(meter)
        return meter.compute()

    def measured(self, split: Split) -> Values:
        """The metrics on a split."""
        return self._looked(split).compute()

    def _looked(self, split: Split) -> Meter:
        it = self.experiment
        with StopSignal() as stop:
            meter = evaluate_split(it.state.model, it.data, split, it.task, it.runtime, self.display, stop)
        return meter if meter is not None else _stopped(stop)

    def judged(self, split: Split, outputs: KeptOutputs) -> SplitReport:
        """The report on a split, beside the baselines."""
        it = self.experiment
        model, recorder = it.state.model, outputs.judging(split)
        with StopSignal() as stop:
            report = report_split(model, it.data, split, it.task, it.runtime, self.display, stop, recorder)
        report = report if report is not None else _stopped(stop)
        return report.beside(Comparison(it).on(split))

    def checkpoint(self) -> Checkpoint:
        """All that answering needs."""
        it = self.experiment
        weights = {name: value.cpu() for name, value in it.state.model.state_dict().items()}
        calibration = it.task.calibration.to_dict()
        return Checkpoint(it.config, it.data.spec, weights, {}, calibration, members=it.data.members)


def _stopped(stop: StopSignal) -> Any:
    assert stop.signum is not None
    raise Interrupted("stopped before the network was judged; adopt it again", stop.signum)


def _written(adopting: _Adopting, origin: Origin) -> RunResult:
    """Judge the network, and write everything down."""
    experiment, run = adopting.experiment, adopting.run
    run.write_config(experiment.config)
    run.write_json(run.environment, environment(experiment.runtime))
    run.write_json(run.adopted, origin.to_json())
    on_validation = adopting.calibrated()
    save_checkpoint(run.best, adopting.checkpoint())
    outputs = KeptOutputs(experiment, run, adopting.display)
    result = _result(adopting, on_validation, outputs)
    run.write_json(run.result, result.to_json())
    run.write_json(run.report, result.to_report())
    outputs.write()
    if experiment.config.logging.pictures:
        pictures = mistaken_pictures(experiment.data, result.report)
        drawn(run.picture, adopting.display, lambda: draw_result(result.report, run.picture, pictures))
    return result


def _result(adopting: _Adopting, on_validation: Values, outputs: KeptOutputs) -> RunResult:
    """The metrics on validation, and the one look at the test split, counted."""
    experiment, run, sources = adopting.experiment, adopting.run, adopting.experiment.data.sources
    judged = next(split for split in ("test", "val", "train") if split in sources)
    report = adopting.judged(judged, outputs)
    looks = count_look(run.best, "adopt", adopting.display.warn) if judged == "test" else None
    found: dict[str, Values] = {"val": on_validation, judged: report.metrics}
    monitor = experiment.config.checkpoint.monitor
    split, _, metric = monitor.partition("/")
    if split == "train" and "train" not in found:
        found["train"] = adopting.measured("train")
    metrics: dict[str, Values] = {name: found[name] for name in SPLITS if found.get(name)}
    value = metrics.get(split, {}).get(metric)
    if value is None:
        raise TrainingError(f"{monitor} is not defined for these weights and data; set checkpoint.monitor: val/loss")
    return RunResult(
        run_dir=str(run.path),
        best=str(run.best),
        last=str(run.best),
        best_epoch=0,
        epochs=0,
        monitored=Monitored(monitor, experiment.mode, value),
        metrics=metrics,
        samples={name: len(sources[name]) for name in SPLITS if name in metrics},
        report=report,
        test_looks=looks,
    )
