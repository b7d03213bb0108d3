"""Keeps what a network answers to each sample while a split is judged: nothing is looked at twice for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnncli.compute.ranks import Ranks
from cnncli.core.spec import Split
from cnncli.data.bundle import DataBundle
from cnncli.data.sample_ids import Known, known
from cnncli.runs.outputs import MOST, Outputs
from cnncli.tasks.metrics import Kept
from cnncli.tasks.protocol import Answers, Meter, Task
from cnncli.training.engine import wide
from cnncli.training.network import example_inputs

T = TypeVar("T")

LARGEST_HALF = 65504.0
_PARTS = ("target", "answer", "weight", "correct", "loss", "embedding")


class Recorder:
    """Records an evaluation of ``split``. What fails in it becomes its ``fault``, and the evaluation goes on.

    ``too_large``: all would be more than ``MOST`` bytes; ``unembedded``: the embeddings are left out for that.
    Without ``to_keep`` they are left out at once, and samples that have no name or group of their own are numbered.
    """

    def __init__(self, data: DataBundle, split: Split, task: Task, name: str, to_keep: bool = True) -> None:
        self.data, self.split, self.task, self.name, self.to_keep = data, split, task, name, to_keep
        self.fault = ""
        self.too_large, self.unembedded = False, not to_keep
        self._kept = {name: Kept() for name in _PARTS}
        self._seen: Tensor | None = None  # what the last linear layer was given
        self._about: Answers | None = None  # without the samples

    @contextmanager
    def watching(self, model: nn.Module, device: torch.device) -> Iterator[None]:
        """While the network answers, see what its last linear layer is given.

        A compiled network answers as it was before: it would not call what comes later.
        """
        compiled, layer = model._compiled_call_impl, None
        if self.to_keep and self.data.spec.kind.only is None:  # not of windows and texts
            model._compiled_call_impl = None
            layer = self._trying(lambda: last_linear(model, self._example(device)))
        hook = None if layer is None else layer.register_forward_pre_hook(self._see)
        try:
            yield
        finally:
            model._compiled_call_impl = compiled
            if hook is not None:
                hook.remove()

    def beside(self, meter: Meter) -> "Beside":
        """``meter`` for the loop: what it is told is recorded, too."""
        return Beside(meter, self)

    def record(self, outputs: Tensor, targets: Tensor) -> None:
        """Keep a batch."""
        if not self.fault and not self.too_large:
            self._trying(lambda: self._record(outputs, targets))

    def combine(self, ranks: Ranks) -> None:
        """Make this the record of all ranks, each of which has seen other samples."""
        if ranks.count == 1:
            return
        self.fault = next(filter(None, ranks.of_all(self.fault)), "")
        self.too_large, self.unembedded = (any(ranks.of_all(each)) for each in (self.too_large, self.unembedded))
        if self.fault or self.too_large:
            return
        for kept in self._kept.values():
            rows = ranks.gathered(kept.all() if len(kept) else None)
            if rows is not None:
                kept.become(rows)
        self._about = next((about for about in ranks.of_all(self._about) if about is not None), None)

    def outputs(self) -> Outputs:
        """All that was kept."""
        spec, names = self.data.spec, self._names
        about = self._about or Answers(torch.zeros(0), torch.zeros(0))
        target, answer = self._array("target"), self._array("answer")
        if target.dtype.kind == "f":
            target, answer = target.astype(np.float64), answer.astype(np.float64)
        weight, embedding = self._array("weight"), self._array("embedding")
        return Outputs(
            split=self.split,
            task=self.name,
            classes=spec.classes or about.names,
            positive=about.positive,
            ids=names.ids,
            groups=names.groups,
            order=spec.kind.only is not None,
            target=target,
            answer=answer,
            thresholds=np.array(about.thresholds, dtype=np.float64),
            loss=self._array("loss").astype(np.float64),
            weight=weight.astype(np.float64) if len(weight) else np.ones(len(names.ids)),
            correct=self._array("correct").astype(np.float64),
            embedding=np.zeros((0, 0), np.float16) if self.unembedded or embedding.ndim != 2 else embedding,
        )

    def judged(self) -> Outputs | None:
        """All that was kept, for metrics of it; None where something has failed, or a plug-in's answers are others."""
        if self.fault or self.too_large:
            return None
        found = self._trying(self.outputs)
        if found is not None:
            self._trying(found.check)
        return None if self.fault else found

    @cached_property
    def _names(self) -> Known:
        if not self.to_keep and self.data.naming is None:  # to hash what many pictures hold takes long
            return known(range(len(self.data.sources[self.split])))
        return self.data.names(self.split)

    def _trying(self, do: Callable[[], T]) -> T | None:
        try:
            return do()
        except Exception as error:  # a plug-in's task, or a device without room: no result is lost for what is kept
            self.fault = str(error).strip().split("\n", 1)[0] or type(error).__name__
            return None

    def _example(self, device: torch.device) -> Tensor:
        example = example_inputs(self.data.spec, device)
        return example if self.data.embed is None else self.data.embed(example)

    def _see(self, _layer: nn.Module, inputs: Any) -> None:
        self._seen = inputs[0]

    def _record(self, outputs: Tensor, targets: Tensor) -> None:
        outputs, seen = wide(outputs), self._seen
        batch = {"loss": sample_losses(self.task, outputs, targets)}
        if (found := self.task.answers(outputs, targets)) is not None:
            batch |= {"target": found.target, "answer": found.answer}
        elif self.data.spec.kind.every_position:
            batch["correct"] = (outputs.argmax(-1) == targets).sum(1)
            batch["weight"] = torch.full_like(batch["correct"], targets.shape[1])
        if seen is not None and seen.ndim == 2 and len(seen) == len(outputs):
            batch["embedding"] = seen.float().clamp(-LARGEST_HALF, LARGEST_HALF).half()
        if not len(self._kept["loss"]):
            self._limit({name: rows[:1].nbytes for name, rows in batch.items()})
        if self.too_large:
            return
        if found is not None:
            self._about = replace(found, target=torch.zeros(0), answer=torch.zeros(0))
        for name, rows in batch.items():
            if name != "embedding" or not self.unembedded:
                self._kept[name].add(rows.detach().cpu())

    def _limit(self, sizes: dict[str, int]) -> None:
        """Leave out what would be too large, from the bytes of one sample."""
        samples = len(self.data.sources[self.split])
        whole = samples * sum(sizes.values())
        self.unembedded = self.unembedded or whole > MOST
        self.too_large = whole - samples * sizes.get("embedding", 0) > MOST

    def _array(self, name: str) -> NDArray[Any]:
        found: NDArray[Any] = self._kept[name].all().numpy()
        return found


class Beside:
    """A meter whose batches are recorded as well."""

    def __init__(self, meter: Meter, recorder: Recorder) -> None:
        self.meter, self.recorder = meter, recorder

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Tensor) -> None:
        """Tell both of a batch."""
        self.meter.update(loss, weight, outputs, targets)
        self.recorder.record(outputs, targets)


def sample_losses(task: Task, outputs: Tensor, targets: Tensor) -> Tensor:
    """The evaluation loss of each sample, ``[B]``: that of a batch is their mean."""

    def alone(output: Tensor, target: Tensor) -> Tensor:
        return task.eval_loss(output[None], target[None])

    try:
        losses: Tensor = torch.vmap(alone)(outputs, targets)
    except (RuntimeError, ValueError, TypeError, NotImplementedError):  # a loss that looks at values, or a plug-in's
        losses = torch.stack([alone(*pair).reshape(()) for pair in zip(outputs, targets, strict=True)])
    return losses.reshape(len(outputs))


@torch.inference_mode()
def last_linear(model: nn.Module, example: Tensor) -> nn.Linear | None:
    """The last linear layer that ``example`` passes; None where there is none."""
    passed: list[nn.Linear] = []
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(lambda own, _inputs: passed.append(own)) for layer in linear]
    was_training = model.training
    try:
        model.eval()(example)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return passed[-1] if passed else None
