"""What a network answers to each sample, kept while it is judged: no batch is computed a second time for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from cnncli.core.results import Values
from cnncli.data.bundle import DataBundle
from cnncli.tasks.metrics import Kept
from cnncli.tasks.protocol import Meter, Task


def recorder_of(task: Task, data: DataBundle) -> "Recorder":
    """A new one, for an evaluation of ``task`` on ``data``."""
    return Recorder(task.meter(detailed=True), task, data.spec.kind.every_position)


class Recorder:
    """A meter that also keeps each sample's loss, target and answer, where they are; of texts how many were right.

    ``targets`` and ``answers`` ``[N, …]`` are the task's and the network's own; ``losses`` ``[N]``; ``right`` ``[N]``
    the characters of a passage that were predicted right; ``embedding`` ``[N, D]`` float16.
    """

    def __init__(self, meter: Meter, task: Task, is_text: bool) -> None:
        self.meter, self.task, self.is_text = meter, task, is_text
        self.losses, self.right = Kept(), Kept()
        self.targets, self.answers, self.embedding = Kept(), Kept(), Kept()
        self.characters = 1  # of a passage

    @property
    def samples(self) -> int:
        """Those of the meter."""
        return self.meter.samples

    @samples.setter
    def samples(self, count: int) -> None:
        self.meter.samples = count

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch to the meter, and keep it."""
        self.meter.update(loss, weight, outputs, targets)
        outputs = outputs.detach().float()
        self.losses.add(self._loss_of_each(outputs, targets))
        if self.is_text:
            self.characters = targets.shape[1]
            self.right.add((outputs.argmax(2) == targets).sum(1))
        else:
            self.answers.add(outputs)
            self.targets.add(targets)

    def _loss_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of every sample by itself, ``[B]``: the mean of a batch of one."""
        try:
            return vmap(lambda output, target: self.task.eval_loss(output[None], target[None]))(outputs, targets)
        except RuntimeError:  # a loss that asks for values, which vmap cannot give it
            pairs = zip(outputs.split(1), targets.split(1), strict=True)
            return torch.stack([self.task.eval_loss(output, target) for output, target in pairs])

    def running(self) -> Values:
        """Those of the meter."""
        return self.meter.running()

    def compute(self) -> Values:
        """Those of the meter."""
        return self.meter.compute()

    def totals(self) -> list[Tensor]:
        """Those of the meter."""
        return self.meter.totals()

    def rows(self) -> list[Kept]:
        """What the meter keeps, and what is kept here."""
        return [*self.meter.rows(), self.losses, self.right, self.targets, self.answers, self.embedding]

    def state_dict(self) -> dict[str, Any]:
        """Those of the meter: an evaluation is never resumed."""
        return self.meter.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``'s sums."""
        self.meter.load_state_dict(state)

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Keep what the last linear layer of ``model`` is given, where it is a vector for each sample."""
        last = next((layer for layer in reversed(list(model.modules())) if isinstance(layer, nn.Linear)), None)
        if last is None or self.is_text:
            yield
            return

        def keep(_layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            if isinstance(inputs[0], Tensor) and inputs[0].ndim == 2:
                self.embedding.add(inputs[0].detach().half())

        hook = last.register_forward_pre_hook(keep)
        try:
            yield
        finally:
            hook.remove()
