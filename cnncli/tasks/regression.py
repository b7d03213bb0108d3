"""Numbers for each sample, in their own unit."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.registry import tasks
from cnncli.core.results import Baseline, Block, ScatterBlock, Values
from cnncli.core.spec import DataSpec, Wants
from cnncli.tasks.losses import plain_loss, refuse_class_weights
from cnncli.tasks.metrics import Kept, SummingMeter, wide_type
from cnncli.tasks.protocol import Answers, Calibration

MAX_POINTS = 2_000  # predictions that a report keeps for its picture


@tasks.register("regression", suggests={"loss": "mse", "checkpoint.monitor": "val/loss"})
class Regression:
    """Numbers: MAE, RMSE and R² in the targets' own unit; the baseline is the mean of the training part.

    With ``standardize`` the network learns ``(target - mean) / std`` of the training part; targets are ``[N, K]``.
    """

    wants: ClassVar[Wants] = "numbers"
    output_shape: ClassVar[tuple[int, ...] | None] = None
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "mae", "rmse", "r2")
    metrics: ClassVar[tuple[str, ...]] = train_metrics
    headline: ClassVar[str] = "rmse"
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss", "mae", "rmse"})
    calibration_type: ClassVar[type[Calibration]] = Calibration
    needs_validation = False
    metrics_need_calibration = False

    def __init__(self, spec: DataSpec, loss: LossConfig, device: torch.device, /, standardize: bool = True) -> None:
        if spec.numbers is None:
            raise ConfigError("task: regression learns numbers, the data have none; use csv, diabetes or forecasting")
        self.names, self.device = spec.numbers.names, device
        wide = wide_type(device)
        self.center = torch.tensor(spec.numbers.mean, device=device, dtype=wide)
        scale = torch.tensor(spec.numbers.std, device=device, dtype=wide)
        self.mean = self.center if standardize else torch.zeros_like(self.center)
        self.std = scale if standardize else torch.ones_like(scale)
        refuse_class_weights(loss, "regression has no classes")
        self.loss_fn, self.eval_loss_fn = plain_loss("regression", loss, "numbers", device)
        self.calibration = Calibration()

    def fit(self, targets: Tensor) -> None:
        """Nothing: the spec has the mean of the training part."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean training loss of outputs and targets ``[B, K]``, both standardised."""
        result: Tensor = self.loss_fn(outputs, ((targets - self.mean) / self.std).to(outputs.dtype))
        return result

    def weight(self, targets: Tensor) -> int:
        """Samples."""
        return len(targets)

    def eval_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The same loss: training adds nothing to it."""
        return self.loss(outputs, targets)

    def meter(self, detailed: bool = False) -> "RegressionMeter":
        """A fresh accumulator."""
        return RegressionMeter(self, detailed)

    def calibrate(self, meter: "RegressionMeter") -> None:
        """Nothing to choose."""

    def use(self, calibration: Calibration) -> None:
        """Nothing was chosen."""

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[Baseline]:
        """The mean of the training part, named for every sample."""
        meter = self.meter()
        named = (self.center - self.mean) / self.std
        targets = targets.to(self.center)
        outputs = named.expand_as(targets)
        meter.update(self.eval_loss(outputs, targets), len(targets), outputs, targets)
        return [Baseline("mean", meter.compute())]

    def blocks(self, meter: "RegressionMeter") -> list[Block]:
        """True and predicted values of up to 2,000 samples, of the first target."""
        pairs = meter.kept.all()[:MAX_POINTS]
        pairs = pairs.reshape(len(pairs), 2)  # of no sample, too
        return [ScatterBlock("points", self.names[0], tuple(pairs[:, 0].tolist()), tuple(pairs[:, 1].tolist()))]

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers:
        """Numbers and predictions, ``[N, K]`` both, for standardised outputs ``[N, K]``."""
        predicted = self.exported(outputs)["values"]
        return Answers(targets.cpu().double(), predicted.cpu().double(), names=self.names)

    def exported(self, outputs: Tensor) -> dict[str, Tensor]:
        """``values`` ``[N, K]`` in the targets' own unit, for standardised outputs ``[N, K]``."""
        return {"values": outputs.to(self.std) * self.std + self.mean}

    def naming(self, outputs: Tensor) -> None:
        """Numbers have none."""

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """``prediction``, or ``prediction_<target>`` where there are several, in the target's own unit."""
        values = self.exported(outputs)["values"].cpu()
        if len(self.names) == 1:
            return {"prediction": values[:, 0].tolist()}
        return {f"prediction_{name}": values[:, i].tolist() for i, name in enumerate(self.names)}


class RegressionMeter(SummingMeter):
    """Loss, MAE, RMSE and R² over samples and targets; with ``detailed`` the pairs of the first target are kept."""

    def __init__(self, task: Regression, detailed: bool) -> None:
        super().__init__(task.device)
        self.task, self.detailed = task, detailed
        zeros = torch.zeros(len(task.names), dtype=self.sums.values["loss"].dtype, device=task.device)
        # deviations from the training mean: sums of squares of the raw values would cancel
        self.moments = {name: zeros.clone() for name in ("absolute", "squared", "deviation", "deviation_squared")}
        self.kept = Kept()

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: outputs ``[B, K]`` standardised, targets ``[B, K]`` in their own unit."""
        predicted = outputs.detach().to(self.task.std.dtype) * self.task.std + self.task.mean
        dtype = self.sums.values["loss"].dtype
        error, deviation = (predicted - targets).to(dtype), (targets - self.task.center).to(dtype)
        for name, values in (("absolute", error.abs()), ("squared", error**2),
                             ("deviation", deviation), ("deviation_squared", deviation**2)):  # fmt: skip
            self.moments[name] += values.sum(0)
        self.sums.add(loss=loss.detach() * weight, weight=weight)
        self.samples += len(targets)
        if self.detailed:
            self.kept.add(torch.stack([targets[:, 0], predicted[:, 0]], dim=1))

    def running(self) -> Values:
        """``loss`` and the headline."""
        values = self.compute()
        return {name: values[name] for name in ("loss", "rmse")}

    def compute(self) -> Values:
        """``loss`` and, averaged over the targets, ``mae``, ``rmse`` (of all values together) and ``r2``."""
        n = max(self.samples, 1)
        m = self.moments
        spread = m["deviation_squared"] - m["deviation"] ** 2 / n
        alike = spread <= 1e-12 * m["deviation_squared"]  # scikit-learn's rule then: 1 without any error, else 0
        r2 = torch.where(alike, (m["squared"] == 0).to(spread.dtype), 1 - m["squared"] / spread)
        return {
            "loss": self.mean_loss(),
            "mae": (m["absolute"] / n).mean().item(),
            "rmse": (m["squared"] / n).mean().sqrt().item(),
            "r2": r2.mean().item() if self.samples > 1 else 0.0,
        }

    def totals(self) -> list[Tensor]:
        """The sums and the moments."""
        return [*super().totals(), *self.moments.values()]

    def rows(self) -> list[Kept]:
        """With details the pairs."""
        return [self.kept] if self.detailed else []

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        moments = {name: value.cpu().double() for name, value in self.moments.items()}
        return {**super().state_dict(), "moments": moments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``'s sums."""
        super().load_state_dict(state)
        for name, value in self.moments.items():
            value.copy_(state["moments"][name].to(value.dtype))
