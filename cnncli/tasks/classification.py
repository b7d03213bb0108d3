"""One class out of several for each sample."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.plugins import refusals
from cnncli.core.registry import losses, tasks
from cnncli.core.spec import DataSpec, Wants
from cnncli.tasks import calibration
from cnncli.tasks.losses import form_of
from cnncli.tasks.metrics import ClassificationMeter, per_class

TAKE_WEIGHTS = ("cross_entropy", "focal", "nll", "multi_margin")


@tasks.register("classification", suggests={"loss": "cross_entropy", "checkpoint.monitor": "val/accuracy"})
class Classification:
    """One class out of several: accuracy, precision, recall, F1; the baseline names the commonest class.

    ``targets`` are the class numbers of the training part, int64 ``[N]``.
    """

    wants: ClassVar[Wants] = "classes"
    output_shape: ClassVar[tuple[int, ...] | None] = None
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "balanced_accuracy", "macro_f1")
    headline: ClassVar[str] = "accuracy"
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss"})

    def __init__(self, spec: DataSpec, loss: LossConfig, targets: Tensor, device: torch.device, /) -> None:
        self.spec, self.device = spec, device
        self.unit = "images" if spec.kind == "pictures" else spec.kind
        self.counts = torch.bincount(targets, minlength=len(spec.classes))
        self.decoding: dict[str, Any] = {}
        self.needs_validation = False
        self.form = form_of(loss.name)
        args = dict(loss.args)
        self.divisors: Tensor | None = None
        if loss.class_weights is not None:
            args["weight"] = self._class_weights(loss)
            if loss.name not in ("multi_margin", "focal"):  # these are divided by the number of samples all the same
                self.divisors = args["weight"].to(device)
        self.loss_fn = self._make(loss, args).to(device)
        # evaluation uses the plain loss: smoothed targets and weighted classes are means of training
        plain = {key: value for key, value in args.items() if key not in ("weight", "label_smoothing")}
        self.eval_loss_fn = self._make(loss, plain).to(device)

    def _make(self, loss: LossConfig, args: dict[str, Any]) -> nn.Module:
        """The loss, tried on a small batch: some values are refused only when it is computed."""
        with refusals(f"loss {loss.name}"):
            module: nn.Module = losses.get(loss.name).factory(**args)
            logits, targets = torch.zeros(2, len(self.spec.classes)), torch.tensor([0, len(self.spec.classes) - 1])
            module(*self.form(logits, targets))
        return module

    def _class_weights(self, loss: LossConfig) -> Tensor:
        if loss.name not in ("cross_entropy", "focal", "nll", "multi_margin"):
            raise ConfigError(
                f"loss.class_weights: {loss.name} takes none; use cross_entropy, focal, nll, multi_margin"
            )
        if loss.class_weights == "balanced":
            # scikit-learn's rule: N / (K · N_class); the classes then weigh the same in sum
            return self.counts.sum() / (len(self.counts) * self.counts.clamp_min(1)).float()
        assert isinstance(loss.class_weights, dict)
        for name in loss.class_weights:
            if name not in self.spec.classes:
                raise ConfigError(f"loss.class_weights: no class '{name}'; {did_you_mean(name, self.spec.classes)}")
        return torch.tensor([loss.class_weights.get(name, 1.0) for name in self.spec.classes])

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean training loss of a batch: logits ``[B, K]``, targets ``[B]``."""
        result: Tensor = self.loss_fn(*self.form(logits, targets))
        return result

    def weight(self, targets: Tensor) -> Tensor | int:
        """What PyTorch divides the training loss of a batch by: its samples, or the sum of their class weights."""
        mixed = targets.ndim == 2  # by samples, whatever their weights
        return len(targets) if self.divisors is None or mixed else self.divisors[targets].sum()

    def eval_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch without label smoothing and class weights."""
        result: Tensor = self.eval_loss_fn(*self.form(logits, targets))
        return result

    def meter(self, detailed: bool = False) -> ClassificationMeter:
        """A fresh accumulator of this task's metrics."""
        return ClassificationMeter(len(self.spec.classes), self.device, detailed)

    def fit_decoding(self, meter: ClassificationMeter) -> None:
        """The ``temperature`` of probabilities, the ``risk`` of answering from each confidence on, and of how many."""
        logits, targets = meter.answers()
        temperature = calibration.fit_temperature(logits, targets)
        risk = calibration.risk_levels((logits / temperature).softmax(1), targets)
        self.decoding = {"temperature": temperature, "risk": risk, "samples": len(targets)}

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[dict[str, Any]]:
        """What always naming the commonest class of the training part scores on ``targets`` ``[N]``."""
        commonest = int(self.counts.argmax())
        accuracy = (targets == commonest).double().mean().item()
        return [{"name": "commonest class", "class": self.spec.classes[commonest], "accuracy": accuracy}]

    def details(self, meter: ClassificationMeter) -> dict[str, Any]:
        """``per_class`` (precision, recall, F1, support by class name), ``confusion`` matrix, ``calibration``."""
        confusion = meter.confusion_matrix()
        rows = zip(self.spec.classes, per_class(confusion), strict=True)
        calibrated = calibration.report(*meter.answers(), self.decoding.get("temperature", 1.0))
        return {"per_class": dict(rows), "confusion": confusion.tolist(), "calibration": calibrated}

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """``prediction`` (the class) and ``probability_<class>`` for logits ``[N, K]``, at the temperature."""
        probabilities = (outputs.float() / self.decoding.get("temperature", 1.0)).softmax(1).cpu()
        names = [self.spec.classes[i] for i in probabilities.argmax(1).tolist()]
        columns = {f"probability_{c}": probabilities[:, i].tolist() for i, c in enumerate(self.spec.classes)}
        return {"prediction": names, **columns}
