"""What single steps give: the losses of the first epoch, for its curve, and records of every so many, for loggers."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from cnncli.core.results import Values

MOST = 400  # steps that are kept; a curve shows no more
TOLD_EVERY = 10.0  # seconds, at most, that a record waits: reading it waits for the device


class StepLosses:
    """Loss and learning rate of evenly spaced steps; the losses stay on the device until they are asked for."""

    def __init__(self) -> None:
        self._every = 1
        self._steps: list[int] = []
        self._losses: list[Tensor] = []
        self._rates: list[float] = []

    def wants(self, step: int) -> bool:
        """Whether a step is one of those that are kept, and new."""
        return step % self._every == 0 and (not self._steps or step > self._steps[-1])

    def add(self, step: int, loss: Tensor, lr: float) -> None:
        """Keep a step (from 0); of too many every second one is dropped."""
        self._steps.append(step)
        self._losses.append(loss)
        self._rates.append(lr)
        if len(self._steps) > MOST:
            self._every *= 2
            kept = [i for i, number in enumerate(self._steps) if number % self._every == 0]
            self._steps = [self._steps[i] for i in kept]
            self._losses = [self._losses[i] for i in kept]
            self._rates = [self._rates[i] for i in kept]

    def records(self) -> list[Values]:
        """``step`` (from 1), ``loss`` and ``lr`` of each that was kept."""
        losses = torch.stack(self._losses).tolist() if self._losses else []
        return [
            {"step": step + 1, "loss": loss, "lr": lr}
            for step, loss, lr in zip(self._steps, losses, self._rates, strict=True)
        ]


class StepRecords:
    """Loss, gradient norm and learning rate of every so many steps, on the device until they are taken."""

    def __init__(self, every: int) -> None:
        self.every, self._last = every, -1
        self._steps: list[int] = []
        self._values: list[Tensor] = []
        self._rates: list[float] = []

    def wants(self, step: int) -> bool:
        """Whether a step (from 0) is one of those that are told, and new."""
        return step % self.every == 0 and step > self._last

    def add(self, step: int, loss: Tensor, norm: Tensor, lr: float) -> None:
        """Keep a step."""
        self._last = step
        self._steps.append(step)
        self._values.append(torch.stack([loss.detach().float(), norm.float()]))
        self._rates.append(lr)

    def take(self) -> list[tuple[int, Values]]:
        """What was kept since the last time, each with the number of its step (from 1); waits for the device."""
        values = torch.stack(self._values).tolist() if self._values else []
        told = [
            (step + 1, {"train/step/loss": loss, "train/step/gradient_norm": norm, "train/step/lr": lr})
            for step, (loss, norm), lr in zip(self._steps, values, self._rates, strict=True)
        ]
        self._steps, self._values, self._rates = [], [], []
        return told

    def telling(self, items: Iterable[Any], tell: Callable[[list[tuple[int, Values]]], None]) -> Iterator[Any]:
        """``items``, and every now and then what was kept meanwhile."""
        told = time.monotonic()
        for item in items:
            yield item
            if self._steps and time.monotonic() - told > TOLD_EVERY:
                tell(self.take())
                told = time.monotonic()


def gradient_norm(model: nn.Module) -> Tensor:
    """The norm of all gradients together, but for sparse ones; stays on the device."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return get_total_norm([gradient for gradient in gradients if not gradient.is_sparse])
