"""Losses by name, metrics over samples, baselines."""

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from torch import nn
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.registry import losses
from cnncli.core.spec import DataSpec, Pictures
from cnncli.tasks.classification import Classification
from cnncli.tasks.metrics import ClassificationMeter
from tests.tasks.helpers import as_json

fill_registries()
CPU = torch.device("cpu")
SPEC = DataSpec((1, 4, 4), ("a", "b", "c", "d"), Pictures((0.0,), (1.0,)))
TARGETS = torch.arange(4).repeat_interleave(torch.tensor([10, 20, 40, 30]))  # of the training part


def task(name: str = "cross_entropy", **args: object) -> Classification:
    made = Classification(SPEC, LossConfig.model_validate({"name": name, **args}), CPU)
    made.fit(TARGETS)
    return made


@pytest.mark.parametrize("name", list(losses))
def test_every_loss_teaches_a_linear_model(name: str) -> None:
    torch.manual_seed(0)
    inputs, model = torch.randn(64, 8), nn.Linear(8, 4)
    targets = inputs[:, :4].argmax(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    classification = task(name)
    first = classification.loss(model(inputs), targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        loss = classification.loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    assert loss.item() < first
    if name != "poisson_nll":  # its outputs are log-rates: it learns, but the largest comes slowly
        assert (model(inputs).argmax(1) == targets).float().mean() > 0.8
    assert classification.eval_loss(model(inputs), targets).isfinite()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cross_entropy", lambda x, y: F.cross_entropy(x, y)),
        ("nll", lambda x, y: F.cross_entropy(x, y)),
        ("mse", lambda x, y: F.mse_loss(x.softmax(1), F.one_hot(y, 4).float())),
        ("l1", lambda x, y: F.l1_loss(x.softmax(1), F.one_hot(y, 4).float())),
        ("smooth_l1", lambda x, y: F.smooth_l1_loss(x.softmax(1), F.one_hot(y, 4).float())),
        ("bce", lambda x, y: F.binary_cross_entropy_with_logits(x, F.one_hot(y, 4).float())),
        ("bce_with_logits", lambda x, y: F.binary_cross_entropy_with_logits(x, F.one_hot(y, 4).float())),
    ],
)
def test_losses_are_pytorchs(name: str, expected: object) -> None:
    logits, targets = torch.randn(9, 4), torch.randint(0, 4, (9,))
    assert callable(expected)
    assert task(name).loss(logits, targets).item() == pytest.approx(expected(logits, targets).item(), rel=1e-5)


def test_balanced_and_given_class_weights() -> None:
    logits, targets = torch.randn(9, 4), torch.randint(0, 4, (9,))
    weights = 100 / (4 * TARGETS.bincount().float())
    balanced = task(class_weights="balanced")
    assert torch.allclose(balanced.loss(logits, targets), F.cross_entropy(logits, targets, weights))
    assert torch.allclose(torch.as_tensor(balanced.weight(targets)), weights[targets].sum())
    given = task(class_weights={"b": 3.0})
    assert torch.allclose(given.loss(logits, targets), F.cross_entropy(logits, targets, torch.tensor([1.0, 3, 1, 1])))
    with pytest.raises(ConfigError, match="no class 'bb'; did you mean 'b'"):
        task(class_weights={"bb": 1.0})
    with pytest.raises(ConfigError, match="mse takes none"):
        task("mse", class_weights="balanced")


def test_smoothing_and_weights_do_not_leak_into_evaluation() -> None:
    logits, targets = torch.randn(9, 4), torch.randint(0, 4, (9,))
    classification = task(label_smoothing=0.2, class_weights="balanced")
    assert torch.equal(classification.eval_loss(logits, targets), F.cross_entropy(logits, targets))
    assert not torch.allclose(classification.loss(logits, targets), F.cross_entropy(logits, targets))


def test_metrics_are_averages_over_samples_whatever_the_batches() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(103, 4), torch.randint(0, 4, (103,))
    whole = F.cross_entropy(logits, targets).item()
    for size in (103, 50, 7, 1):
        meter = ClassificationMeter(4, CPU, detailed=True)
        for x, y in zip(logits.split(size), targets.split(size), strict=True):
            meter.update(F.cross_entropy(x, y), len(y), x, y)
        values = meter.compute()
        assert values["loss"] == pytest.approx(whole, abs=1e-6)
        predicted = logits.argmax(1)
        assert values["accuracy"] == pytest.approx((predicted == targets).double().mean().item())
        assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(targets, predicted))
        assert values["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
        assert meter.confusion_matrix().tolist() == confusion_matrix(targets, predicted).tolist()


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("seed", range(20))
def test_classes_that_are_missing_or_only_predicted_count_as_in_scikit_learn(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    targets, predicted = torch.randint(0, 3, (6,), generator=generator), torch.randint(0, 8, (6,), generator=generator)
    meter = ClassificationMeter(8, CPU, detailed=True)
    meter.update(torch.tensor(0.5), 6, torch.eye(8)[predicted], targets)
    values = meter.compute()
    assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(targets, predicted))
    assert values["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))


def test_a_class_that_was_predicted_but_does_not_occur_lowers_macro_f1() -> None:
    meter = ClassificationMeter(3, CPU, detailed=True)
    meter.update(torch.tensor(0.5), 4, torch.eye(3)[torch.tensor([0, 0, 1, 2])], torch.tensor([0, 0, 1, 1]))
    assert meter.compute()["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)  # 0.556; without the third class 0.833


def test_details_of_each_class_are_scikit_learns_zero_where_nothing_was_found() -> None:
    logits = torch.eye(4)[torch.tensor([0, 0, 1, 1, 1, 2])]
    targets = torch.tensor([0, 1, 1, 1, 2, 2])
    classification = task()
    meter = classification.meter(detailed=True)
    meter.update(torch.tensor(0.5), 6, logits, targets)
    found = as_json(classification.blocks(meter))["per_class"]
    expected = precision_recall_fscore_support(targets, logits.argmax(1), labels=range(4), zero_division=0.0)
    for number, name in enumerate("abcd"):
        assert found[name]["precision"] == pytest.approx(expected[0][number])
        assert found[name]["recall"] == pytest.approx(expected[1][number])
        assert found[name]["f1"] == pytest.approx(expected[2][number])
        assert found[name]["support"] == expected[3][number]


def test_the_meter_goes_on_from_its_state() -> None:
    meter, other = ClassificationMeter(4, CPU), ClassificationMeter(4, CPU)
    logits, targets = torch.randn(8, 4), torch.randint(0, 4, (8,))
    meter.update(torch.tensor(1.5), 8, logits, targets)
    other.load_state_dict(meter.state_dict())
    meter.update(torch.tensor(0.5), 8, logits, targets)
    other.update(torch.tensor(0.5), 8, logits, targets)
    assert meter.compute() == other.compute()


def test_the_baseline_names_the_commonest_class_of_training() -> None:
    (baseline,) = task().baselines(torch.tensor([0, 2, 2, 1]), None)
    assert baseline.to_json() == {"name": "commonest class", "class": "c", "accuracy": 0.5}


def test_multi_margin_divides_by_samples_even_with_class_weights() -> None:
    weighted = task("multi_margin", class_weights={"a": 3.0})
    assert weighted.weight(torch.tensor([0, 0, 1])) == 3
