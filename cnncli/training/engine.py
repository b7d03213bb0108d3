"""The loop. It knows no file, prints nothing, and waits for no result inside a step."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import LBFGS, Optimizer

from cnncli.compute.interrupt import StopSignal
from cnncli.compute.runtime import Runtime
from cnncli.compute.scaling import GradientScale
from cnncli.config.sections import TrainConfig
from cnncli.optim.averaging import WeightAverage
from cnncli.optim.schedulers import Schedule
from cnncli.tasks.protocol import Meter, Targets, Task
from cnncli.training.step_losses import StepLosses, StepRecords, gradient_norm

Batch = tuple[Tensor, Targets]


@dataclass
class TrainState:
    """What training changes: the weights and everything that moves with them."""

    model: nn.Module
    optimizer: Optimizer
    schedule: Schedule
    average: WeightAverage | None = None
    scaler: GradientScale | None = None  # of fp16
    frozen: Sequence[nn.Module] = ()  # stay in evaluation mode: their BatchNorm statistics must not move
    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the current epoch
    global_step: int = 0  # finished optimizer steps
    parallel: nn.Module | None = None  # the model as the one that several ranks train
    losses: StepLosses = field(default_factory=StepLosses)  # of the first epoch
    steps: StepRecords | None = None  # for loggers, on the rank that writes

    @property
    def network(self) -> nn.Module:
        """What training asks: the model, or its gradients exchanged between ranks."""
        return self.model if self.parallel is None else self.parallel

    def keep_step(self, loss: Tensor, norm: Tensor | None) -> None:
        """Remember the loss of a step of the first epoch, and what loggers are told where the ``norm`` is known."""
        if self.epoch == 0 and self.losses.wants(self.global_step):
            self.losses.add(self.global_step, loss.clone(), self.schedule.lr)
        if norm is not None and self.steps is not None:
            self.steps.add(self.global_step, loss, norm, self.schedule.lr)

    @property
    def eval_model(self) -> nn.Module:
        """The network that is evaluated and kept: the averaged weights where there are any."""
        return self.model if self.average is None else self.average.model


def train_one_epoch(
    state: TrainState,
    batches: Iterable[Batch],
    task: Task,
    runtime: Runtime,
    settings: TrainConfig,
    meter: Meter,
    stop: StopSignal,
    uncounted: int | None = None,
) -> None:
    """One pass over ``batches``, an optimizer step for every ``settings.accumulate`` of them.

    The batch of number ``uncounted`` is trained on and left out of ``meter``: another rank counts it.
    """
    state.model.train()
    for module in state.frozen:
        module.eval()
    for window in _windows(batches, settings.accumulate):
        runtime.seed_step(state.global_step)
        counted = [number != uncounted for number in range(state.batch, state.batch + len(window))]
        if _step(state, window, counted, task, runtime, settings, meter):
            state.schedule.step()
            if state.average is not None:
                state.average.update(state.model)
            state.global_step += 1
        state.batch += len(window)
        if runtime.ranks.asked_to_stop(stop):
            return


def _step(
    state: TrainState,
    window: list[Batch],
    counted: list[bool],
    task: Task,
    runtime: Runtime,
    settings: TrainConfig,
    meter: Meter,
) -> bool:
    """One optimizer step on the mean loss over all samples of ``window``, on all ranks, however unequal its batches.

    False where fp16's gradients were infinite: the weights stay, and the next step is tried at a smaller scale.
    """
    weights = [task.weight(targets) for _, targets in window]
    shares = runtime.ranks.shares(weights, runtime.device)

    def closure() -> float:
        state.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=runtime.device)
        for place, (batch, weight, share) in enumerate(zip(window, weights, shares, strict=True)):
            with runtime.ranks.exchanging(state.network, now=place == len(window) - 1):
                loss, outputs = _backward(state, batch, share, task, runtime)
            total += loss if share is None else loss * share
            if counted[place]:  # LBFGS asks several times; the first answer is that of the weights before the step
                counted[place] = False
                with runtime.phase("metrics"):
                    meter.update(loss, weight, outputs, batch[1])
        norm = _clip(state, settings)
        state.keep_step(total, norm)
        if isinstance(state.optimizer, LBFGS):  # the one that reads the loss: all ranks must decide alike
            runtime.ranks.mean(total)
        return total  # type: ignore[return-value]  # optimizers pass it through; a float would wait for the device

    if state.scaler is None:
        with runtime.phase("optimizer"):
            state.optimizer.step(closure)
        return True
    closure()
    with runtime.phase("optimizer"):
        return state.scaler.step(state.optimizer)


def _backward(
    state: TrainState, batch: Batch, share: Tensor | float | None, task: Task, runtime: Runtime
) -> tuple[Tensor, Tensor]:
    """Add the gradients of a batch's mean loss times its ``share`` of the step, if it is not all of it.

    Returns the loss and the network's answer.
    """
    inputs, targets = batch
    with runtime.phase("forward"), runtime.autocast():
        outputs = state.network(inputs)
    with runtime.phase("loss"):
        loss = task.loss(wide(outputs), targets)  # the loss is not for mixed precision
        part = loss if share is None else (loss * share).to(loss.dtype)
    runtime.ranks.arrived()  # gradients are exchanged while others are computed
    with runtime.phase("backward"):
        (part if state.scaler is None else state.scaler.scaled(part)).backward()
    return loss.detach(), outputs


def wide(outputs: Tensor) -> Tensor:
    """At least float32."""
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))


def _clip(state: TrainState, settings: TrainConfig) -> Tensor | None:
    """Bound the gradients as the config asks; gives their norm before, where loggers are told of this step."""
    wanted = state.steps is not None and state.steps.wants(state.global_step)
    if not wanted and settings.clip_grad_norm is None and settings.clip_grad_value is None:
        return None
    if state.scaler is not None:
        state.scaler.unscale(state.optimizer)
    norm = gradient_norm(state.model) if wanted else None
    if settings.clip_grad_norm is not None:
        clip_grad_norm_(state.model.parameters(), settings.clip_grad_norm)
    if settings.clip_grad_value is not None:
        clip_grad_value_(state.model.parameters(), settings.clip_grad_value)
    return norm


def _windows(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """``batches`` in lists of ``size``; the last may be shorter."""
    iterator = iter(batches)
    while window := list(islice(iterator, size)):
        yield window


class Counts(Protocol):
    """What an evaluation tells of its batches."""

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Any) -> None:
        """Take in a batch, as a meter does."""


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[Any],
    task: Task,
    runtime: Runtime,
    meter: Counts,
    stop: StopSignal,
) -> None:
    """Evaluation mode, no gradients; ``meter`` averages over samples."""
    was_training = model.training
    model.eval()
    for inputs, targets in batches:
        with runtime.autocast():
            outputs = model(inputs)
        loss = task.eval_loss(wide(outputs), targets)
        meter.update(loss, len(targets), outputs, targets)
        if stop.requested:
            break
    model.train(was_training)
