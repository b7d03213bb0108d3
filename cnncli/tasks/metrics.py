"""Sums and counts of an epoch, divided once at its end."""

from typing import Any

import torch
from torch import Tensor

from cnncli.core.devices import WITHOUT_FLOAT64
from cnncli.core.results import Block, Column, MatrixBlock, Rate, RatesBlock, TableBlock, Values
from cnncli.core.targets import Shares
from cnncli.tasks.protocol import Targets


def wide_type(device: torch.device) -> torch.dtype:
    """float64, but for devices that have none."""
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64


class Sums:
    """Named sums on the device, float64 where there is such a thing; read once, at the end."""

    def __init__(self, device: torch.device, *names: str) -> None:
        self.values = {name: torch.zeros((), dtype=wide_type(device), device=device) for name in names}

    def add(self, **amounts: Tensor | float) -> None:
        """Add to each named sum."""
        for name, amount in amounts.items():
            self.values[name] += amount

    def __getitem__(self, name: str) -> float:
        return self.values[name].item()

    def state_dict(self) -> dict[str, Tensor]:
        """The sums so far, in float64 wherever they were made."""
        return {name: value.cpu().double() for name, value in self.values.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state_dict``'s sums."""
        for name, value in self.values.items():
            value.copy_(state[name].to(value.dtype))


class Kept:
    """Rows of all batches, where they are, in one tensor that grows: kept one by one they would break up the memory."""

    def __init__(self) -> None:
        self._room, self._count = torch.zeros(0), 0

    def add(self, rows: Tensor) -> None:
        """Add a batch ``[B, ...]``."""
        count = self._count + len(rows)
        if count > len(self._room):
            room = rows.new_empty((max(count, 2 * len(self._room)), *rows.shape[1:]))
            if self._count:
                room[: self._count] = self._room[: self._count]
            self._room = room
        self._room[self._count : count] = rows
        self._count = count

    def __len__(self) -> int:
        return self._count

    def all(self) -> Tensor:
        """What was added, ``[N, ...]``, on the CPU."""
        return self._room[: self._count].cpu()

    def become(self, rows: Tensor) -> None:
        """Keep these rows instead."""
        self._room, self._count = rows, len(rows)


class SummingMeter:
    """The sums of an epoch and how many samples they are of: what every task's meter keeps and resumes from."""

    def __init__(self, device: torch.device, *names: str) -> None:
        self.sums = Sums(device, "loss", "weight", *names)
        self.samples = 0

    def mean_loss(self) -> float:
        """The loss averaged over what the batches' losses were divided by."""
        return self.sums["loss"] / max(self.sums["weight"], 1e-12)

    def totals(self) -> list[Tensor]:
        """What adds up where several processes have seen a part of the samples each."""
        return list(self.sums.values.values())

    def rows(self) -> list[Kept]:
        """What is kept of each sample."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """The sums so far, for an epoch that is interrupted and resumed."""
        return {"sums": self.sums.state_dict(), "samples": self.samples}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``'s sums."""
        self.sums.load_state_dict(state["sums"])
        self.samples = int(state["samples"])


class ClassificationMeter(SummingMeter):
    """Loss and accuracy averaged over samples; with ``detailed``, the confusion matrix and all logits too.

    Everything stays on the device until ``compute``: no step waits for the result of the one before.
    """

    def __init__(self, num_classes: int, device: torch.device, detailed: bool = False) -> None:
        super().__init__(device, "correct")
        self.num_classes = num_classes
        self.confusion: Tensor | None = None
        self._logits, self._targets = Kept(), Kept()
        if detailed:
            self.confusion = torch.zeros(num_classes**2, dtype=torch.int64, device=device)

    def update(self, loss: Tensor, weight: Tensor | int, logits: Tensor, targets: Targets) -> None:
        """Add a batch: its mean loss and what that mean was divided by, logits ``[B, K]``, targets ``[B]``.

        Of mixed samples the class with the largest share counts.
        """
        if isinstance(targets, Shares):
            targets = targets.values.argmax(dim=1)
        predicted = logits.detach().argmax(dim=1)
        self.sums.add(loss=loss.detach() * weight, weight=weight, correct=(predicted == targets).sum())
        self.samples += len(targets)
        if self.confusion is not None:
            pairs = targets * self.num_classes + predicted
            self.confusion.index_add_(0, pairs, torch.ones_like(pairs))  # bincount would wait for the device
            self._logits.add(logits.detach().float())
            self._targets.add(targets)

    def running(self) -> Values:
        """``loss`` and ``accuracy`` (a fraction)."""
        return {
            "loss": self.mean_loss(),
            "accuracy": self.sums["correct"] / max(self.samples, 1),
        }

    def compute(self) -> Values:
        """``running``; with details also ``balanced_accuracy`` and ``macro_f1``.

        As scikit-learn's: recall is averaged over the classes that occur, F1 over those that occur or were predicted.
        """
        values = self.running()
        if self.confusion is not None:
            confusion = self.confusion_matrix()
            rows, predicted = per_class(confusion), confusion.sum(0).tolist()
            recalls = [row["recall"] for row in rows if row["support"]]
            f1s = [row["f1"] for row, times in zip(rows, predicted, strict=True) if row["support"] or times]
            values["balanced_accuracy"] = sum(recalls) / max(len(recalls), 1)
            values["macro_f1"] = sum(f1s) / max(len(f1s), 1)
        return values

    def answers(self) -> tuple[Tensor, Tensor]:
        """All logits ``[N, K]`` and targets ``[N]``, on the CPU. Needs ``detailed``."""
        return self._logits.all(), self._targets.all()

    def totals(self) -> list[Tensor]:
        """The sums, and with details the confusion matrix."""
        return super().totals() + ([] if self.confusion is None else [self.confusion])

    def rows(self) -> list[Kept]:
        """With details logits and targets."""
        return [] if self.confusion is None else [self._logits, self._targets]

    def confusion_matrix(self) -> Tensor:
        """int64 ``[K, K]``: row = true class, column = predicted class. Needs ``detailed``."""
        assert self.confusion is not None
        return self.confusion.view(self.num_classes, self.num_classes).cpu()


def per_class(confusion: Tensor) -> list[Values]:
    """Precision, recall, F1 and support of each class; 0 where nothing was predicted or present.

    ``confusion`` is int64 ``[K, K]``, rows true, columns predicted.
    """
    hits = confusion.diagonal().double()
    predicted, support = confusion.sum(0).double(), confusion.sum(1).double()
    precision = hits / predicted.clamp_min(1)
    recall = hits / support.clamp_min(1)
    f1 = 2 * hits / (predicted + support).clamp_min(1)
    return [
        {"precision": p, "recall": r, "f1": f, "support": int(s)}
        for p, r, f, s in zip(precision.tolist(), recall.tolist(), f1.tolist(), support.tolist(), strict=True)
    ]


def class_blocks(classes: tuple[str, ...], confusion: Tensor) -> list[Block]:
    """Precision, recall, F1 and support of each class, the confusion matrix ``[K, K]``, and how sure each recall is."""
    columns = (
        Column("class", "class"),
        Column("precision", "precision", ".4f"),
        Column("recall", "recall", ".4f"),
        Column("f1", "F1", ".4f"),
        Column("support", "samples", "d"),
    )
    rows = tuple((name, *row.values()) for name, row in zip(classes, per_class(confusion), strict=True))
    counts = tuple(tuple(row) for row in confusion.tolist())
    title = "Confusion (row: true class, column: predicted)"
    return [
        TableBlock("per_class", "Per class", columns, rows, shape="by_name"),
        MatrixBlock("confusion", title, classes, counts),
        RatesBlock("intervals", classes, (Rate("recall", "recall", *_hits_of(confusion)),)),
    ]


def _hits_of(confusion: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many samples of each class were predicted right, and how many it has."""
    return tuple(confusion.diagonal().tolist()), tuple(confusion.sum(1).tolist())
