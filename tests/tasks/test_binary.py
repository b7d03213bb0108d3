"""Yes or no: scikit-learn's metrics at any threshold, and a threshold chosen on validation."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from torch import Tensor
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.spec import Column, DataSpec, Table
from cnncli.runs.checkpoint import load_checkpoint
from cnncli.tasks.binary import Binary, BinaryMeter, at_threshold
from tests.conftest import Answer
from tests.tasks.helpers import as_json

fill_registries()
CPU = torch.device("cpu")
TRAINING = torch.tensor([0] * 30 + [1] * 10)
GIVEN = """\
name: given
dataset: {name: breast_cancer, batch_size: 64}
model: {name: mlp, hidden: [4]}
task: {name: binary, threshold: 0.9}
optimizer: {name: sgd, lr: 1.0}
train: {epochs: 3}
checkpoint: {monitor: val/loss, mode: max}
logging: {tensorboard: false, samples: false, pictures: false}
"""


def task(loss: dict[str, Any] | None = None, classes: str = "no yes", **args: Any) -> Binary:
    spec = DataSpec((1,), tuple(classes.split()), Table((Column("x"),), ("t",)), (1,))
    config = LossConfig.model_validate({"name": "bce_with_logits", **(loss or {})})
    made = Binary(spec, config, CPU, **args)
    made.fit(TRAINING)
    return made


def samples(size: int = 103, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits ``[N, 1]`` that tell something of the classes ``[N]``, many of them several times."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, 2, (size,), generator=generator)
    logits = (targets - 0.5)[:, None] + 1.2 * torch.randn(size, 1, generator=generator)
    return (logits * 8).round() / 8, targets


def metered(binary: Binary, logits: Tensor, targets: Tensor, size: int = 103) -> BinaryMeter:
    meter = binary.meter(detailed=True)
    for x, y in zip(logits.split(size), targets.split(size), strict=True):
        meter.update(binary.eval_loss(x, y), len(y), x, y)
    return meter


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("positive", ["yes", "no"])
@pytest.mark.parametrize("size", [103, 7, 1])
def test_metrics_are_scikit_learns_at_any_threshold(threshold: float, positive: str, size: int) -> None:
    logits, targets = samples()
    binary = task(threshold=threshold, positive=positive)
    values = metered(binary, logits, targets, size).compute()
    truth = (targets == ("no", "yes").index(positive)).numpy()
    scores = logits[:, 0].sigmoid().numpy()
    said = scores >= threshold
    assert values == {
        "loss": pytest.approx(F.binary_cross_entropy_with_logits(logits[:, 0], torch.tensor(truth).float()).item()),
        "accuracy": pytest.approx(accuracy_score(truth, said)),
        "precision": pytest.approx(precision_score(truth, said, zero_division=0.0)),
        "recall": pytest.approx(recall_score(truth, said)),
        "f1": pytest.approx(f1_score(truth, said)),
        "roc_auc": pytest.approx(roc_auc_score(truth, scores)),
        "average_precision": pytest.approx(average_precision_score(truth, scores)),
    }
    assert at_threshold(torch.tensor(scores), torch.tensor(truth), threshold)["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(truth, said)
    )


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_details_are_scikit_learns_with_the_classes_in_the_datas_order(positive: str) -> None:
    logits, targets = samples()
    binary = task(threshold=0.4, positive=positive)
    details = as_json(binary.blocks(metered(binary, logits, targets, 50)))
    number = ("no", "yes").index(positive)
    scores = logits[:, 0].sigmoid().numpy()
    named = np.where(scores >= 0.4, number, 1 - number)
    assert (details["threshold"], details["positive"]) == (0.4, positive)
    assert details["confusion"] == confusion_matrix(targets, named).tolist()
    expected = precision_recall_fscore_support(targets, named)
    for at, name in enumerate(("no", "yes")):
        row = details["per_class"][name]
        found = [row["precision"], row["recall"], row["f1"], row["support"]]
        assert found == pytest.approx([column[at] for column in expected])
    false, true, _ = roc_curve(targets == number, scores)
    assert details["roc"] == {"false_positive_rate": false.tolist(), "true_positive_rate": true.tolist()}


def test_the_positive_class_is_named_and_the_second_unless_told() -> None:
    outputs = torch.tensor([[2.0], [-2.0]])
    high, low = outputs.sigmoid()[:, 0].tolist()
    assert task().predictions(outputs) == {"prediction": ["yes", "no"], "probability_yes": [high, low]}
    assert task(positive="no").predictions(outputs) == {"prediction": ["no", "yes"], "probability_no": [high, low]}
    with pytest.raises(ConfigError, match="no class 'yess'; did you mean 'yes'"):
        task(positive="yess")


def test_predictions_are_made_at_the_threshold() -> None:
    outputs = torch.tensor([0.25, 0.35, 0.9]).logit()[:, None]
    assert task(threshold=0.3).predictions(outputs)["prediction"] == ["no", "yes", "yes"]
    assert task().predictions(torch.tensor([[0.0]]))["prediction"] == ["yes"], "what reaches it means yes"
    assert metered(task(), torch.zeros(3, 1), torch.tensor([1, 1, 0])).compute()["recall"] == 1
    assert task().predictions(outputs)["prediction"] == ["no", "no", "yes"]


def best_of_all(goal: str, scores: Tensor, truth: Tensor) -> float:
    """The best that any threshold from 0 to 1 reaches, by scikit-learn."""
    score = {"accuracy": accuracy_score, "f1": f1_score, "balanced_accuracy": balanced_accuracy_score}[goal]
    thresholds = [0.0, *scores.unique().tolist(), 1.0]
    return max(float(score(truth.numpy(), (scores >= threshold).numpy())) for threshold in thresholds)


@pytest.mark.parametrize("goal", ["accuracy", "f1", "balanced_accuracy"])
@pytest.mark.parametrize("positive", ["yes", "no"])
@pytest.mark.parametrize("kind", ["useful", "useless", "reversed", "all alike"])
def test_no_other_threshold_is_better_on_validation_than_the_chosen(goal: str, positive: str, kind: str) -> None:
    logits, targets = samples(60, seed=len(goal))
    logits = {
        "useful": logits,
        "useless": torch.randn(60, 1, generator=torch.Generator().manual_seed(5)) - 3,
        "reversed": -3 * logits - 2,
        "all alike": torch.full_like(logits, 0.7),
    }[kind]
    binary = task(choose=goal, positive=positive)
    meter = metered(binary, logits, targets, 16)
    binary.calibrate(meter)
    chosen = binary.calibration.threshold
    assert 0 <= chosen <= 1
    scores, truth = meter.scores()
    assert at_threshold(scores, truth, chosen)[goal] == pytest.approx(best_of_all(goal, scores, truth))
    if goal != "balanced_accuracy":  # which is no metric of the report
        assert meter.compute()[goal] == pytest.approx(best_of_all(goal, scores, truth))


def test_choosing_can_change_the_threshold_and_without_it_nothing_is_chosen() -> None:
    logits, targets = samples()
    chosen, plain, given = task(choose="accuracy"), task(), task(threshold=0.7)
    for binary in (chosen, plain, given):
        binary.calibrate(metered(binary, logits - 4, targets))
    assert chosen.calibration.threshold < 0.2
    assert plain.calibration.to_dict() == {"threshold": 0.5}
    assert given.calibration.to_dict() == {"threshold": 0.7}


def test_a_given_threshold_is_that_of_every_checkpoint(cnncli: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GIVEN)
    assert cnncli("train", "c.yaml", "--name", "given/one").code == 0
    history = [json.loads(line) for line in Path("runs/given/one/metrics.jsonl").read_text().splitlines()]
    assert history[1]["val/loss"] < history[0]["val/loss"], "the second epoch is not the best"
    for name in ("best", "last"):
        assert load_checkpoint(Path(f"runs/given/one/{name}.pt")).calibration == {"threshold": 0.9}
        report = cnncli("eval", "--ckpt", f"runs/given/one/{name}.pt", "--json").json
        assert report["threshold"] == 0.9


def test_threshold_and_choose_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"task\.threshold: excludes task\.choose"):
        task(threshold=0.5, choose="f1")


def test_three_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="binary is for two classes, the data have 3; set task: classification"):
        task(classes="no maybe yes")


@pytest.mark.parametrize(("positive", "ratio"), [("yes", 30 / 10), ("no", 10 / 30)])
def test_balanced_class_weights_are_pytorchs_positive_weight(positive: str, ratio: float) -> None:
    logits, targets = samples(9)
    truth = (targets == ("no", "yes").index(positive)).float()
    binary = task({"class_weights": "balanced"}, positive=positive)
    weighted = F.binary_cross_entropy_with_logits(logits[:, 0], truth, pos_weight=torch.tensor(ratio))
    plain = F.binary_cross_entropy_with_logits(logits[:, 0], truth)
    assert torch.allclose(binary.loss(logits, targets), weighted)
    assert torch.allclose(binary.eval_loss(logits, targets), plain)
    assert not torch.allclose(weighted, plain)
    assert binary.weight(targets) == 9, "PyTorch divides by the samples, whatever the weight"


def test_given_class_weights_count_by_their_ratio() -> None:
    logits, targets = samples(9)
    for weights, ratio in (({"yes": 3.0}, 3.0), ({"no": 2.0, "yes": 3.0}, 1.5), ({"no": 4.0}, 0.25)):
        expected = F.binary_cross_entropy_with_logits(logits[:, 0], targets.float(), pos_weight=torch.tensor(ratio))
        assert torch.allclose(task({"class_weights": weights}).loss(logits, targets), expected)
    with pytest.raises(ConfigError, match="no class 'yep'; did you mean 'yes'"):
        task({"class_weights": {"yep": 2.0}})
    with pytest.raises(ConfigError, match="soft_margin takes none; use bce_with_logits"):
        task({"name": "soft_margin", "class_weights": "balanced"})


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_soft_margin_gets_signs(positive: str) -> None:
    logits, targets = samples(9)
    signs = torch.where(targets == ("no", "yes").index(positive), 1.0, -1.0)
    assert torch.allclose(
        task({"name": "soft_margin"}, positive=positive).loss(logits, targets), F.soft_margin_loss(logits[:, 0], signs)
    )


def test_a_loss_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="cross_entropy is not for binary; use bce_with_logits or soft_margin"):
        task({"name": "cross_entropy"})


@pytest.mark.parametrize("target", [0, 1])
def test_of_one_class_alone_there_is_no_order_to_judge_and_no_warning(target: int) -> None:
    logits, _ = samples(9)
    binary = task(choose="f1")
    meter = metered(binary, logits, torch.full((9,), target))
    binary.calibrate(meter)
    values = meter.compute()
    assert not {"roc_auc", "average_precision"} & set(values)
    details = as_json(binary.blocks(meter))
    assert "roc" not in details, "a curve through undefined rates"
    assert sum(map(sum, details["confusion"])) == 9


def test_the_meter_goes_on_from_its_state() -> None:
    logits, targets = samples(16)
    binary = task(threshold=0.6)
    meter, other = binary.meter(), binary.meter()
    meter.update(torch.tensor(1.5), 16, logits, targets)
    other.load_state_dict(meter.state_dict())
    assert other.compute() == meter.compute()
    meter.update(torch.tensor(0.5), 16, logits.flip(0), targets)
    other.update(torch.tensor(0.5), 16, logits.flip(0), targets)
    assert meter.compute() == other.compute()


def test_the_running_accuracy_is_that_of_all_samples_so_far() -> None:
    logits, targets = samples()
    meter = metered(task(threshold=0.3), logits, targets, 10)
    assert meter.running()["accuracy"] == pytest.approx(meter.compute()["accuracy"])


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_the_baseline_names_the_commoner_class_of_training(positive: str) -> None:
    (baseline,) = task(positive=positive).baselines(torch.tensor([0, 1, 1, 1]), None)
    assert baseline.to_json() == {"name": "commonest class", "class": "no", "accuracy": 0.25, "roc_auc": 0.5}
