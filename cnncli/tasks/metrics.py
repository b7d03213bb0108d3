"""Sums and counts of an epoch, divided once at its end."""

from typing import Any

import torch
from torch import Tensor

Values = dict[str, float]


class ClassificationMeter:
    """Loss and accuracy averaged over samples; with ``detailed``, the confusion matrix too.

    Everything stays on the device until ``compute``: no step waits for the result of the one before.
    """

    def __init__(self, num_classes: int, device: torch.device, detailed: bool = False) -> None:
        self.num_classes = num_classes
        # mps has no float64; its sums are of one epoch only
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.loss_sum = torch.zeros((), dtype=dtype, device=device)
        self.weight = torch.zeros((), dtype=dtype, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self.samples = 0
        self.confusion: Tensor | None = None
        if detailed:
            self.confusion = torch.zeros(num_classes**2, dtype=torch.int64, device=device)

    def update(self, loss: Tensor, weight: Tensor | int, logits: Tensor, targets: Tensor) -> None:
        """Add a batch: its mean loss and what that mean was divided by, logits ``[B, K]``, targets ``[B]``."""
        predicted = logits.detach().argmax(dim=1)
        self.loss_sum += loss.detach() * weight
        self.weight += weight
        self.correct += (predicted == targets).sum()
        self.samples += len(targets)
        if self.confusion is not None:
            pairs = targets * self.num_classes + predicted
            self.confusion += torch.bincount(pairs, minlength=self.num_classes**2)

    def compute(self) -> Values:
        """``loss`` and ``accuracy`` (a fraction); with details also ``balanced_accuracy`` and ``macro_f1``."""
        loss = self.loss_sum.item() / max(self.weight.item(), 1e-12)
        values = {"loss": loss, "accuracy": self.correct.item() / max(self.samples, 1)}
        if self.confusion is not None:
            rows = [row for row in per_class(self.confusion_matrix()) if row["support"]]
            values["balanced_accuracy"] = sum(row["recall"] for row in rows) / max(len(rows), 1)
            values["macro_f1"] = sum(row["f1"] for row in rows) / max(len(rows), 1)
        return values

    def confusion_matrix(self) -> Tensor:
        """int64 ``[K, K]``: row = true class, column = predicted class. Needs ``detailed``."""
        assert self.confusion is not None
        return self.confusion.view(self.num_classes, self.num_classes).cpu()

    def state_dict(self) -> dict[str, Any]:
        """The sums so far, for an epoch that is interrupted and resumed."""
        return {
            "loss_sum": self.loss_sum.cpu(),
            "weight": self.weight.cpu(),
            "correct": self.correct.cpu(),
            "samples": self.samples,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``'s sums."""
        self.loss_sum.copy_(state["loss_sum"])
        self.weight.copy_(state["weight"])
        self.correct.copy_(state["correct"])
        self.samples = int(state["samples"])


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
