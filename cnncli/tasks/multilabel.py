"""Any number of labels for each sample: a yes or no for every class, from a threshold of its own."""

from typing import Any, ClassVar

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from cnncli.config.sections import LossConfig
from cnncli.core.numbers import Probability
from cnncli.core.registry import losses, tasks
from cnncli.core.results import Baseline, Block, Column, Rate, RatesBlock, TableBlock, Values
from cnncli.core.spec import DataSpec, Wants
from cnncli.core.targets import Shares
from cnncli.tasks.calibration import reliability
from cnncli.tasks.losses import check_class_weights, plain_loss
from cnncli.tasks.metrics import Kept, SummingMeter, wide_type
from cnncli.tasks.protocol import Answers, Calibration, Naming, Targets

EVEN = 0.5  # the threshold where none is chosen


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class LabelCalibration(Calibration):
    """The probability from which on each class is named, in the order of the classes."""

    thresholds: tuple[Probability, ...] = ()


@tasks.register(
    "multilabel",
    suggests={"loss": "bce_with_logits", "checkpoint.monitor": "val/mean_average_precision"},
    traits={"mixes", "sigmoids"},
)
class Multilabel:
    """Several classes for each sample, or none: mean average precision, F1, and whether the whole set is right.

    Targets are 1 for each class that is there, else 0, float ``[N, K]``, or shares of them. A class is named from the
    probability on that gives it the best F1 on validation (0.5 without), or from the one ``threshold`` for all.
    """

    wants: ClassVar[Wants] = "labels"
    output_shape: ClassVar[tuple[int, ...] | None] = None
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "micro_f1")
    metrics: ClassVar[tuple[str, ...]] = ("loss", "mean_average_precision", "micro_f1", "macro_f1", "exact_match")
    headline: ClassVar[str] = "mean_average_precision"
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss"})
    calibration_type: ClassVar[type[Calibration]] = LabelCalibration
    needs_validation = False

    def __init__(
        self, spec: DataSpec, loss: LossConfig, device: torch.device, /, threshold: Probability | None = None
    ) -> None:
        self.classes, self.loss_config, self.device = spec.classes, loss, device
        self.chooses = self.metrics_need_calibration = threshold is None
        self.prevalence = torch.zeros(len(self.classes), dtype=torch.float64)
        self.use(LabelCalibration((EVEN if threshold is None else threshold,) * len(self.classes)))
        self.loss_fn, self.eval_loss_fn = plain_loss("multilabel", loss, "labels", device)
        check_class_weights(loss, spec.classes, "pos_weight")

    def fit(self, targets: Tensor) -> None:
        """Take in how frequent each class is, targets ``[N, K]``, and weigh the loss by it if asked to."""
        self.prevalence = targets.double().mean(0)
        if self.loss_config.class_weights is not None:
            weights = self._positive_weights(targets).to(self.device)
            self.loss_fn = losses.get(self.loss_config.name).factory(**self.loss_config.args, pos_weight=weights)

    def _positive_weights(self, targets: Tensor) -> Tensor:
        """How much more its presence weighs than its absence, for each class ``[K]``."""
        given = self.loss_config.class_weights
        if isinstance(given, dict):
            return torch.tensor([given.get(name, 1.0) for name in self.classes])
        present = targets.sum(0)
        return (len(targets) - present) / present.clamp_min(1)

    def loss(self, outputs: Tensor, targets: Targets) -> Tensor:
        """The mean training loss over samples and classes: logits ``[B, K]``, targets ``[B, K]``."""
        result: Tensor = self.loss_fn(outputs, _values(targets).to(outputs.dtype))
        return result

    def weight(self, targets: Targets) -> int:
        """Samples."""
        return len(targets)

    def eval_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss without class weights."""
        result: Tensor = self.eval_loss_fn(outputs, targets.to(outputs.dtype))
        return result

    def meter(self, detailed: bool = False) -> "LabelMeter":
        """A fresh accumulator."""
        return LabelMeter(self, detailed)

    def calibrate(self, meter: "LabelMeter") -> None:
        """Choose the threshold of each class on validation, unless one was given."""
        if self.chooses:
            pairs = zip(*(values.unbind(1) for values in meter.answers()), strict=True)
            self.use(LabelCalibration(tuple(best_threshold(scores, truth) for scores, truth in pairs)))

    def use(self, calibration: LabelCalibration) -> None:
        """Take the thresholds of a checkpoint; raises ``ValueError`` unless there is one for each class."""
        if len(calibration.thresholds) != len(self.classes):
            raise ValueError(f"it has {len(calibration.thresholds)} thresholds for {len(self.classes)} classes")
        self.calibration = calibration
        self.thresholds = torch.tensor(calibration.thresholds, dtype=wide_type(self.device), device=self.device)

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[Baseline]:
        """How frequent each class is in the training part, said as its probability of every sample, named from 0.5."""
        outputs = self.prevalence.float().logit(eps=1e-6).expand(len(targets), -1)
        loss = self.eval_loss(outputs.to(self.device), targets.to(self.device)).item()
        thresholds = torch.full((len(self.classes),), EVEN, dtype=torch.float64)
        found = judge(self.prevalence.expand(len(targets), -1), targets > EVEN, thresholds)
        return [Baseline("prevalence of each class", {"loss": loss, **found})]

    def blocks(self, meter: "LabelMeter") -> list[Block]:
        """Each class at its threshold, how sure these rates are, and whether probabilities mean what they say."""
        probabilities, truth = meter.answers()
        precision, recall, f1 = per_label(probabilities, truth, self.thresholds.cpu())
        columns = (Column("class", "class"), Column("precision", "precision", ".4f"), Column("recall", "recall", ".4f"),
                   Column("f1", "F1", ".4f"), Column("average_precision", "average precision", ".4f"),
                   Column("threshold", "threshold", ".4f"), Column("support", "samples", "d"))  # fmt: skip
        rows = zip(
            self.classes, precision.tolist(), recall.tolist(), f1.tolist(), average_precisions(probabilities, truth),
            self.calibration.thresholds, truth.sum(0).tolist(), strict=True,
        )  # fmt: skip
        said = probabilities >= self.thresholds.cpu()
        hits, named, present = (tuple(of.sum(0).tolist()) for of in (said & truth, said, truth))
        rates = Rate("precision", "precision", hits, named), Rate("recall", "recall", hits, present)
        return [
            TableBlock("per_class", "Per class", columns, tuple(rows), shape="by_name"),
            RatesBlock("intervals", self.classes, rates),
            reliability(probabilities.flatten(), truth.flatten(), "the class is there"),
        ]

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers:
        """Labels and probabilities, ``[N, K]`` both, for logits ``[N, K]``."""
        probabilities = outputs.float().sigmoid().cpu()
        return Answers((targets >= EVEN).cpu(), probabilities, thresholds=self.calibration.thresholds)

    def exported(self, outputs: Tensor) -> dict[str, Tensor]:
        """``logits`` as they are, and ``probabilities`` ``[N, K]``, each class on its own."""
        return {"logits": outputs, "probabilities": outputs.float().sigmoid()}

    def naming(self, outputs: Tensor) -> Naming:
        """The classes from their thresholds on, perhaps none, for logits ``[N, K]``."""
        probabilities = self.exported(outputs)["probabilities"].cpu()
        return Naming(probabilities, probabilities >= self.thresholds.cpu())

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """``prediction`` (the classes, joined by ``|``) and ``probability_<class>`` for logits ``[N, K]``."""
        found = self.naming(outputs)
        columns = {f"probability_{c}": found.probabilities[:, i].tolist() for i, c in enumerate(self.classes)}
        return {"prediction": found.names(self.classes), **columns}


class LabelMeter(SummingMeter):
    """Loss and micro F1; with ``detailed`` every probability is kept, for what depends on their order."""

    def __init__(self, task: Multilabel, detailed: bool) -> None:
        super().__init__(task.device, "hits", "named")
        self.task, self.detailed = task, detailed
        self._probabilities, self._truth = Kept(), Kept()

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Targets) -> None:
        """Add a batch: logits ``[B, K]``, targets ``[B, K]``; of mixed samples a class counts from half a share on."""
        probabilities, truth = outputs.detach().float().sigmoid(), _values(targets) >= EVEN
        said = probabilities >= self.task.thresholds
        # in F1 = 2 hits / (said + there) both have the same part
        self.sums.add(
            loss=loss.detach() * weight, weight=weight, hits=(said & truth).sum(), named=said.sum() + truth.sum()
        )
        self.samples += len(targets)
        if self.detailed:
            self._probabilities.add(probabilities)
            self._truth.add(truth)

    def answers(self) -> tuple[Tensor, Tensor]:
        """Probabilities float32 and whether each class was there, bool, both ``[N, K]``, on the CPU."""
        return self._probabilities.all(), self._truth.all()

    def rows(self) -> list[Kept]:
        """With details probabilities and truth."""
        return [self._probabilities, self._truth] if self.detailed else []

    def running(self) -> Values:
        """``loss`` and ``micro_f1``."""
        return {"loss": self.mean_loss(), "micro_f1": 2 * self.sums["hits"] / max(self.sums["named"], 1)}

    def compute(self) -> Values:
        """``running``; with details all of the task's metrics, at its thresholds."""
        if not len(self._probabilities):
            return self.running()
        return {"loss": self.mean_loss(), **judge(*self.answers(), self.task.thresholds.cpu())}


def _values(targets: Targets) -> Tensor:
    return targets.values if isinstance(targets, Shares) else targets


def judge(probabilities: Tensor, truth: Tensor, thresholds: Tensor) -> Values:
    """Mean average precision, micro and macro F1, and the share of samples whose classes are all named right.

    Probabilities float and truth bool are ``[N, K]``, thresholds ``[K]``. Means over classes are over those that
    occur, and 0 where none does.
    """
    said, occur = probabilities >= thresholds, truth.any(0)
    _, _, f1 = per_label(probabilities, truth, thresholds)
    found = [value for value in average_precisions(probabilities, truth) if value is not None]
    return {
        "mean_average_precision": sum(found) / max(len(found), 1),
        "micro_f1": 2 * (said & truth).sum().item() / max((said.sum() + truth.sum()).item(), 1),
        "macro_f1": f1[occur].mean().item() if occur.any() else 0.0,
        "exact_match": (said == truth).all(1).double().mean().item(),
    }


def per_label(probabilities: Tensor, truth: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Precision, recall and F1 of each class, float64 ``[K]``; 0 where nothing was named or there."""
    said = probabilities >= thresholds
    hits, named, support = (of.sum(0).double() for of in (said & truth, said, truth))
    return hits / named.clamp_min(1), hits / support.clamp_min(1), 2 * hits / (named + support).clamp_min(1)


def average_precisions(probabilities: Tensor, truth: Tensor) -> list[float | None]:
    """The average precision of each class; None of one that does not occur."""
    from sklearn.metrics import average_precision_score

    pairs = zip(truth.T.numpy(), probabilities.T.numpy(), strict=True)
    return [float(average_precision_score(was, scores)) if was.any() else None for was, scores in pairs]


def best_threshold(scores: Tensor, truth: Tensor) -> float:
    """The threshold with the best F1: 0.5 where none is better, else midway between two scores (or 0 and the least).

    ``scores`` are probabilities float ``[N]``, ``truth`` bool ``[N]``; 0.5 where nothing is true.
    """
    if not truth.any():
        return EVEN
    ordered, order = scores.double().sort(descending=True)
    said = torch.arange(1, len(ordered) + 1)
    f1 = 2 * truth[order].cumsum(0) / (said + truth.sum())
    below = torch.cat([ordered[1:], torch.zeros(1, dtype=torch.float64)])
    f1[ordered == below] = 0  # equal scores are named together: the last of them counts
    best, even = int(f1.argmax()), scores >= EVEN
    at_even = 2 * (even & truth).sum() / (even.sum() + truth.sum())
    return EVEN if at_even >= f1[best] else float((ordered[best] + below[best]) / 2)
