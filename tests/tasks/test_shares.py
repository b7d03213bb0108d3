"""Soft targets: of each sample the share of each class, in losses and in metrics."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.registry import losses
from cnncli.core.spec import DataSpec, Pictures
from cnncli.core.targets import Shares
from cnncli.tasks.classification import Classification
from cnncli.tasks.metrics import ClassificationMeter

fill_registries()
CPU = torch.device("cpu")
CLASSES = ("a", "b", "c")
TAKING = [name for name in losses if "class_numbers_only" not in losses.get(name).traits]
NUMBERS = torch.tensor([0, 1, 2, 0, 1, 1])


def task(name: str = "cross_entropy", **loss: object) -> Classification:
    config = LossConfig.model_validate({"name": name, **loss})
    made = Classification(DataSpec((1, 4, 4), CLASSES, Pictures((0.0,), (1.0,))), config, CPU)
    made.fit(NUMBERS)
    return made


def mixed(share: float = 0.3) -> Shares:
    own = F.one_hot(NUMBERS, 3).float()
    return Shares(share * own + (1 - share) * own.roll(1, 0))


def some_logits() -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def test_shares_are_as_many_as_their_samples() -> None:
    assert len(mixed()) == 6


@pytest.mark.parametrize("name", TAKING)
def test_whole_shares_cost_what_class_numbers_do(name: str) -> None:
    whole = Shares(F.one_hot(NUMBERS, 3).float())
    torch.testing.assert_close(task(name).loss(some_logits(), whole), task(name).loss(some_logits(), NUMBERS))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cross_entropy", lambda x, y: F.cross_entropy(x, y)),
        ("focal", lambda x, y: ((1 - x.softmax(1)) ** 2 * -x.log_softmax(1) * y).sum(1).mean()),
        ("mse", lambda x, y: F.mse_loss(x.softmax(1), y)),
        ("l1", lambda x, y: F.l1_loss(x.softmax(1), y)),
        ("bce", lambda x, y: F.binary_cross_entropy_with_logits(x, y)),
        ("bce_with_logits", lambda x, y: F.binary_cross_entropy_with_logits(x, y)),
        ("kl_div", lambda x, y: F.kl_div(x.log_softmax(1), y, reduction="batchmean")),
        ("soft_margin", lambda x, y: F.soft_margin_loss(x, 2 * y - 1)),
    ],
)
def test_losses_of_shares_are_pytorchs(name: str, expected: object) -> None:
    assert callable(expected)
    torch.testing.assert_close(task(name).loss(some_logits(), mixed()), expected(some_logits(), mixed().values))


def test_mixed_samples_are_weighed_by_their_shares_and_averaged_over_samples() -> None:
    weighted, weights = task(class_weights="balanced"), 6 / (3 * torch.tensor([2.0, 3.0, 1.0]))
    wanted = -(some_logits().log_softmax(1) * mixed().values * weights).sum(1).mean()
    torch.testing.assert_close(weighted.loss(some_logits(), mixed()), wanted)
    assert weighted.weight(mixed()) == 6
    assert float(weighted.weight(NUMBERS)) == pytest.approx(weights[NUMBERS].sum().item())


@pytest.mark.parametrize("detailed", [False, True])
def test_in_metrics_the_class_with_the_largest_share_counts(detailed: bool) -> None:
    shares, meter = mixed(0.6), ClassificationMeter(3, CPU, detailed)
    plain = ClassificationMeter(3, CPU, detailed)
    for found, targets in ((meter, shares), (plain, NUMBERS)):
        found.update(torch.tensor(0.5), 6, some_logits(), targets)
    assert meter.samples == 6
    assert meter.compute() == plain.compute()
    turned = ClassificationMeter(3, CPU)
    turned.update(torch.tensor(0.5), 6, some_logits(), mixed(0.4))
    right = (some_logits().argmax(1) == NUMBERS.roll(1)).double().mean().item()
    assert turned.compute()["accuracy"] == pytest.approx(right)
