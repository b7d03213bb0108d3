"""Probabilities that mean what they say, thresholds that keep an error rate, and the focal loss."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.spec import DataSpec, Pictures
from cnncli.runs.checkpoint import load_checkpoint
from cnncli.tasks.calibration import (
    MAX_LEVELS,
    calibration_error,
    fit_temperature,
    report,
    risk_levels,
    threshold_for,
    why_none,
)
from cnncli.tasks.classification import Classification
from cnncli.tasks.losses import FocalLoss
from tests.conftest import Answer

fill_registries()
Cli = Callable[..., Answer]
CPU = torch.device("cpu")


def calibrated(samples: int, classes: int = 4, seed: int = 0, sharpness: float = 1.5) -> tuple[Tensor, Tensor]:
    """Logits ``[N, K]`` and targets ``[N]`` that were drawn with the very probabilities that the logits say."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(samples, classes, generator=generator) * sharpness
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()


def sure(confidence: list[float], right: list[bool]) -> tuple[Tensor, Tensor]:
    """Probabilities ``[N, 2]`` for the first class, above a half, and targets for which that is right or wrong."""
    first = torch.tensor(confidence, dtype=torch.float64)
    return torch.stack([first, 1 - first], dim=1), (~torch.tensor(right)).long()


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0, 8.0])
def test_a_known_temperature_is_recovered(factor: float) -> None:
    logits, targets = calibrated(20_000)
    assert fit_temperature(logits * factor, targets) == pytest.approx(factor, rel=0.04)


def test_the_temperature_has_the_least_cross_entropy() -> None:
    logits, targets = calibrated(500, seed=3)
    found = fit_temperature(logits * 2, targets)

    def loss(temperature: float) -> float:
        return F.cross_entropy(logits.double() * 2 / temperature, targets).item()

    assert all(loss(found) <= loss(found * step) for step in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))


@pytest.mark.parametrize(("mistakes", "told"), [(0, False), (4, False), (5, True)])
def test_with_fewer_than_five_mistakes_it_is_1(mistakes: int, told: bool) -> None:
    targets = torch.arange(100) % 4
    logits = F.one_hot(targets, 4).float() * 9
    targets[:mistakes] = (targets[:mistakes] + 1) % 4
    assert (fit_temperature(logits, targets) != 1) == told


@pytest.mark.parametrize(("mistakes", "few"), [(0, "0 mistakes"), (1, "1 mistake"), (4, "4 mistakes")])
def test_why_there_is_no_temperature_is_told(mistakes: int, few: str) -> None:
    targets = torch.arange(100) % 4
    logits = F.one_hot(targets, 4).float() * 9
    targets[:mistakes] = (targets[:mistakes] + 1) % 4
    told = why_none(risk_levels(logits.softmax(1), targets), 100)
    assert told == f"no temperature is fitted: {few} in 100 validation samples, and it takes at least 5"
    assert why_none(None, 0) == "no temperature: it is fitted on validation, and there was none"
    assert why_none(None, 100) == "no temperature: it is fitted without --tta"


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_an_extreme_temperature_stays_within_bounds(factor: float) -> None:
    logits, targets = calibrated(300)
    assert 0.19 <= fit_temperature(logits * factor, targets) <= 20.01


def test_probabilities_that_come_true_have_no_calibration_error() -> None:
    confidence = [0.6] * 10 + [0.75] * 8 + [1.0] * 3
    right = [True] * 6 + [False] * 4 + [True] * 6 + [False] * 2 + [True] * 3
    assert calibration_error(*sure(confidence, right)) == pytest.approx(0, abs=1e-12)
    logits, targets = calibrated(200_000)
    assert calibration_error(logits.softmax(1), targets) < 0.005
    assert calibration_error((logits * 3).softmax(1), targets) > 0.15


@pytest.mark.parametrize(
    ("confidence", "right", "error"),
    [
        ([0.9], [False], 0.9), ([0.9], [True], 0.1), ([1.0, 1.0], [True, False], 0.5),
        # bins are a fifteenth wide: 0.61 and 0.65 share one, 0.95 has its own
        ([0.61, 0.65, 0.95, 0.95], [True, False, True, True], (abs(0.61 + 0.65 - 1) + abs(1.9 - 2)) / 4),
        ([0.61, 0.65, 0.95, 0.95], [False, False, True, False], (0.61 + 0.65 + abs(1.9 - 1)) / 4),
        # too sure by as much in one sample as too shy in the other: of one bin they cancel out, of two they do not
        ([0.64, 0.64], [True, False], (1.28 - 1) / 2), ([0.55, 0.95], [True, False], (0.45 + 0.95) / 2),
    ],
)  # fmt: skip
def test_calibration_error_by_hand(confidence: list[float], right: list[bool], error: float) -> None:
    assert calibration_error(*sure(confidence, right)) == pytest.approx(error)


def test_the_report_compares_before_and_after() -> None:
    logits, targets = calibrated(5_000)
    found = report(logits * 3, targets, 3.0)
    assert set(found) == {"temperature", "error_before", "error_after"}
    assert found["temperature"] == 3.0
    assert found["error_after"] < 0.03 < 0.15 < found["error_before"]


def brute(probabilities: Tensor, targets: Tensor, max_error: float) -> tuple[float, float]:
    """The least confidence for which the samples at least that confident have few enough mistakes."""
    confidence, predicted = probabilities.double().max(1)
    for least in sorted(set(confidence.tolist())):
        answered = confidence >= least
        if (predicted != targets)[answered].double().mean() <= max_error:
            return least, answered.double().mean().item()
    return 2.0, 0.0


@pytest.mark.parametrize("digits", [1, 2, 16])  # the fewer, the more samples tie
@pytest.mark.parametrize("max_error", [0.0, 0.05, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("seed", range(3))
def test_the_threshold_is_the_one_that_trying_all_finds(digits: int, max_error: float, seed: int) -> None:
    logits, targets = calibrated(150, seed=seed)
    probabilities = logits.softmax(1).double().mul(10**digits).round().div(10**digits)
    levels = risk_levels(probabilities, targets)
    confidence, answered = threshold_for(levels, max_error)
    assert (confidence, answered) == pytest.approx(brute(probabilities, targets, max_error))
    assert levels.confidence == sorted(set(probabilities.max(1).values.tolist()))
    assert levels.answered[0] == 1
    wrong = (probabilities.argmax(1) != targets).double().mean().item()
    assert levels.error[0] == pytest.approx(wrong)


def test_samples_of_one_confidence_are_answered_together() -> None:
    levels = risk_levels(*sure([0.9, 0.9, 0.9, 0.7, 0.7, 0.6], [True, True, False, True, True, False]))
    assert levels.confidence == pytest.approx([0.6, 0.7, 0.9])
    assert levels.error == pytest.approx([2 / 6, 1 / 5, 1 / 3])
    assert levels.answered == pytest.approx([1, 5 / 6, 1 / 2])
    assert threshold_for(levels, 0.35) == (pytest.approx(0.6), 1)
    assert threshold_for(levels, 0.2) == (pytest.approx(0.7), pytest.approx(5 / 6))


def test_where_no_confidence_is_enough_nothing_is_answered() -> None:
    probabilities, targets = sure([0.9, 0.8, 0.7], [False, True, True])
    assert threshold_for(risk_levels(probabilities, targets), 0.3) == (2.0, 0.0)
    assert threshold_for(risk_levels(probabilities, targets), 0.34) == (pytest.approx(0.7), 1)


def test_of_many_levels_some_are_kept_and_each_is_true() -> None:
    logits, targets = calibrated(5_000)
    probabilities = logits.softmax(1)
    levels = risk_levels(probabilities, targets)
    assert len(levels.confidence) == len(levels.error) == len(levels.answered) == MAX_LEVELS
    assert levels.answered[0] == 1
    confidence, predicted = probabilities.double().max(1)
    assert levels.confidence[-1] == confidence.max().item()
    for number in (0, 100, 500, 998, 999):
        chosen = confidence >= levels.confidence[number]
        assert levels.answered[number] == pytest.approx(chosen.double().mean().item())
        assert levels.error[number] == pytest.approx((predicted != targets)[chosen].double().mean().item())


def test_focal_with_gamma_0_is_cross_entropy() -> None:
    logits, targets = calibrated(50)
    weight, shares = torch.tensor([1.0, 2.0, 0.5, 3.0]), F.one_hot(targets, 4).float()
    assert torch.allclose(FocalLoss(0.0)(logits, shares), F.cross_entropy(logits, targets))
    weighted = F.cross_entropy(logits, targets, weight, reduction="none").mean()
    assert torch.allclose(FocalLoss(0.0, weight)(logits, shares), weighted)
    mixed = 0.3 * shares + 0.7 * shares.roll(1, 0)
    assert torch.allclose(FocalLoss(0.0)(logits, mixed), F.cross_entropy(logits, mixed))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_is_its_formula_and_takes_shares_in_their_parts(gamma: float) -> None:
    logits, targets = calibrated(50)
    p = logits.softmax(1)[torch.arange(50), targets]
    own, others = F.one_hot(targets, 4).float(), F.one_hot(targets.roll(1), 4).float()
    assert torch.allclose(FocalLoss(gamma)(logits, own), (-((1 - p) ** gamma) * p.log()).mean(), atol=1e-6)
    mixed = 0.3 * own + 0.7 * others
    parts = 0.3 * FocalLoss(gamma)(logits, own) + 0.7 * FocalLoss(gamma)(logits, others)
    assert torch.allclose(FocalLoss(gamma)(logits, mixed), parts, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("scale", [1.0, 100.0])  # a network can be so sure that a probability is exactly 1
def test_the_gradient_of_focal_flows_and_is_finite(gamma: float, scale: float) -> None:
    logits, targets = calibrated(50)
    logits = (logits * scale).requires_grad_()
    FocalLoss(gamma)(logits, F.one_hot(targets, 4).float()).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().sum() > 0


def test_the_gradient_of_focal_is_that_of_differences() -> None:
    logits, targets = calibrated(6)
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    double, shares = logits.double().requires_grad_(), F.one_hot(targets, 4).double()
    assert torch.autograd.gradcheck(lambda given: FocalLoss(1.5, weight)(given, shares), (double,))


def test_focal_weighs_easy_samples_less() -> None:
    easy, hard = torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    first = torch.tensor([[1.0, 0.0]])

    def ratio(gamma: float) -> float:
        return (FocalLoss(gamma)(easy, first) / FocalLoss(gamma)(hard, first)).item()

    assert ratio(0.0) > 10 * ratio(1.0) > 100 * ratio(2.0)


def test_focal_as_a_loss_of_a_task_is_averaged_over_samples_and_plain_in_evaluation() -> None:
    logits, targets = calibrated(40)
    spec = DataSpec((1, 4, 4), ("a", "b", "c", "d"), Pictures((0.0,), (1.0,)))
    loss = LossConfig.model_validate({"name": "focal", "gamma": 1.0, "class_weights": "balanced"})
    task = Classification(spec, loss, CPU)
    task.fit(targets)
    shares = F.one_hot(targets, 4).float()
    weights = 40 / (4 * targets.bincount(minlength=4).float())
    assert torch.allclose(task.loss(logits, targets), FocalLoss(1.0, weights)(logits, shares))
    assert torch.allclose(task.eval_loss(logits, targets), FocalLoss(1.0)(logits, shares))
    assert task.weight(targets) == 40


def plain(value: object) -> bool:
    """Whether a value holds numbers of Python's alone."""
    if isinstance(value, dict):
        return all(type(key) is str and plain(item) for key, item in value.items())
    return all(map(plain, value)) if isinstance(value, list) else type(value) in (int, float)


@pytest.fixture
def trained(cnncli: Cli, tiny: Path) -> Path:
    answer = cnncli("train", tiny, "--name", "one/two", "--json")
    assert answer.code == 0, answer.err
    return Path("runs/one/two")


def test_a_checkpoint_holds_temperature_and_risk_of_its_epoch_as_plain_numbers(cnncli: Cli, trained: Path) -> None:
    for name in ("best.pt", "last.pt"):
        chosen = load_checkpoint(trained / name).calibration
        assert set(chosen) == {"temperature", "risk", "samples"}
        assert plain(chosen)
        assert list(chosen["risk"]) == ["confidence", "error", "answered"]
        evaluated = cnncli("eval", "--ckpt", trained / name, "--split", "val", "--json").json
        accuracy = evaluated["metrics"]["val"]["accuracy"]
        assert chosen["risk"]["error"][0] == pytest.approx(1 - accuracy)
        assert chosen["temperature"] == evaluated["calibration"]["temperature"]
        assert not math.isclose(chosen["temperature"], 1), "after two epochs there are mistakes enough"


def test_eval_tells_how_well_it_is_calibrated(cnncli: Cli, trained: Path) -> None:
    answer = cnncli("eval", "--ckpt", trained, "--split", "val", "--json")
    found = answer.json["calibration"]
    assert set(found) == {"temperature", "error_before", "error_after"}
    assert found["temperature"] == load_checkpoint(trained / "best.pt").calibration["temperature"]
    assert 0 <= found["error_after"] < found["error_before"] <= 1, "it was fitted on these samples"
    assert cnncli("eval", "--ckpt", trained, "--json").json["calibration"]["temperature"] == found["temperature"]


def test_without_validation_there_is_no_temperature(cnncli: Cli, tiny: Path) -> None:
    answer = cnncli("train", tiny, "dataset.val_fraction=0", "checkpoint.monitor=train/loss", "--name", "one/two")
    assert answer.code == 0, answer.err
    assert load_checkpoint(Path("runs/one/two/best.pt")).calibration == {"temperature": 1, "risk": None, "samples": 0}
    found = cnncli("eval", "--ckpt", "runs/one/two", "--json").json["calibration"]
    assert found["temperature"] == 1
    assert found["error_before"] == found["error_after"]
