"""A config built for short trials: on a part of its data, with weights that are put back after each of them."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor, nn

from cnncli.compute.interrupt import StopSignal
from cnncli.config.checking import LoadedConfig
from cnncli.core.seeding import derive_seed
from cnncli.core.targets import Shares
from cnncli.data.bundle import DataBundle
from cnncli.data.contract import Track
from cnncli.data.decoded import in_memory
from cnncli.data.sources import FileSource
from cnncli.optim.schedulers import Schedule
from cnncli.tasks.protocol import Targets
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.engine import Batch, TrainState, train_one_epoch
from cnncli.training.step_losses import StepLosses

MOST_VALUES = 2**26  # input values of the samples that trials use: 256 MiB as floats
FEWEST_TIMED = 64  # samples of a batch that threads are compared with
LEAST = 8  # samples of a batch that is cut
FEWEST, MOST = 256, 4096  # samples that trials use, where there are so many


class EveryLoss(StepLosses):
    """The loss of every step, in their order, read at once."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def wants(self, step: int) -> bool:
        """Every step, and once: LBFGS asks several times."""
        return step == len(self.losses)

    def add(self, step: int, loss: Tensor, lr: float) -> None:
        """Keep the loss."""
        self.losses.append(loss.item())


class Rising(Schedule):
    """All rates times ``factor`` after every step; they begin as they are."""

    def __init__(self, optimizer: torch.optim.Optimizer, factor: float = 1.0) -> None:
        super().__init__(optimizer, None, "step", 0)
        self.factor = factor

    def step(self) -> None:
        """Move on after an optimizer step."""
        for group in self.optimizer.param_groups:
            group["lr"] *= self.factor


@dataclass
class Bench:
    """An experiment on a part of its training data, ``whole`` are all of the data."""

    experiment: Experiment
    whole: DataBundle
    most: int | None = None  # samples of a batch in trials
    _kept: tuple[dict[str, Any], dict[str, Any]] = field(init=False)
    rates: list[float] = field(init=False)  # the highest that the schedule gives each parameter group
    warms_up: bool = field(init=False)  # whether the schedule begins far below them

    def __post_init__(self) -> None:
        state = self.experiment.state
        self._kept = deepcopy((state.model.state_dict(), state.optimizer.state_dict()))
        self.rates = highest_rates(state.schedule)
        self.warms_up = state.schedule.lr < 0.5 * self.rates[0]
        strategy, epochs = self.experiment.strategy, self.experiment.config.train.epochs
        self.frozen: Sequence[nn.Module] = () if strategy is None else strategy.frozen_at(epochs - 1)

    @property
    def model(self) -> nn.Module:
        """The network that learns."""
        return self.experiment.state.model

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.experiment.runtime.device

    @cached_property
    def samples(self) -> tuple[Tensor, Tensor]:
        """Inputs as the network gets them, not augmented, and targets, in an order at random."""
        batches = list(self.experiment.loader("train").epoch(0))
        inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
        return inputs, targets

    def restore(self) -> None:
        """Put weights and optimizer back to how they were."""
        weights, optimizer = self._kept
        self.model.load_state_dict(weights)
        self.model.zero_grad(set_to_none=True)
        self.experiment.state.optimizer.load_state_dict(deepcopy(optimizer))
        self.learning_mode()

    def learning_mode(self) -> None:
        """Put the network into the mode that it trains in."""
        self.model.train()
        for module in self.frozen:
            module.eval()

    def batches(self, whole: bool = False) -> Iterator[Batch]:
        """Batches as training gets them, epoch after epoch; cut to ``self.most`` samples unless ``whole``."""
        loader = self.experiment.loader("train", training=True)
        for epoch in count():
            for inputs, targets in loader.epoch(epoch):
                yield (
                    (inputs, targets)
                    if whole or self.most is None
                    else (inputs[: self.most], first(targets, self.most))
                )

    def limit_steps(self, wanted: int, seconds: float) -> None:
        """Cut batches so that about ``wanted`` steps take no longer than ``seconds``, but not below ``LEAST``."""
        self.most = None
        batches = list(islice(self.batches(), self.experiment.config.train.accumulate))
        self.step(batches)
        start = time.perf_counter()
        self.step(batches)
        took, size = time.perf_counter() - start, len(batches[0][1])
        self.restore()
        if took * wanted > seconds:
            self.most = min(max(int(size * seconds / (took * wanted)), LEAST), size)

    def train(
        self, steps: int, factor: float = 1.0, rising: float = 1.0, go_on: Callable[[list[float]], bool] | None = None
    ) -> list[float]:
        """The losses of ``steps`` optimizer steps as the config takes them, from the beginning.

        The rates are ``factor`` times the config's highest, and rise by ``rising`` with each step; ``go_on`` ends it
        early. The weights stay as they are then.
        """
        self.restore()
        losses, accumulate = EveryLoss(), self.experiment.config.train.accumulate

        def wanted() -> Iterator[Batch]:
            for number, batch in enumerate(islice(self.batches(), steps * accumulate)):
                if number and number % accumulate == 0 and go_on is not None and not go_on(losses.losses):
                    return
                yield batch

        self._set_rates(factor)
        self._take(wanted(), losses, rising)
        return losses.losses

    def step(self, batches: Sequence[Batch]) -> None:
        """One optimizer step on these batches, with the config's highest rates."""
        self._set_rates(1.0)
        self._take(batches, EveryLoss(), 1.0)

    def _set_rates(self, factor: float) -> None:
        for group, rate in zip(self.experiment.state.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def _take(self, batches: Iterable[Batch], losses: EveryLoss, rising: float) -> None:
        experiment = self.experiment
        optimizer = experiment.state.optimizer
        state = TrainState(self.model, optimizer, Rising(optimizer, rising), scaler=experiment.state.scaler,
                           frozen=self.frozen, losses=losses)  # fmt: skip
        task, settings = experiment.task, experiment.config.train
        try:
            train_one_epoch(state, batches, task, experiment.runtime, settings, task.meter(), StopSignal())
        except RuntimeError:  # some losses refuse what is not a number
            if not losses.losses or is_finite(self.model):
                raise
            losses.losses.append(math.nan)


def first(targets: Targets, size: int) -> Targets:
    """The targets of the first samples of a batch."""
    return Shares(targets.values[:size]) if isinstance(targets, Shares) else targets[:size]


def is_finite(model: nn.Module) -> bool:
    """Whether all weights are numbers."""
    return all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def highest_rates(schedule: Schedule) -> list[float]:
    """The highest rate of each parameter group over a run: of a cycle its top, else where the schedule starts."""
    groups = schedule.optimizer.param_groups
    tops = getattr(schedule.scheduler, "max_lrs", [0.0] * len(groups))
    pairs = zip(groups, schedule.base_lrs, tops, strict=True)
    return [max(float(group.get("max_lr", 0.0)), base, top) for group, base, top in pairs]


def open_bench(loaded: LoadedConfig, track: Track, most: int = MOST) -> Bench:
    """A config's experiment on at most about ``most`` samples; raises what ``build_experiment`` raises."""
    compute = loaded.config.compute.model_copy(update={"compile": "off"})  # takes longer than it gains in a trial
    config = loaded.config.model_copy(update={"compute": compute})
    found: list[DataBundle] = []

    def narrow(data: DataBundle) -> DataBundle:
        found.append(data)
        return narrowed(data, most, config.seed)

    experiment = build_experiment(replace(loaded, config=config), track, measure=False, narrow=narrow)
    return Bench(experiment, found[0])


def narrowed(data: DataBundle, most: int, seed: int) -> DataBundle:
    """``data`` with some samples of the training split alone, drawn at random, and in an order at random.

    Pictures in files are read from them: only those that are used are decoded.
    """
    source = data.sources["train"]
    values = torch.Size(data.spec.input_shape).numel()
    size = min(len(source), most, max(MOST_VALUES // values, FEWEST))
    generator = torch.Generator().manual_seed(derive_seed(seed, "trial"))
    chosen = torch.randperm(len(source), generator=generator)[:size]
    part, config = source.subset(chosen), data.config.model_copy(update={"cache": False})
    if isinstance(source, FileSource) and isinstance(part, FileSource):
        part = replace(part, whole=None, rows=None)
        if not in_memory(data.config, source):
            config = config.model_copy(update={"memory": "never"})
    return replace(data, config=config, sources={**data.sources, "train": part}, _loaders={}, _held={})


@contextmanager
def fewer_threads(bench: Bench) -> Iterator[None]:
    """Use one thread where the network is as fast with it: on a busy machine threads wait long for each other."""
    threads = torch.get_num_threads()
    inputs = next(bench.batches())[0][:FEWEST_TIMED]
    try:
        if bench.device.type == "cpu" and threads > 1:
            _fastest(bench, inputs)
            several = _fastest(bench, inputs)
            torch.set_num_threads(1)
            if _fastest(bench, inputs) > several:
                torch.set_num_threads(threads)
            bench.restore()
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def _fastest(bench: Bench, inputs: Tensor) -> float:
    """The seconds of the faster one of two forward passes."""
    found = []
    for _ in range(2):
        start = time.perf_counter()
        bench.model(inputs)
        found.append(time.perf_counter() - start)
    return min(found)
