"""What a run will take, before its first epoch: memory, time per epoch and disk, by a few steps thrown away."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from cnncli.compute.failures import explained, fewer_steps
from cnncli.compute.interrupt import StopSignal
from cnncli.compute.machine import peak_memory, wait_for
from cnncli.core.spec import Split
from cnncli.optim.schedulers import Schedule
from cnncli.runs.checkpoint import save_checkpoint
from cnncli.runs.run_folder import RunFolder
from cnncli.training.baselines import uses_scikit_learn
from cnncli.training.build import Experiment
from cnncli.training.display import Display
from cnncli.training.engine import evaluate, train_one_epoch
from cnncli.training.features import whole
from cnncli.training.fit import Fit
from cnncli.training.network import example_inputs
from cnncli.training.recorder import last_linear

WARM_UP = 5  # steps
SECONDS = 3.0  # of timed steps, and half of it of evaluation
LONGEST = 200  # steps of the warm-up, and epochs or evaluations of a block
BLOCKS = 7  # into which the steps are cut; the median counts
DRAWING, FITTING = 60 * 2**20, 150 * 2**20  # bytes: matplotlib with a picture, scikit-learn with what it fits
CURVES, RESULT, SAMPLES = 80_000, 60_000, 6_000  # bytes of curves.png, result.png and, for small pictures, samples.png
METRICS = 4_000  # bytes of a checkpoint that hold the metrics of its epoch
PAGE = 90_000  # report.html; of text, which has no figures, less, and with pictures of mistakes more
TEXTS = 18_000  # config.yaml, result.json, report.json, environment.json
EPOCH = 510  # bytes of an epoch in metrics.jsonl
SAMPLE = 60  # bytes of a sample in outputs/*.npz beside its answer and embedding


@dataclass(frozen=True)
class Outlook:
    """What a run will take. ``memory`` in bytes is None where nobody counts; ``disk`` is that of the run's folder."""

    memory: int | None
    device: str
    train_seconds: float
    eval_seconds: float
    epochs: int
    disk: int
    checkpoint: int
    measured_steps: int

    @property
    def epoch_seconds(self) -> float:
        return self.train_seconds + self.eval_seconds

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        return {
            "peak_memory": self.memory,
            "device": self.device,
            "epoch_seconds": self.epoch_seconds,
            "train_seconds": self.train_seconds,
            "eval_seconds": self.eval_seconds,
            "epochs": self.epochs,
            "run_seconds": self.epochs * self.epoch_seconds,
            "disk": self.disk,
            "checkpoint": self.checkpoint,
            "measured_steps": self.measured_steps,
        }


def outlook(experiment: Experiment) -> Outlook:
    """Take a few steps and evaluate a few batches; the experiment is used up by it."""
    config, device = experiment.config, experiment.runtime.device
    with explained(fewer_steps(config.dataset.batch_size, config.precision)):
        steps, step_seconds = _train(experiment)
        eval_seconds = _evaluate(experiment)
    with TemporaryDirectory() as folder:
        last, best = _checkpoints(experiment, RunFolder(Path(folder)))
    memory = peak_memory(device)
    if memory is not None and device.type == "cpu":
        memory += DRAWING * config.logging.pictures + FITTING * uses_scikit_learn(experiment)
    return Outlook(
        memory, str(device), step_seconds * experiment.steps_per_epoch, eval_seconds, config.train.epochs,
        _disk(experiment, last, best), last, steps,
    )  # fmt: skip


def _train(experiment: Experiment) -> tuple[int, float]:
    """How many steps were timed, and the seconds of one."""
    # the rate stays: more steps than the run has would be beyond the end of some schedules
    state = replace(experiment.state, schedule=Schedule(experiment.state.optimizer, None, "epoch", 0))
    if experiment.strategy is not None:
        state.frozen = experiment.strategy.frozen_at(0)
    loader, task = experiment.loader("train", training=True), experiment.task
    every = experiment.config.train.accumulate

    def take(batches: Iterable[Any]) -> tuple[int, float]:
        before, start, meter = state.global_step, time.perf_counter(), task.meter()
        train_one_epoch(state, batches, task, experiment.runtime, experiment.config.train, meter, StopSignal())
        meter.compute()  # waits for the device
        return state.global_step - before, time.perf_counter() - start

    def endless() -> Iterator[Any]:
        for epoch in count():
            yield from loader.epoch(epoch)

    batches, steps = endless(), experiment.steps_per_epoch
    done, seconds = take(islice(batches, WARM_UP * every))
    done, seconds = take(islice(batches, min(_fitting(done, seconds), LONGEST) * every))  # the first steps are slower
    size = max(_fitting(done, seconds), 2)
    if size >= steps:  # whole epochs, with what begins and ends one
        found = [
            _sum(take(loader.epoch(number)) for number in range(min(size // steps, LONGEST))) for _ in range(BLOCKS)
        ]
    else:
        found = [take(islice(batches, size * every)) for _ in range(BLOCKS)]
    return sum(done for done, _ in found), median(seconds / max(done, 1) for done, seconds in found)


def _fitting(done: int, seconds: float) -> int:
    """How many steps fit into a block."""
    return round(SECONDS / BLOCKS * done / max(seconds, 1e-6))


def _sum(taken: Iterable[tuple[int, float]]) -> tuple[int, float]:
    done, seconds = zip(*taken, strict=True)
    return sum(done), sum(seconds)


def _evaluate(experiment: Experiment) -> float:
    """The seconds of an evaluation of the validation part, 0 without one."""
    if "val" not in experiment.data.sources:
        return 0.0
    loader, task = experiment.loader("val"), experiment.task

    def take(batches: int) -> float:
        start = time.perf_counter()
        meter = task.meter(detailed=True)
        evaluate(experiment.state.eval_model, islice(loader.epoch(0), batches), task, experiment.runtime, meter,
                 StopSignal())  # fmt: skip
        meter.compute()
        wait_for(experiment.runtime.device)
        return time.perf_counter() - start

    first = take(1)
    batches = min(len(loader), max(round(SECONDS / 6 / max(first, 1e-6)), 1))
    rounds = 3 if batches < len(loader) else min(max(round(SECONDS / 6 / max(first, 1e-6)), 3), LONGEST)
    return median(take(batches) for _ in range(rounds)) * len(loader) / batches


def _checkpoints(experiment: Experiment, run: RunFolder) -> tuple[int, int]:
    """Bytes of last.pt and of best.pt: they are written, and thrown away."""
    fit = Fit(experiment, run, Display(quiet=True))
    fit.keep_last()
    save_checkpoint(run.best, replace(fit.checkpoint(), training=None))
    return run.last.stat().st_size + METRICS, run.best.stat().st_size + METRICS


def _disk(experiment: Experiment, last: int, best: int) -> int:
    """Bytes of the folder of a run; what is written beside checkpoints is estimated."""
    config, sources = experiment.config, experiment.data.sources
    kept = config.train.epochs // config.checkpoint.every if config.checkpoint.every else 0
    total = last + best + kept * last + TEXTS + EPOCH * config.train.epochs
    if config.logging.pictures:
        total += CURVES + RESULT * (2 if experiment.data.spec.classes else 1)
    if config.logging.report:
        total += PAGE
    if config.logging.samples and experiment.data.spec.kind.in_files:
        total += SAMPLES
    if config.logging.outputs:
        judged: list[Split] = [split for split in ("val", "test") if split in sources]
        total += sum(len(sources[split]) for split in judged) * _bytes_of_answer(experiment)
    if config.logging.tensorboard:
        total += _tensorboard(experiment)
    return total


def _bytes_of_answer(experiment: Experiment) -> int:
    """Of one sample in outputs/*.npz."""
    spec = experiment.data.spec
    if spec.kind.every_position:
        return SAMPLE
    values = 4 * spec.num_outputs if spec.classes else 16 * spec.num_outputs
    return SAMPLE + values + 2 * _width(experiment)


def _width(experiment: Experiment) -> int:
    """The values of an embedding, which are what the last linear layer is given; 0 where none are kept."""
    spec, model = experiment.data.spec, whole(experiment.state.eval_model)
    layer = None if spec.kind.only else last_linear(model, example_inputs(spec, experiment.runtime.device))
    return layer.in_features if layer is not None else 0


def _tensorboard(experiment: Experiment) -> int:
    """Bytes of the events: scalars of epochs and steps, histograms of each tensor, pictures, and the projector."""
    config, sources = experiment.config, experiment.data.sources
    epochs, logging = config.train.epochs, config.logging
    tensors = len([p for p in experiment.state.model.parameters() if p.requires_grad])
    layers = len([module for module in experiment.state.model.modules() if not list(module.children())])
    histograms = min(logging.histograms, epochs) * (2 * tensors + layers) * 500
    steps = epochs * experiment.steps_per_epoch // logging.steps * 180 if logging.steps else 0
    pictures = 60_000 if experiment.data.spec.kind.in_files else 0
    projected = min(len(sources["val"]), logging.embeddings) if "val" in sources else 0
    return epochs * 1000 + histograms + steps + pictures + projected * (4 * _width(experiment) + 80)


def rates(experiment: Experiment) -> tuple[list[float], list[list[float]]]:
    """The epochs at which a step is taken, and the rate of each parameter group there; the experiment is used up.

    A plateau is told of ever better values: its rate stays.
    """
    state, steps, epochs = experiment.state, experiment.steps_per_epoch, experiment.config.train.epochs
    places: list[float] = []
    found: list[list[float]] = [[] for _ in state.optimizer.param_groups]
    wanted = max(epochs * steps // 2000, 1)
    better = 1.0 if experiment.mode == "max" else -1.0
    state.optimizer.step = _no_step(state.optimizer)  # type: ignore[method-assign]
    for epoch in range(epochs):
        for step in range(steps):
            number = epoch * steps + step
            if number % wanted == 0 or number == epochs * steps - 1:
                places.append(number / steps)
                for own, group in zip(found, state.optimizer.param_groups, strict=True):
                    own.append(max(float(group["lr"]), 0.0))
            state.schedule.step()
        state.schedule.end_epoch(better * epoch)
    return places, found


def _no_step(optimizer: torch.optim.Optimizer) -> Any:
    """A step that does nothing, and counts as one for schedules, which warn of moving before any."""

    def step(*_args: Any, **_values: Any) -> None:
        return None

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer._opt_called = True  # type: ignore[attr-defined]
    return step
