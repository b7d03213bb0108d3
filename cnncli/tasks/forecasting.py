"""The next values of a series, in the data's own unit."""

import math
from math import ceil
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from cnncli.config.sections import LossConfig
from cnncli.core.numbers import NonNegative, Probability
from cnncli.core.registry import tasks
from cnncli.core.results import Baseline, Block, Column, Line, LinesBlock, TableBlock, Values
from cnncli.core.spec import DataSpec, Series, Wants
from cnncli.tasks.losses import plain_loss, refuse_class_weights
from cnncli.tasks.metrics import Kept, SummingMeter, wide_type
from cnncli.tasks.protocol import Answers, Calibration

BLOCK = 2**12  # windows that baselines are computed of at once
LONGEST = 20_000  # windows of a picture
LEVEL = 0.9  # of the intervals: nine of ten values lie inside


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Interval(Calibration):
    """The interval around a forecast: it is made to hold the true value with probability ``level`` (0: none known).

    ``half_width`` is ``[H][K]``, before the logarithm is undone; of several series in deviations of each.
    """

    level: Probability = 0.0
    half_width: list[list[NonNegative]] = Field(default_factory=list)


@tasks.register("forecasting", suggests={"loss": "mse", "checkpoint.monitor": "val/loss"})
class Forecasting:
    """The next window of a series: MAE, RMSE, sMAPE, MASE; baselines are the seasonal-naive and the naive forecast.

    Targets are ``[N, H, K, 4]``: the value the network learns, what has to be added to get the (logarithm of the)
    series again, and the naive and the seasonal-naive forecast in the data's unit. Of several series they are
    ``[N, H, K, 7]``: mean, deviation and naive error of the window's own series follow. MASE is left out where the
    naive error of no target is above 0.
    """

    wants: ClassVar[Wants] = "windows"
    output_shape: ClassVar[tuple[int, ...] | None] = None
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "mae", "rmse", "smape", "mase")
    metrics: ClassVar[tuple[str, ...]] = train_metrics
    headline: ClassVar[str] = "mase"
    lower_is_better: ClassVar[frozenset[str]] = frozenset(train_metrics)

    calibration_type: ClassVar[type[Calibration]] = Interval
    needs_validation = False
    metrics_need_calibration = False

    def __init__(self, spec: DataSpec, loss: LossConfig, device: torch.device, /) -> None:
        self.series = spec.require(Series, "task: forecasting", "set another task")
        self.device, self.shape = device, spec.outputs
        chosen = [self.series.columns.index(name) for name in self.series.targets]
        wide = wide_type(device)
        self.mean = torch.tensor([self.series.mean[i] for i in chosen], device=device, dtype=wide)
        self.std = torch.tensor([self.series.std[i] for i in chosen], device=device, dtype=wide)
        self.naive_error = torch.tensor(self.series.naive_error, device=device, dtype=wide)
        # the share of the targets that MASE is defined for; of several series each window has its own
        self.comparable = math.nan if self.series.parts else (self.naive_error > 0).to(wide).mean().item()
        refuse_class_weights(loss, "forecasting has no classes")
        self.loss_fn, self.eval_loss_fn = plain_loss("forecasting", loss, "numbers", device)
        self.calibration = Interval()

    def fit(self, targets: Tensor) -> None:
        """Nothing: the spec has the scale of the training part, and every target its naive forecasts."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over steps and columns, of standardised values: outputs ``[B, H, K]``."""
        result: Tensor = self.loss_fn(outputs, targets[..., 0].to(outputs.dtype))
        return result

    def weight(self, targets: Tensor) -> int:
        """Windows."""
        return len(targets)

    def eval_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The same loss: training adds nothing to it."""
        return self.loss(outputs, targets)

    def in_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The network's answers ``[B, H, K]`` to the windows of these targets as values of their series."""
        mean, std, _ = self.scale_of(targets)
        values = outputs * std + mean + targets[..., 1]
        return values.exp() if self.series.log else values

    def scale_of(self, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, deviation and naive error of the targets' series."""
        if self.series.parts:
            mean, std, naive_error = targets[..., 4:].unbind(-1)
            return mean, std, naive_error
        return self.mean, self.std, self.naive_error

    @property
    def width_std(self) -> Tensor | float:
        """What the network's errors are multiplied by for ``half_width``: of several series nothing."""
        return 1.0 if self.series.parts else self.std

    def meter(self, detailed: bool = False) -> "ForecastMeter":
        """A fresh accumulator."""
        return ForecastMeter(self, detailed)

    def calibrate(self, meter: "ForecastMeter") -> None:
        """The half width of a 90 % interval for each step, from the absolute errors on the validation part.

        The rank is the conformal one; fewer than nine windows give a lower level.
        """
        errors = meter.errors.all()
        n = len(errors)
        rank = min(ceil((n + 1) * LEVEL), n)
        widths = [errors[:, h].kthvalue(rank, dim=0).values.tolist() for h in range(self.shape[0])]
        self.calibration = Interval(min(LEVEL, rank / (n + 1)), widths)

    def use(self, calibration: Interval) -> None:
        """Take the interval of a checkpoint; raises ``ValueError`` for one of other steps or columns."""
        steps, columns = self.shape
        widths = calibration.half_width
        if widths and (len(widths) != steps or any(len(row) != columns for row in widths)):
            raise ValueError(f"half_width is not of {steps} steps and {columns} columns")
        self.calibration = calibration

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[Baseline]:
        """The value one period before, and the last known value."""
        found = []
        kinds = {f"seasonal naive ({self.series.period})": 3, "naive": 2}
        meters = {name: self.meter() for name in kinds}
        whole = self.meter()  # the naive forecast of all windows, also those that have no season before them
        for begin in range(0, len(targets), BLOCK):
            block = targets[torch.arange(begin, min(begin + BLOCK, len(targets)))].to(self.std.dtype).to(self.device)
            reaching = block[~block.isnan().flatten(1).any(1)]
            whole.add_forecast(block[..., 2], block)
            for name, column in kinds.items():
                meters[name].add_forecast(reaching[..., column], reaching)
        if not meters["naive"].samples:
            meters = {"naive": whole}
        for name, meter in meters.items():
            values = meter.compute()
            found.append(
                Baseline(name, {key: values[key] for key in ("mae", "rmse", "smape", "mase") if key in values})
            )
        return found

    def blocks(self, meter: "ForecastMeter") -> list[Block]:
        """The walk-forward backtest: MAE of each step ahead, and how often the interval held the true value."""
        return [self._backtest(meter), self._lines(meter)]

    def _backtest(self, meter: "ForecastMeter") -> TableBlock:
        absolute = (meter.of_step.cpu() / meter.samples).tolist()
        facts: dict[str, Any] = {"windows": meter.samples}
        notes: tuple[str, ...] = ()
        if level := self.calibration.level:
            widths = torch.tensor(self.calibration.half_width, dtype=self.std.dtype)
            inside = (meter.errors.all() <= widths).double().mean().item()
            facts |= {"interval": level, "inside": inside}
            notes = (f"{100 * inside:.1f} % of the true values lay inside the {100 * level:.0f} % interval",)
        columns = (Column("step", "step ahead", "d"), Column("mae_per_step", "MAE", ".5g"))
        rows = tuple(enumerate(absolute, 1))
        title = f"Walk-forward over {meter.samples} windows"
        return TableBlock("backtest", title, columns, rows, shape="by_column", facts=facts, notes=notes)

    def _lines(self, meter: "ForecastMeter") -> LinesBlock:
        """The first target of windows that follow each other: one step ahead, and the last window.

        Of very many windows the last ``LONGEST`` are shown.
        """
        true, predicted = meter.next.all()[-LONGEST:].unbind(1)
        begin = meter.samples - len(true)
        (_, *rest), last = meter.last.all()[-1].tolist()
        truth = true.tolist() + rest
        lines = (
            Line("true", "true", tuple(truth), start=begin + 1),
            Line("one_step", "one step ahead", tuple(predicted.tolist()), start=begin + 1),
            Line("last", "last window", tuple(last), start=begin + len(truth) - len(last) + 1),
        )
        return LinesBlock("forecasts", self.series.targets[0], "step of the test part", lines)

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers:
        """True values and forecasts ``[N, H, K]``, for standardised outputs ``[N, H, K]``."""
        targets = targets.to(self.std)
        values = self.in_unit(targets[..., 0], targets), self.in_unit(outputs.to(self.std), targets)
        return Answers(values[0].cpu().double(), values[1].cpu().double(), names=self.series.targets)

    def exported(self, outputs: Tensor) -> dict[str, Tensor]:
        """``forecast`` ``[N, H, K]`` as the network learned it: who exports adds the level of the series' own."""
        return {"forecast": outputs.to(self.std)}

    def naming(self, outputs: Tensor) -> None:
        """Numbers have none."""

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """What the network learned for the first target, before the series' own level is added."""
        return {"prediction": (outputs * self.std + self.mean)[..., 0].cpu().tolist()}


class ForecastMeter(SummingMeter):
    """Errors over windows, steps and columns; with ``detailed`` what intervals and pictures need of them is kept."""

    def __init__(self, task: Forecasting, detailed: bool) -> None:
        super().__init__(
            task.device, "absolute", "squared", "percent", "scaled", *(("comparable",) if task.series.parts else ())
        )
        self.task, self.detailed = task, detailed
        self.errors = Kept()  # [N, H, K], absolute, before the logarithm is undone
        self.of_step = task.std.new_zeros(task.shape[0])  # sums of absolute errors in the data's unit
        self.next = Kept()  # [N, 2]: the first target one step ahead, true and predicted
        self.last = Kept()  # [batches, 2, H]: the same of the last window of each batch, for all its steps

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: outputs ``[B, H, K]`` standardised, targets ``[B, H, K, 4]``."""
        outputs = outputs.detach().to(self.task.std.dtype)
        self.sums.add(loss=loss.detach() * weight, weight=weight)
        self.add_forecast(self.task.in_unit(outputs, targets), targets)
        if self.detailed:
            self.errors.add(((outputs - targets[..., 0]) * self.task.width_std).abs())

    def add_forecast(self, predicted: Tensor, targets: Tensor) -> None:
        """Add forecasts ``[B, H, K]`` in the data's own unit."""
        true = self.task.in_unit(targets[..., 0], targets)
        error = predicted - true
        size = predicted.abs() + true.abs()
        self.sums.add(
            absolute=error.abs().mean((1, 2)).sum(),
            squared=error.square().mean((1, 2)).sum(),
            percent=(2 * error.abs() / size.clamp_min(1e-12)).mean((1, 2)).sum(),
            **self._scaled(error.abs(), targets),
        )
        self.samples += len(targets)
        if self.detailed:
            self.of_step += error.abs().mean(2).sum(0)
            first = torch.stack([true[..., 0], predicted[..., 0]], dim=1)  # [B, 2, H]
            self.next.add(first[..., 0])
            self.last.add(first[-1:])

    def _scaled(self, error: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The sum over windows of errors over naive errors; of several series also the share that have one."""
        _, _, naive_error = self.task.scale_of(targets)
        if self.task.comparable == 1.0:
            return {"scaled": (error / naive_error).mean((1, 2)).sum()}
        defined = naive_error > 0
        scaled = torch.where(defined, error / naive_error.where(defined, 1.0), 0.0).mean((1, 2)).sum()
        if not self.task.series.parts:
            return {"scaled": scaled}
        return {"scaled": scaled, "comparable": defined.to(error.dtype).mean((1, 2)).sum()}

    def totals(self) -> list[Tensor]:
        """The sums, and the errors of each step ahead."""
        return [*super().totals(), self.of_step]

    def rows(self) -> list[Kept]:
        """With details errors and forecasts."""
        return [self.errors, self.next, self.last] if self.detailed else []

    def running(self) -> Values:
        """``loss`` and the headline, or MAE where MASE is not defined."""
        values = self.compute()
        return {name: values[name] for name in ("loss", "mase" if "mase" in values else "mae")}

    def compute(self) -> Values:
        """``loss`` of standardised values; ``mae``, ``rmse`` in the data's unit; ``smape`` (0…2); ``mase``.

        ``mase`` is of the targets and series where it is defined, and left out where it is nowhere.
        """
        n = max(self.samples, 1)
        values = {
            "loss": self.mean_loss(),
            "mae": self.sums["absolute"] / n,
            "rmse": (self.sums["squared"] / n) ** 0.5,
            "smape": self.sums["percent"] / n,
        }
        comparable = self.sums["comparable"] if self.task.series.parts else n * self.task.comparable
        return {**values, "mase": self.sums["scaled"] / comparable} if comparable else values
