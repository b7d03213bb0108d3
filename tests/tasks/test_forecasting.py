"""The next values of a series: every figure against its formula, in the data's own unit."""

from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.spec import Column, DataSpec, Series, Table
from cnncli.data.series import SeriesData
from cnncli.data.windows import make_windows
from cnncli.tasks.forecasting import Forecasting, ForecastMeter
from tests.tasks.helpers import as_json

fill_registries()
CPU = torch.device("cpu")
COLUMNS, WINDOW, HORIZON, PERIOD, LENGTH, TRAINING = ("a", "b", "c"), 6, 5, 4, 60, 40
KINDS = [
    (log, difference, targets)
    for log in (False, True)
    for difference in (None, 1, 3)
    for targets in (("b",), ("c", "a"))
]
Values = NDArray[np.float64]


class Case(NamedTuple):
    """A series, its windows as the task gets them, and what a network might answer to them."""

    values: Values
    task: Forecasting
    targets: Tensor
    outputs: Tensor
    ends: list[int]  # the first forecast step of each window


def case(log: bool, difference: int | None, targets: tuple[str, ...], loss: str = "mse", period: int = PERIOD) -> Case:
    random = np.random.default_rng(1)
    steps = np.arange(LENGTH)[:, None] * np.array([0.5, 1.0, 2.0])
    values = 50 + steps + 10 * np.sin(2 * np.pi * steps / PERIOD) + random.normal(size=(LENGTH, 3))
    data = SeriesData("s", values, COLUMNS, targets, WINDOW, HORIZON, period, log, difference, 0.2)
    spec = data._fit(TRAINING)
    _, windows, starts = make_windows(values, spec)
    generator = torch.Generator().manual_seed(2)
    outputs = windows[..., 0] + 0.3 * torch.randn(windows.shape[:3], generator=generator)
    task = Forecasting(spec, LossConfig(name=loss), CPU)
    task.fit(windows)
    return Case(values, task, windows, outputs, (starts + WINDOW).tolist())


def by_hand(made: Case) -> tuple[Values, Values]:
    """Predicted and true values ``[N, H, K]`` in the data's unit, a number at a time."""
    series = made.task.series
    chosen = [COLUMNS.index(name) for name in series.targets]
    level = np.log(made.values) if series.log else made.values
    predicted = np.zeros(made.outputs.shape)
    true = np.zeros(made.outputs.shape)
    for n, end in enumerate(made.ends):
        for h in range(HORIZON):
            for k, column in enumerate(chosen):
                answer = made.outputs[n, h, k].item() * series.std[column] + series.mean[column]
                if series.difference is not None:
                    known = end + h
                    while known >= end:
                        known -= series.difference
                    answer += level[known, column]
                predicted[n, h, k] = np.exp(answer) if series.log else answer
                true[n, h, k] = made.values[end + h, column]
    return predicted, true


def naive_error(made: Case) -> Values:
    """The mean absolute error of the seasonal-naive forecast inside the training part, for each target."""
    found = []
    for name in made.task.series.targets:
        column = made.values[:TRAINING, COLUMNS.index(name)]
        found.append(np.mean([abs(column[i] - column[i - PERIOD]) for i in range(PERIOD, TRAINING)]))
    return np.array(found)


def expected(predicted: Values, true: Values, scale: Values) -> dict[str, Any]:
    error = np.abs(predicted - true)
    return {
        "mae": pytest.approx(error.mean(), rel=1e-4),
        "rmse": pytest.approx(np.sqrt((error**2).mean()), rel=1e-4),
        "smape": pytest.approx((2 * error / (np.abs(predicted) + np.abs(true))).mean(), rel=1e-4),
        "mase": pytest.approx((error / scale).mean(), rel=1e-4),
    }


def metered(made: Case, size: int = 16, detailed: bool = True) -> ForecastMeter:
    meter = made.task.meter(detailed)
    for x, y in zip(made.outputs.split(size), made.targets.split(size), strict=True):
        meter.update(made.task.eval_loss(x, y), len(y), x, y)
    return meter


@pytest.mark.parametrize(("log", "difference", "targets"), KINDS)
def test_metrics_are_their_formulas_in_the_datas_unit(
    log: bool, difference: int | None, targets: tuple[str, ...]
) -> None:
    made = case(log, difference, targets)
    values = metered(made).compute()
    loss = F.mse_loss(made.outputs, made.targets[..., 0]).item()
    assert values == {"loss": pytest.approx(loss, rel=1e-5), **expected(*by_hand(made), naive_error(made))}


@pytest.mark.parametrize("size", [1000, 7, 1])
def test_metrics_do_not_depend_on_the_batches(size: int) -> None:
    made = case(True, 3, ("c", "a"))
    assert metered(made, size).compute() == pytest.approx(metered(made, 16).compute(), rel=1e-5)


@pytest.mark.parametrize(("log", "difference", "targets"), KINDS)
def test_baselines_are_the_value_a_period_ago_and_the_last_known_one(
    log: bool, difference: int | None, targets: tuple[str, ...]
) -> None:
    made = case(log, difference, targets)
    chosen = [COLUMNS.index(name) for name in targets]
    seasonal, naive, true = (np.zeros(made.outputs.shape) for _ in range(3))
    for n, end in enumerate(made.ends):
        for h in range(HORIZON):
            known = end + h
            while known >= end:
                known -= PERIOD
            seasonal[n, h], naive[n, h] = made.values[known, chosen], made.values[end - 1, chosen]
            true[n, h] = made.values[end + h, chosen]
    scale = naive_error(made)
    assert [baseline.to_json() for baseline in made.task.baselines(made.targets, None)] == [
        {"name": f"seasonal naive ({PERIOD})", **expected(seasonal, true, scale)},
        {"name": "naive", **expected(naive, true, scale)},
    ]


def test_baselines_are_judged_where_the_series_reaches_back_a_period() -> None:
    made = case(False, None, ("b",), period=20)
    unknown = made.targets[..., 3].isnan().flatten(1).any(1)
    assert unknown.tolist() == [True] * 14 + [False] * (len(made.ends) - 14), "the first have no season before them"
    seasonal, naive = made.task.baselines(made.targets, None)
    assert [seasonal, naive] == made.task.baselines(made.targets[14:], None)
    (only,) = made.task.baselines(made.targets[:14], None)
    assert only.name == "naive"
    for found in (seasonal, naive, only):
        assert set(found.metrics) == {"mae", "rmse", "smape", "mase"}
        assert all(map(np.isfinite, found.metrics.values()))


def test_the_seasonal_naive_forecast_of_the_training_part_has_a_mase_of_one() -> None:
    made = case(False, None, ("b",))
    ends = torch.tensor(made.ends)
    one_step = made.targets[ends < TRAINING, :1]
    meter = made.task.meter()
    meter.add_forecast(one_step[..., 3], one_step)
    column = made.values[:TRAINING, 1]
    errors = [abs(column[end] - column[end - PERIOD]) for end in made.ends if end < TRAINING]
    assert meter.compute()["mase"] == pytest.approx(np.mean(errors) / naive_error(made)[0], rel=1e-4)
    assert meter.compute()["mase"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("count", [1, 5, 9, 10, 19, 29, 39, 49])
@pytest.mark.parametrize(("log", "difference"), [(False, None), (True, 3)])
def test_half_widths_are_the_value_at_the_conformal_rank(count: int, log: bool, difference: int | None) -> None:
    made = case(log, difference, ("c", "a"))
    made = Case(made.values, made.task, made.targets[:count], made.outputs[:count], made.ends[:count])
    count = len(made.targets)
    made.task.calibrate(metered(made))
    predicted, true = by_hand(made)
    if log:  # widths are added before the logarithm is undone
        predicted, true = np.log(predicted), np.log(true)
    error = np.abs(predicted - true)
    rank = min(-(-9 * (count + 1) // 10), count)  # the smallest that holds nine of ten of one more value
    for h in range(HORIZON):
        for k in range(2):
            width = made.task.calibration.half_width[h][k]
            assert width == pytest.approx(sorted(error[:, h, k])[rank - 1], rel=1e-3, abs=1e-5)
    assert made.task.calibration.level == min(0.9, rank / (count + 1))


def test_the_rank_is_exact_for_any_number_of_windows() -> None:
    made = case(False, None, ("b",))
    for count in range(1, 400):
        meter = made.task.meter(detailed=True)
        meter.errors.add(torch.arange(1.0, count + 1)[:, None, None].expand(count, HORIZON, 1))
        made.task.calibrate(meter)
        assert made.task.calibration.half_width[0][0] == min(-(-9 * (count + 1) // 10), count), count


@pytest.mark.parametrize(("log", "difference"), [(False, None), (True, 3)])
def test_the_backtest_tells_errors_by_step_and_how_much_the_interval_held(log: bool, difference: int | None) -> None:
    made = case(log, difference, ("c", "a"))
    meter = metered(made)
    assert "inside" not in as_json(made.task.blocks(meter))["backtest"], "no interval has been chosen yet"
    made.task.calibrate(meter)
    details = as_json(made.task.blocks(meter))
    predicted, true = by_hand(made)
    backtest = details["backtest"]
    assert backtest["windows"] == len(made.ends)
    assert backtest["mae_per_step"] == pytest.approx(np.abs(predicted - true).mean((0, 2)).tolist(), rel=1e-3)
    share = ceil(9 * (len(made.ends) + 1) / 10) / len(made.ends)
    assert backtest["inside"] == pytest.approx(share), "on the very errors that it was chosen from"
    forecasts = details["forecasts"]
    assert forecasts["target"] == "c"
    assert forecasts["true"] == pytest.approx(made.values[made.ends[0] :, 2].tolist(), rel=1e-4)
    assert forecasts["one_step"] == pytest.approx(predicted[:, 0, 0].tolist(), rel=1e-4)
    assert forecasts["last"] == pytest.approx(predicted[-1, :, 0].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "function"),
    [("mse", F.mse_loss), ("l1", F.l1_loss), ("smooth_l1", F.smooth_l1_loss), ("huber", F.huber_loss)],
)
def test_the_loss_is_of_standardised_values(name: str, function: object) -> None:
    made = case(True, 1, ("b",), loss=name)
    assert callable(function)
    wanted = function(made.outputs, made.targets[..., 0])
    assert torch.allclose(made.task.loss(made.outputs, made.targets), wanted)
    assert torch.allclose(made.task.eval_loss(made.outputs, made.targets), wanted)


def test_what_is_no_series_and_losses_of_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="task: forecasting is for series, the data are rows; set another task"):
        Forecasting(DataSpec((1,), (), Table((Column("x"),), ("t",)), (1,)), LossConfig(name="mse"), CPU)
    series = Series(("a",), ("a",), 1, False, None, (0.0,), (1.0,), (1.0,))
    spec = DataSpec((4, 1), (), series, (2, 1))
    with pytest.raises(ConfigError, match="cross_entropy is not for forecasting; use mse"):
        Forecasting(spec, LossConfig(name="cross_entropy"), CPU)
    with pytest.raises(ConfigError, match="forecasting has no classes"):
        Forecasting(spec, LossConfig(name="mse", class_weights="balanced"), CPU)


def test_the_meter_goes_on_from_its_state() -> None:
    made = case(True, 3, ("c", "a"))
    meter, other = metered(made, detailed=False), made.task.meter()
    other.load_state_dict(meter.state_dict())
    assert (other.compute(), other.samples) == (meter.compute(), len(made.ends))
    meter.update(torch.tensor(0.5), 3, made.outputs[:3] + 1, made.targets[:3])
    other.update(torch.tensor(0.5), 3, made.outputs[:3] + 1, made.targets[:3])
    assert (other.compute(), other.samples) == (meter.compute(), len(made.ends) + 3)
