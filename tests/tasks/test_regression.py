"""Numbers in their own unit: scikit-learn's metrics whatever the batches and the scale."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from torch import Tensor
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.spec import Column, DataSpec, Numbers, Pictures, Table
from cnncli.tasks.regression import Regression
from tests.tasks.helpers import as_json

fill_registries()
CPU = torch.device("cpu")
MEAN, STD = (250.0, -3.0), (40.0, 0.5)


def task(count: int = 1, loss: str = "mse", standardize: bool = True, **args: object) -> Regression:
    names = ("price", "age")[:count]
    spec = DataSpec((1,), (), Table((Column("x"),), names), (count,), Numbers(names, MEAN[:count], STD[:count]))
    config = LossConfig.model_validate({"name": loss, **args})
    made = Regression(spec, config, CPU, standardize=standardize)
    made.fit(torch.zeros(0, count))
    return made


def samples(count: int, size: int = 103) -> tuple[Tensor, Tensor]:
    """True values, and predictions that are somewhat wrong; both in the targets' own unit."""
    generator = torch.Generator().manual_seed(count)
    true = torch.tensor(MEAN[:count]) + torch.tensor(STD[:count]) * torch.randn(size, count, generator=generator)
    return true, true + 0.5 * torch.tensor(STD[:count]) * torch.randn(size, count, generator=generator)


def outputs_for(regression: Regression, predicted: Tensor) -> Tensor:
    """What the network has to answer so that ``predicted`` is meant."""
    return (predicted - regression.mean) / regression.std


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("size", [103, 50, 7, 1])
def test_metrics_are_scikit_learns_whatever_the_batches(count: int, standardize: bool, size: int) -> None:
    regression = task(count, standardize=standardize)
    true, predicted = samples(count)
    outputs = outputs_for(regression, predicted)
    meter = regression.meter(detailed=True)
    for x, y in zip(outputs.split(size), true.split(size), strict=True):
        meter.update(regression.eval_loss(x, y), len(y), x, y)
    values = meter.compute()
    assert values["mae"] == pytest.approx(mean_absolute_error(true, predicted), rel=1e-5)
    assert values["rmse"] == pytest.approx(mean_squared_error(true, predicted) ** 0.5, rel=1e-5)
    assert values["r2"] == pytest.approx(r2_score(true, predicted), rel=1e-5)
    scale = torch.tensor(STD[:count]) if standardize else 1.0
    assert values["loss"] == pytest.approx(F.mse_loss(predicted / scale, true / scale).item(), rel=1e-4)
    assert meter.samples == 103


def test_values_far_from_zero_keep_their_r2() -> None:
    regression = task()
    regression.center += 1e6
    true = 1e6 + 100 * torch.randn(400, 1, generator=torch.Generator().manual_seed(0))
    outputs = outputs_for(regression, true + 20)
    predicted = outputs * regression.std + regression.mean  # as the task rounds it
    meter = regression.meter()
    for x, y in zip(outputs.split(32), true.split(32), strict=True):
        meter.update(regression.eval_loss(x, y), len(y), x, y)
    assert meter.compute()["r2"] == pytest.approx(r2_score(true.double(), predicted.double()), abs=1e-6)


@pytest.mark.parametrize("error", [0.0, 0.25])
def test_where_all_targets_are_the_same_r2_is_scikit_learns(error: float) -> None:
    regression = task(2, standardize=False)
    for value in ([251.5, -3.75], [251.3, -3.7]):  # the second are rounded: scikit-learn divides by what remains
        true = torch.tensor([value]).expand(9, 2)
        outputs = true + error
        meter = regression.meter()
        meter.update(regression.eval_loss(outputs, true), len(true), outputs, true)
        assert meter.compute()["r2"] == (0.0 if error else 1.0)
    assert r2_score(torch.tensor([[251.5, -3.75]]).expand(9, 2), torch.full((9, 2), 1.0)) == 0.0


def test_r2_of_a_single_sample_is_zero() -> None:
    regression = task()
    meter = regression.meter()
    meter.update(torch.tensor(1.0), 1, torch.tensor([[0.5]]), torch.tensor([[260.0]]))
    assert meter.compute()["r2"] == 0.0


@pytest.mark.parametrize("standardize", [True, False])
def test_the_baseline_is_the_mean_of_the_training_part(standardize: bool) -> None:
    regression = task(2, standardize=standardize)
    true, _ = samples(2)
    constant = np.tile(MEAN, (len(true), 1))
    baseline = regression.baselines(true, None)[0].to_json()
    assert baseline["name"] == "mean"
    assert baseline["mae"] == pytest.approx(mean_absolute_error(true, constant), rel=1e-5)
    assert baseline["rmse"] == pytest.approx(mean_squared_error(true, constant) ** 0.5, rel=1e-5)
    assert baseline["r2"] == pytest.approx(r2_score(true, constant), rel=1e-4)
    scale = np.array(STD) if standardize else 1.0
    assert baseline["loss"] == pytest.approx((((true.numpy() - constant) / scale) ** 2).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mse", F.mse_loss), ("l1", F.l1_loss), ("smooth_l1", F.smooth_l1_loss), ("huber", F.huber_loss)],
)
def test_losses_are_pytorchs_of_standardised_values(name: str, expected: object) -> None:
    true, predicted = samples(2)
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    assert callable(expected)
    regression = task(2, name)
    outputs = (predicted - mean) / std
    wanted = expected(outputs, (true - mean) / std).item()
    assert regression.loss(outputs, true).item() == pytest.approx(wanted, rel=1e-5)
    assert regression.eval_loss(outputs, true).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", ["cross_entropy", "bce_with_logits", "nll", "poisson_nll"])
def test_a_loss_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is not for regression; use mse or l1"):
        task(1, name)


def test_class_weights_and_data_without_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="regression has no classes"):
        task(class_weights="balanced")
    spec = DataSpec((1, 4, 4), ("a", "b"), Pictures((0.0,), (1.0,)))
    with pytest.raises(ConfigError, match="regression learns numbers, the data have none; use csv, diabetes"):
        Regression(spec, LossConfig(name="mse"), CPU)


def test_the_meter_goes_on_from_its_state() -> None:
    regression = task(2)
    true, predicted = samples(2, 8)
    outputs = outputs_for(regression, predicted)
    meter, other = regression.meter(), regression.meter()
    meter.update(torch.tensor(1.5), 8, outputs, true)
    other.load_state_dict(meter.state_dict())
    assert other.compute() == meter.compute()
    meter.update(torch.tensor(0.5), 8, outputs.flip(0), true)
    other.update(torch.tensor(0.5), 8, outputs.flip(0), true)
    assert meter.compute() == other.compute()


def test_a_state_does_not_change_with_the_meter_it_was_taken_from() -> None:
    regression = task()
    true, predicted = samples(1, 8)
    meter, other = regression.meter(), regression.meter()
    meter.update(torch.tensor(1.5), 8, outputs_for(regression, predicted), true)
    state, before = meter.state_dict(), meter.compute()
    other.load_state_dict(state)
    other.update(torch.tensor(9.0), 8, outputs_for(regression, predicted), true)
    assert meter.compute() == before


@pytest.mark.parametrize("standardize", [True, False])
def test_predictions_are_in_the_targets_own_unit(standardize: bool) -> None:
    one, two = task(1, standardize=standardize), task(2, standardize=standardize)
    _, predicted = samples(2, 5)
    assert one.predictions(outputs_for(one, predicted[:, :1])) == {
        "prediction": pytest.approx(predicted[:, 0].tolist(), rel=1e-5)
    }
    columns = two.predictions(outputs_for(two, predicted))
    assert list(columns) == ["prediction_price", "prediction_age"]
    assert columns["prediction_price"] == pytest.approx(predicted[:, 0].tolist(), rel=1e-5)
    assert columns["prediction_age"] == pytest.approx(predicted[:, 1].tolist(), rel=1e-5)


def test_details_keep_true_and_predicted_values_of_the_first_target() -> None:
    regression = task(2)
    true, predicted = samples(2, 12)
    meter = regression.meter(detailed=True)
    for x, y in zip(outputs_for(regression, predicted).split(5), true.split(5), strict=True):
        meter.update(regression.eval_loss(x, y), len(y), x, y)
    points = as_json(regression.blocks(meter))["points"]
    assert points["target"] == "price"
    assert points["true"] == true[:, 0].tolist()
    assert points["predicted"] == pytest.approx(predicted[:, 0].tolist(), rel=1e-5)


def test_small_changes_of_large_numbers_are_not_rounded_away() -> None:
    targets = torch.tensor([[1e8 + 1.0], [1e8 + 2.0], [1e8 + 4.0]], dtype=torch.float64)
    numbers = Numbers(("y",), (1e8 + 2.0,), (1.0,))
    spec = DataSpec((1,), (), Table((Column("x"),), ("y",)), (1,), numbers)
    large = Regression(spec, LossConfig(name="mse"), torch.device("cpu"))
    meter = large.meter()
    outputs = torch.tensor([[-1.0], [0.5], [2.0]])
    meter.update(large.loss(outputs, targets), 3, outputs, targets)
    assert meter.compute()["mae"] == pytest.approx(0.5 / 3, rel=1e-6)
    assert large.predictions(outputs)["prediction"][1] == 1e8 + 2.5
