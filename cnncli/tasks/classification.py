"""One class out of several for each sample."""

from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, NonNegativeInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from cnncli.config.sections import LossConfig
from cnncli.core.numbers import Positive
from cnncli.core.plugins import refusals
from cnncli.core.registry import losses, tasks
from cnncli.core.results import Baseline, Block, FactsBlock
from cnncli.core.spec import DataSpec, Wants
from cnncli.core.targets import Shares
from cnncli.tasks import calibration
from cnncli.tasks.calibration import Risk
from cnncli.tasks.costs import Costs, cost_matrix, decisions, report_costs
from cnncli.tasks.losses import check_class_weights, form_of
from cnncli.tasks.metrics import ClassificationMeter, class_blocks
from cnncli.tasks.protocol import Answers, Calibration, Naming, Targets
from cnncli.tasks.scores import further


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ClassCalibration(Calibration):
    """The ``temperature`` of probabilities, and the ``risk`` of answering, both from so many ``samples``."""

    temperature: Positive = 1.0
    risk: Risk | None = None
    samples: NonNegativeInt = 0

    def for_views(self) -> Self:
        """The temperature was fitted to single views; ``risk`` is known for them only, too."""
        return type(self)(samples=self.samples)


@tasks.register(
    "classification", suggests={"loss": "cross_entropy", "checkpoint.monitor": "val/accuracy"}, traits={"mixes"}
)
class Classification:
    """One class out of several: accuracy, precision, recall, F1; the baseline names the commonest class.

    Targets are class numbers, int64 ``[N]``, or shares of each class. With ``costs`` (of each true class and each that
    may be named in its place) predictions are the classes of least expected cost; the metrics are those of the most
    probable classes.
    """

    wants: ClassVar[Wants] = "classes"
    output_shape: ClassVar[tuple[int, ...] | None] = None
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "balanced_accuracy", "macro_f1")
    headline: ClassVar[str] = "accuracy"
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss"})
    calibration_type: ClassVar[type[Calibration]] = ClassCalibration
    needs_validation = False
    metrics_need_calibration = False

    def __init__(self, spec: DataSpec, loss: LossConfig, device: torch.device, /, costs: Costs | None = None) -> None:
        self.costs = None if costs is None else cost_matrix(costs, spec.classes)
        self.spec, self.loss_config, self.device = spec, loss, device
        self.counts = torch.zeros(len(spec.classes), dtype=torch.int64)
        self.calibration = ClassCalibration()
        self.form = form_of(loss.name)
        self.divisors: Tensor | None = None
        check_class_weights(loss, spec.classes, "class_weights")
        # evaluation uses the plain loss: smoothed targets and weighted classes are means of training
        plain = {key: value for key, value in loss.args.items() if key != "label_smoothing"}
        self.eval_loss_fn = self._make(plain)
        self.loss_fn = self._make(loss.args)

    def fit(self, targets: Tensor) -> None:
        """Count the classes of the training part, int64 ``[N]``, and weigh the loss by them if asked to."""
        self.counts = torch.bincount(targets, minlength=len(self.spec.classes))
        if self.loss_config.class_weights is None:
            return
        weights = self._class_weights()
        if "divides_by_weights" in losses.get(self.loss_config.name).traits:  # others divide by the number of samples
            self.divisors = weights.to(self.device)
        self.loss_fn = self._make({**self.loss_config.args, "weight": weights})

    def _make(self, args: dict[str, Any]) -> nn.Module:
        """The loss, tried on a small batch: some values are refused only when it is computed."""
        name = self.loss_config.name
        with refusals(f"loss {name}"):
            module: nn.Module = losses.get(name).factory(**args)
            logits, targets = torch.zeros(2, len(self.spec.classes)), torch.tensor([0, len(self.spec.classes) - 1])
            module(*self.form(logits, targets))
        return module.to(self.device)

    def _class_weights(self) -> Tensor:
        given = self.loss_config.class_weights
        if given == "balanced":
            # scikit-learn's rule: N / (K · N_class); the classes then weigh the same in sum
            return self.counts.sum() / (len(self.counts) * self.counts.clamp_min(1)).float()
        assert isinstance(given, dict)
        return torch.tensor([given.get(name, 1.0) for name in self.spec.classes])

    def loss(self, logits: Tensor, targets: Targets) -> Tensor:
        """The mean training loss of a batch: logits ``[B, K]``, targets ``[B]``."""
        result: Tensor = self.loss_fn(*self.form(logits, targets))
        return result

    def weight(self, targets: Targets) -> Tensor | int:
        """What PyTorch divides the training loss of a batch by: its samples, or the sum of their class weights."""
        if self.divisors is None or isinstance(targets, Shares):  # mixed: by samples, whatever their weights
            return len(targets)
        return self.divisors[targets].sum()

    def eval_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch without label smoothing and class weights."""
        result: Tensor = self.eval_loss_fn(*self.form(logits, targets))
        return result

    def meter(self, detailed: bool = False) -> ClassificationMeter:
        """A fresh accumulator of this task's metrics."""
        return ClassificationMeter(len(self.spec.classes), self.device, detailed)

    def calibrate(self, meter: ClassificationMeter) -> None:
        """Fit the temperature of probabilities, and look how many answers are wrong from each confidence on."""
        logits, targets = meter.answers()
        temperature = calibration.fit_temperature(logits, targets)
        risk = calibration.risk_levels((logits / temperature).softmax(1), targets)
        self.calibration = ClassCalibration(temperature, risk, len(targets))

    def use(self, calibration: ClassCalibration) -> None:
        """Take the temperature and risk of a checkpoint."""
        self.calibration = calibration

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[Baseline]:
        """What always naming the commonest class of the training part scores on ``targets`` ``[N]``."""
        commonest = int(self.counts.argmax())
        accuracy = (targets == commonest).double().mean().item()
        return [Baseline("commonest class", {"accuracy": accuracy}, always=self.spec.classes[commonest])]

    def blocks(self, meter: ClassificationMeter) -> list[Block]:
        """Each class, the confusion matrix, the calibration, and the most confident mistakes."""
        logits, targets = meter.answers()
        found = calibration.report(logits, targets, self.calibration.temperature)
        facts = FactsBlock(found, calibration.in_words(found, self._why_none()), key="calibration")
        probabilities, confusion = (logits / self.calibration.temperature).softmax(1), meter.confusion_matrix()
        confidence, predicted = probabilities.max(1)
        return [
            *class_blocks(self.spec.classes, confusion),
            facts,
            *([further(probabilities, targets, predicted, confusion)] if len(targets) else []),
            *self._costs(probabilities, targets),
            calibration.reliability(confidence, predicted == targets, "the predicted class is right"),
            calibration.confident_mistakes(self.spec.classes, predicted, confidence, targets),
        ]

    def _costs(self, probabilities: Tensor, targets: Tensor) -> list[Block]:
        if self.costs is None or not len(targets):
            return []
        return [report_costs(probabilities, targets, self.costs, self.spec.classes)]

    def _why_none(self) -> str:
        return calibration.why_none(self.calibration.risk, self.calibration.samples)

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers:
        """Class numbers ``[N]`` and probabilities ``[N, K]`` at the temperature, for logits ``[N, K]``."""
        return Answers(targets.cpu(), self.naming(outputs).probabilities)

    def exported(self, outputs: Tensor) -> dict[str, Tensor]:
        """``logits`` as they are, and ``probabilities`` ``[N, K]`` at the temperature."""
        return {"logits": outputs, "probabilities": (outputs.float() / self.calibration.temperature).softmax(1)}

    def naming(self, outputs: Tensor) -> Naming:
        """The most probable class for logits ``[N, K]``, at the temperature, or that of least expected cost."""
        probabilities = self.exported(outputs)["probabilities"].cpu()
        named = probabilities.argmax(1) if self.costs is None else decisions(probabilities, self.costs)
        return Naming(probabilities, F.one_hot(named, len(self.spec.classes)).bool())

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """``prediction`` (the class) and ``probability_<class>`` for logits ``[N, K]``."""
        found = self.naming(outputs)
        columns = {f"probability_{c}": found.probabilities[:, i].tolist() for i, c in enumerate(self.spec.classes)}
        return {"prediction": found.names(self.spec.classes), **columns}
