"""Yes or no for each sample: one logit, and a threshold."""

from typing import Any, ClassVar, Literal

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError, Fault, did_you_mean
from cnncli.core.numbers import Positive, Probability
from cnncli.core.registry import losses, tasks
from cnncli.core.results import Baseline, Block, CurveBlock, FactsBlock, Values
from cnncli.core.spec import DataSpec, Wants
from cnncli.tasks.calibration import confident_mistakes, reliability
from cnncli.tasks.losses import check_class_weights, plain_loss
from cnncli.tasks.metrics import Kept, SummingMeter, class_blocks
from cnncli.tasks.protocol import Answers, Calibration, Naming
from cnncli.tasks.scores import further, operating_points

MAX_LEVELS = 1_000  # different scores that a threshold is looked for between; more are thinned out
Goal = Literal["accuracy", "balanced_accuracy", "f1"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class BinaryCalibration(Calibration):
    """The probability from which on the positive class is named."""

    threshold: Probability = 0.5


@tasks.register("binary", suggests={"loss": "bce_with_logits", "checkpoint.monitor": "val/roc_auc"})
class Binary:
    """One of two classes by one logit: ROC AUC, average precision, and accuracy, precision, recall, F1 at a threshold.

    ``positive`` is the class that a large logit means (the second, unless named). The ``threshold`` of the
    probability is 0.5, or what is given, or chosen on validation: for the best ``choose``, or the best recall with a
    ``specificity`` of at least so much, or the least cost where ``costs`` are those of a false positive and of a false
    negative.
    """

    wants: ClassVar[Wants] = "classes"
    output_shape: ClassVar[tuple[int, ...] | None] = (1,)
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
    metrics: ClassVar[tuple[str, ...]] = (
        "loss", "accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"
    )  # fmt: skip
    headline: ClassVar[str] = "accuracy"
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss"})
    calibration_type: ClassVar[type[Calibration]] = BinaryCalibration

    def __init__(
        self,
        spec: DataSpec,
        loss: LossConfig,
        device: torch.device,
        /,
        positive: str | None = None,
        threshold: Probability | None = None,
        choose: Goal | None = None,
        specificity: Probability | None = None,
        costs: tuple[Positive, Positive] | None = None,
    ) -> None:
        if len(spec.classes) != 2:
            raise ConfigError(
                Fault(
                    "",
                    "task",
                    f"binary is for two classes, the data have {len(spec.classes)}; set task: classification",
                )
            )
        if positive is not None and positive not in spec.classes:
            raise ConfigError(
                Fault("", "task.positive", f"no class '{positive}'; {did_you_mean(positive, spec.classes)}")
            )
        self.goal = _only_one(threshold, {"choose": choose, "specificity": specificity, "costs": costs})
        self.classes, self.device, self.loss_config = spec.classes, device, loss
        self.positive = 1 if positive is None else spec.classes.index(positive)
        self.needs_validation = self.metrics_need_calibration = self.goal is not None
        self.positives, self.samples = 0, 0
        self.calibration = BinaryCalibration(0.5 if threshold is None else threshold)
        self.signed = "signed" in losses.get(loss.name).traits
        self.loss_fn, self.eval_loss_fn = plain_loss("binary", loss, "yes_no", device)
        check_class_weights(loss, spec.classes, "pos_weight")

    def fit(self, targets: Tensor) -> None:
        """Count the classes of the training part, int64 ``[N]``, and weigh the loss by them if asked to."""
        self.positives, self.samples = int((targets == self.positive).sum()), len(targets)
        if self.loss_config.class_weights is not None:
            weight = torch.tensor(self._positive_weight())
            self.loss_fn = losses.get(self.loss_config.name).factory(**self.loss_config.args, pos_weight=weight)
            self.loss_fn.to(self.device)

    def _positive_weight(self) -> float:
        """How much more the positive class weighs."""
        given = self.loss_config.class_weights
        if not isinstance(given, dict):
            return (self.samples - self.positives) / max(self.positives, 1)
        weights = [given.get(name, 1.0) for name in self.classes]
        return weights[self.positive] / weights[1 - self.positive]

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

    def calibrate(self, meter: "BinaryMeter") -> None:
        """Choose the threshold on validation, if asked to: of 0.5 and what lies midway between 0, the scores and 1."""
        if self.goal is not None:
            self.calibration = BinaryCalibration(best_threshold(*meter.scores(), self.goal))

    def use(self, calibration: BinaryCalibration) -> None:
        """Take the threshold of a checkpoint."""
        self.calibration = calibration

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[Baseline]:
        """Always naming the commoner class of the training part; any constant has a ROC AUC of one half."""
        commonest = self.positive if 2 * self.positives > self.samples else 1 - self.positive
        accuracy = (targets == commonest).double().mean().item()
        metrics = {"accuracy": accuracy, "roc_auc": 0.5}
        return [Baseline("commonest class", metrics, always=self.classes[commonest])]

    def blocks(self, meter: "BinaryMeter") -> list[Block]:
        """The threshold, each class, the confusion and the mistakes at it, and what needs none.

        Where only one class occurs there is no ROC curve.
        """
        from sklearn.metrics import roc_curve

        scores, truth = meter.scores()
        threshold, positive = self.calibration.threshold, self.classes[self.positive]
        predicted = torch.where(scores >= threshold, self.positive, 1 - self.positive)
        actual = torch.where(truth, self.positive, 1 - self.positive)
        confusion = torch.bincount(actual * 2 + predicted, minlength=4).view(2, 2)
        said = f"{positive} from a probability of {threshold:.4g} on"
        facts = FactsBlock({"threshold": threshold, "positive": positive}, said)
        found: list[Block] = [facts, *class_blocks(self.classes, confusion)]
        if truth.any() and not truth.all():  # of one class alone there is no curve
            false, true, _ = roc_curve(truth.numpy(), scores.numpy())
            names = ("false_positive_rate", "true_positive_rate")
            points = tuple(false.tolist()), tuple(true.tolist())
            found.append(CurveBlock("roc", *names, *points, diagonal=True, title="ROC curve"))
            found.append(operating_points(scores, truth))
        if len(scores):
            both = torch.stack([1 - scores, scores], dim=1)
            columns = both if self.positive else both.flip(1)
            found.append(further(columns, actual, predicted, confusion))
        of_predicted = torch.where(scores >= threshold, scores, 1 - scores)
        return [
            *found,
            reliability(scores, truth, f"the class is {positive}"),
            confident_mistakes(self.classes, predicted, of_predicted, actual),
        ]

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers:
        """Class numbers ``[N]`` and the probability of the positive class ``[N]``, for logits ``[N, 1]``."""
        scores = outputs[:, 0].float().sigmoid().cpu()
        return Answers(targets.cpu(), scores, self.classes[self.positive], (self.calibration.threshold,))

    def exported(self, outputs: Tensor) -> dict[str, Tensor]:
        """``logits`` ``[N, 1]`` as they are, and ``probabilities`` ``[N, 2]`` in the order of the classes."""
        scores = outputs[:, 0].float().sigmoid()
        pair = [scores, 1 - scores] if self.positive == 0 else [1 - scores, scores]
        return {"logits": outputs, "probabilities": torch.stack(pair, dim=1)}

    def naming(self, outputs: Tensor) -> Naming:
        """The positive class from the threshold on, else the other one, for logits ``[N, 1]``."""
        probabilities = self.exported(outputs)["probabilities"].cpu()
        said = probabilities[:, self.positive] >= self.calibration.threshold
        pair = [said, ~said] if self.positive == 0 else [~said, said]
        return Naming(probabilities, torch.stack(pair, dim=1))

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """``prediction`` at the threshold, and ``probability_<positive class>``."""
        found = self.naming(outputs)
        scores = found.probabilities[:, self.positive].tolist()
        return {"prediction": found.names(self.classes), f"probability_{self.classes[self.positive]}": scores}


class BinaryMeter(SummingMeter):
    """Loss and accuracy; with ``detailed`` every score is kept, for what depends on their order."""

    def __init__(self, task: Binary, detailed: bool) -> None:
        super().__init__(task.device, "correct")
        self.task, self.detailed = task, detailed
        self._scores, self._truth = Kept(), Kept()

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: logits ``[B, 1]``, class numbers ``[B]``."""
        scores, truth = outputs.detach()[:, 0].float().sigmoid(), targets == self.task.positive
        correct = ((scores >= self.task.calibration.threshold) == truth).sum()
        self.sums.add(loss=loss.detach() * weight, weight=weight, correct=correct)
        self.samples += len(targets)
        if self.detailed:
            self._scores.add(scores)
            self._truth.add(truth)

    def scores(self) -> tuple[Tensor, Tensor]:
        """Probabilities of the positive class float32 ``[N]`` and whether it was the true one, bool ``[N]``."""
        return self._scores.all(), self._truth.all()

    def rows(self) -> list[Kept]:
        """With details scores and truth."""
        return [self._scores, self._truth] if self.detailed else []

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
        if len(self._scores):
            scores, truth = self.scores()
            at = at_threshold(scores, truth, self.task.calibration.threshold)
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


def best_threshold(scores: Tensor, truth: Tensor, goal: Goal | float | tuple[float, float]) -> float:
    """The threshold with the best ``goal``: of 0.5 and what lies midway between 0, the scores and 1.

    ``scores`` are probabilities float32 ``[N]``, ``truth`` bool ``[N]``. A number is the least specificity, at which
    recall is the best; two are the costs of a false positive and of a false negative, of which the sum is the least.
    """
    levels = torch.cat([torch.zeros(1), scores.unique(), torch.ones(1)])  # always yes and never yes are among them
    if len(levels) > MAX_LEVELS:
        levels = levels[torch.linspace(0, len(levels) - 1, MAX_LEVELS).long()]
    candidates = torch.cat([torch.tensor([0.5]), (levels[1:] + levels[:-1]) / 2])
    values = [_worth(scores >= float(t), truth, goal) for t in candidates]
    return float(candidates[int(torch.tensor(values, dtype=torch.float64).argmax())])


def _worth(said: Tensor, truth: Tensor, goal: Goal | float | tuple[float, float]) -> float:
    """How good it is to say yes where ``said``, bool ``[N]``."""
    if isinstance(goal, str):
        return at_threshold(said.float(), truth, 0.5)[goal]
    false, missed, no = (int(each.sum()) for each in (said & ~truth, ~said & truth, ~truth))
    if isinstance(goal, tuple):
        return -(goal[0] * false + goal[1] * missed)
    specificity = 1 - false / max(no, 1)
    return 1 - missed / max(int(truth.sum()), 1) if specificity >= goal else specificity - 2


def _only_one(threshold: float | None, goals: dict[str, Any]) -> Any:
    """What the threshold is chosen for; raises ``ConfigError`` where more than one thing settles it."""
    given = [name for name, value in {"threshold": threshold, **goals}.items() if value is not None]
    if len(given) > 1:
        cause = f"excludes task.{given[1]}; remove one of them (task.{given[1]}=null)"
        raise ConfigError(Fault("", f"task.{given[0]}", cause))
    return next((value for value in goals.values() if value is not None), None)
