"""Yes or no for each sample: one logit, and a threshold."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError, Fault, did_you_mean
from cnncli.core.numbers import Probability
from cnncli.core.registry import losses, tasks
from cnncli.core.spec import DataSpec, Wants
from cnncli.tasks.losses import plain_loss
from cnncli.tasks.metrics import SummingMeter, per_class
from cnncli.tasks.protocol import Values

MAX_LEVELS = 1_000  # different scores that a threshold is looked for between; more are thinned out
Goal = Literal["accuracy", "balanced_accuracy", "f1"]


@tasks.register("binary", suggests={"loss": "bce_with_logits", "checkpoint.monitor": "val/roc_auc"})
class Binary:
    """One of two classes by one logit: ROC AUC, average precision, and accuracy, precision, recall, F1 at a threshold.

    ``positive`` is the class that a large logit means (the second, unless named). The ``threshold`` of the
    probability is 0.5, or what is given, or chosen on validation for the best ``choose``.
    """

    wants: ClassVar[Wants] = "classes"
    output_shape: ClassVar[tuple[int, ...] | None] = (1,)
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
    metrics: ClassVar[tuple[str, ...]] = (
        "loss", "accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"
    )  # fmt: skip
    headline: ClassVar[str] = "accuracy"
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss"})

    def __init__(
        self,
        spec: DataSpec,
        loss: LossConfig,
        targets: Tensor,
        device: torch.device,
        /,
        positive: str | None = None,
        threshold: Probability | None = None,
        choose: Goal | None = None,
    ) -> None:
        if len(spec.classes) != 2:
            raise ConfigError(
                Fault("", "task", f"binary is for two classes, the data have {len(spec.classes)}; use classification")
            )
        if positive is not None and positive not in spec.classes:
            raise ConfigError(
                Fault("", "task.positive", f"no class '{positive}'; {did_you_mean(positive, spec.classes)}")
            )
        if threshold is not None and choose is not None:
            raise ConfigError(
                Fault("", "task.threshold", "excludes task.choose; remove one of them (task.choose=null)")
            )
        self.classes, self.device = spec.classes, device
        self.unit = "images" if spec.kind == "pictures" else spec.kind
        self.positive = 1 if positive is None else spec.classes.index(positive)
        self.choose = choose
        self.needs_validation = choose is not None
        self.positives, self.samples = int((targets == self.positive).sum()), len(targets)
        self.decoding: dict[str, Any] = {"threshold": 0.5 if threshold is None else threshold}
        modules = plain_loss("binary", loss, ("bce_with_logits", "soft_margin"))
        self.signed = loss.name == "soft_margin"
        self.loss_fn, self.eval_loss_fn = (module.to(device) for module in modules)
        if loss.class_weights is not None:
            self.loss_fn = self._weighted(loss).to(device)

    def _weighted(self, loss: LossConfig) -> nn.Module:
        """BCE in which the positive class weighs as much more as the weights say."""
        if loss.name != "bce_with_logits":
            raise ConfigError(f"loss.class_weights: {loss.name} takes none; use bce_with_logits")
        if loss.class_weights == "balanced":
            ratio = (self.samples - self.positives) / max(self.positives, 1)
        else:
            assert isinstance(loss.class_weights, dict)
            for name in loss.class_weights:
                if name not in self.classes:
                    raise ConfigError(f"loss.class_weights: no class '{name}'; {did_you_mean(name, self.classes)}")
            weights = [loss.class_weights.get(name, 1.0) for name in self.classes]
            ratio = weights[self.positive] / weights[1 - self.positive]
        module: nn.Module = losses.get(loss.name).factory(**loss.args, pos_weight=torch.tensor(ratio))
        return module

    def _forms(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        truth = (targets == self.positive).to(outputs.dtype)
        return outputs[:, 0], truth * 2 - 1 if self.signed else truth

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean training loss: logits ``[B, 1]``, class numbers ``[B]``."""
        result: Tensor = self.loss_fn(*self._forms(outputs, targets))
        return result

    def weight(self, targets: Tensor) -> int:
        """Samples."""
        return len(targets)

    def eval_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss without class weights."""
        result: Tensor = self.eval_loss_fn(*self._forms(outputs, targets))
        return result

    def meter(self, detailed: bool = False) -> "BinaryMeter":
        """A fresh accumulator."""
        return BinaryMeter(self, detailed)

    def fit_decoding(self, meter: "BinaryMeter") -> None:
        """Choose the threshold on validation, if asked to: of 0.5 and what lies midway between 0, the scores and 1."""
        if self.choose is None:
            return
        scores, truth = meter.scores()
        levels = torch.cat([torch.zeros(1), scores.unique(), torch.ones(1)])  # always yes and never yes are among them
        if len(levels) > MAX_LEVELS:
            levels = levels[torch.linspace(0, len(levels) - 1, MAX_LEVELS).long()]
        candidates = torch.cat([torch.tensor([0.5]), (levels[1:] + levels[:-1]) / 2])
        values = [at_threshold(scores, truth, float(t))[self.choose] for t in candidates]
        self.decoding = {"threshold": float(candidates[int(torch.tensor(values).argmax())])}

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[dict[str, Any]]:
        """Always naming the commoner class of the training part; any constant has a ROC AUC of one half."""
        commonest = self.positive if 2 * self.positives > self.samples else 1 - self.positive
        accuracy = (targets == commonest).double().mean().item()
        return [{"name": "commonest class", "class": self.classes[commonest], "accuracy": accuracy, "roc_auc": 0.5}]

    def details(self, meter: "BinaryMeter") -> dict[str, Any]:
        """``threshold``, ``per_class``, ``confusion`` at it, and, where both classes occur, the ``roc`` curve."""
        from sklearn.metrics import roc_curve

        scores, truth = meter.scores()
        predicted = torch.where(scores >= self.decoding["threshold"], self.positive, 1 - self.positive)
        actual = torch.where(truth, self.positive, 1 - self.positive)
        confusion = torch.bincount(actual * 2 + predicted, minlength=4).view(2, 2)
        found = {
            "threshold": self.decoding["threshold"],
            "positive": self.classes[self.positive],
            "per_class": dict(zip(self.classes, per_class(confusion), strict=True)),
            "confusion": confusion.tolist(),
        }
        if truth.any() and not truth.all():  # of one class alone there is no curve
            false, true, _ = roc_curve(truth.numpy(), scores.numpy())
            found["roc"] = {"false_positive_rate": false.tolist(), "true_positive_rate": true.tolist()}
        return found

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """``prediction`` at the threshold, and ``probability_<positive class>``."""
        scores = outputs[:, 0].float().sigmoid().cpu()
        named = [self.classes[self.positive if s >= self.decoding["threshold"] else 1 - self.positive] for s in scores]
        return {"prediction": named, f"probability_{self.classes[self.positive]}": scores.tolist()}


class BinaryMeter(SummingMeter):
    """Loss and accuracy; with ``detailed`` every score is kept, for what depends on their order."""

    def __init__(self, task: Binary, detailed: bool) -> None:
        super().__init__(task.device, "correct")
        self.task, self.detailed = task, detailed
        self._kept: list[tuple[Tensor, Tensor]] = []

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: logits ``[B, 1]``, class numbers ``[B]``."""
        scores, truth = outputs.detach()[:, 0].float().sigmoid(), targets == self.task.positive
        correct = ((scores >= self.task.decoding["threshold"]) == truth).sum()
        self.sums.add(loss=loss.detach() * weight, weight=weight, correct=correct)
        self.samples += len(targets)
        if self.detailed:
            self._kept.append((scores, truth))

    def scores(self) -> tuple[Tensor, Tensor]:
        """Probabilities of the positive class float32 ``[N]`` and whether it was the true one, bool ``[N]``."""
        return torch.cat([s for s, _ in self._kept]).cpu(), torch.cat([t for _, t in self._kept]).cpu()

    def running(self) -> Values:
        """``loss`` and ``accuracy``."""
        return {
            "loss": self.mean_loss(),
            "accuracy": self.sums["correct"] / max(self.samples, 1),
        }

    def compute(self) -> Values:
        """``running``; with details all of the task's metrics, at its threshold."""
        from sklearn.metrics import average_precision_score, roc_auc_score

        values = self.running()
        if self.detailed and self._kept:
            scores, truth = self.scores()
            at = at_threshold(scores, truth, self.task.decoding["threshold"])
            values |= {name: at[name] for name in ("accuracy", "precision", "recall", "f1")}
            both = bool(truth.any()) and not bool(truth.all())  # of one class alone there is no order to judge
            if both:
                values["roc_auc"] = float(roc_auc_score(truth.numpy(), scores.numpy()))
                values["average_precision"] = float(average_precision_score(truth.numpy(), scores.numpy()))
        return values


def at_threshold(scores: Tensor, truth: Tensor, threshold: float) -> Values:
    """Accuracy, balanced accuracy, precision, recall and F1 when scores from ``threshold`` on mean yes."""
    predicted = scores >= threshold
    hits = (predicted & truth).sum().item()
    said, were, n = predicted.sum().item(), truth.sum().item(), len(truth)
    right = n - said - were + 2 * hits
    specificity = (n - said - were + hits) / max(n - were, 1)
    recall = hits / max(were, 1)
    return {
        "accuracy": right / max(n, 1),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": hits / max(said, 1),
        "recall": recall,
        "f1": 2 * hits / max(said + were, 1),
    }
