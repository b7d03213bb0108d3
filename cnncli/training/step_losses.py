"""The loss of single steps, for the curve of a run that has only one epoch."""

import torch
from torch import Tensor

from cnncli.core.results import Values

MOST = 400  # steps that are kept; a curve shows no more


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
