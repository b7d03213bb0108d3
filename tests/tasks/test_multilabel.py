"""Several labels for each sample: every figure is scikit-learn's, every threshold the best on validation."""

import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter
from sklearn import metrics as sk
from torch import Tensor

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.registry import losses
from cnncli.core.results import TableBlock
from cnncli.core.spec import DataSpec, Pictures
from cnncli.core.targets import Shares
from cnncli.data.mixing import Mix, mixup
from cnncli.tasks.losses import AsymmetricLoss
from cnncli.tasks.multilabel import LabelCalibration, LabelMeter, Multilabel, best_threshold

CPU = torch.device("cpu")
NAMES = ("ant", "bee", "cat", "dog", "eel")
SPEC = DataSpec((1, 8, 8), NAMES, Pictures((0.0,), (1.0,)))


def make(loss: str = "bce_with_logits", weights: Any = None, spec: DataSpec = SPEC, **args: Any) -> Multilabel:
    named = {key: args.pop(key) for key in ("gamma_neg", "gamma_pos", "clip") if key in args}
    return Multilabel(spec, LossConfig.model_validate({"name": loss, "class_weights": weights, **named}), CPU, **args)


def random_answers(seed: int, samples: int = 200, levels: int | None = None) -> tuple[Tensor, Tensor]:
    """Logits float32 and targets, both ``[N, 5]``, that have something to do with each other; perhaps many ties."""
    generator = torch.Generator().manual_seed(seed)
    frequent = torch.tensor([0.5, 0.05, 0.3, 0.9, 0.15])
    targets = (torch.rand(samples, 5, generator=generator) < frequent).float()
    logits = torch.randn(samples, 5, generator=generator) + 1.5 * targets - 1
    return (logits if levels is None else (logits * levels).round() / levels), targets


def filled(task: Multilabel, logits: Tensor, targets: Any, batch: int = 37) -> LabelMeter:
    meter = task.meter(detailed=True)
    for start in range(0, len(logits), batch):
        part = slice(start, start + batch)
        meter.update(task.eval_loss(logits[part], targets[part]), len(targets[part]), logits[part], targets[part])
    return meter


def named(task: Multilabel, logits: Tensor) -> np.ndarray[Any, Any]:
    return task.naming(logits).chosen.numpy()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("levels", [None, 2])
def test_every_metric_is_scikit_learns(seed: int, levels: int | None) -> None:
    task = make()
    task.calibrate(filled(task, *random_answers(seed + 100)))
    logits, targets = random_answers(seed, levels=levels)
    truth, said, scores = targets.numpy().astype(int), named(task, logits), logits.sigmoid().numpy()
    assert len(set(task.calibration.thresholds)) > 2
    assert filled(task, logits, targets).compute() == pytest.approx(
        {
            "loss": F.binary_cross_entropy_with_logits(logits, targets).item(),
            "mean_average_precision": sk.average_precision_score(truth, scores, average="macro"),
            "micro_f1": sk.f1_score(truth, said, average="micro"),
            "macro_f1": sk.f1_score(truth, said, average="macro"),
            "exact_match": sk.accuracy_score(truth, said),
        }
    )


@pytest.mark.parametrize("seed", range(3))
def test_every_row_of_the_table_is_scikit_learns(seed: int) -> None:
    task = make()
    logits, targets = random_answers(seed)
    meter = filled(task, logits, targets)
    task.calibrate(meter)
    block = task.blocks(meter)[0]
    assert isinstance(block, TableBlock)
    rows = block.to_json()["per_class"]
    truth, said = targets.numpy().astype(int), named(task, logits)
    precision, recall, f1, support = sk.precision_recall_fscore_support(truth, said, zero_division=0)
    for i, name in enumerate(NAMES):
        assert rows[name] == pytest.approx(
            {
                "precision": precision[i],
                "recall": recall[i],
                "f1": f1[i],
                "average_precision": sk.average_precision_score(truth[:, i], logits[:, i].sigmoid().numpy()),
                "threshold": task.calibration.thresholds[i],
                "support": support[i],
            }
        )


def test_means_over_classes_are_over_those_that_occur_and_the_others_keep_an_even_threshold() -> None:
    task = make()
    logits, targets = random_answers(1)
    targets[:, 1] = 0
    meter = filled(task, logits, targets)
    task.calibrate(meter)
    assert task.calibration.thresholds[1] == 0.5
    occur, truth, scores = [0, 2, 3, 4], targets.numpy().astype(int), logits.sigmoid().numpy()
    found = meter.compute()
    assert found["mean_average_precision"] == pytest.approx(
        np.mean([sk.average_precision_score(truth[:, i], scores[:, i]) for i in occur])
    )
    wanted = sk.f1_score(truth[:, occur], named(task, logits)[:, occur], average="macro")
    assert found["macro_f1"] == pytest.approx(wanted)
    block = task.blocks(meter)[0]
    row = block.to_json()["per_class"]["bee"]
    assert "average_precision" not in row
    assert (row["recall"], row["support"]) == (0, 0)


def test_where_no_class_occurs_every_mean_is_zero_and_nothing_is_warned_of() -> None:
    task = make()
    logits, targets = random_answers(1)
    task.fit(targets)
    empty = torch.zeros_like(targets)
    found = filled(task, logits, empty).compute()
    assert (found["mean_average_precision"], found["macro_f1"]) == (0, 0)
    assert task.baselines(empty, None)[0].metrics["mean_average_precision"] == 0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("levels", [None, 1])
def test_no_threshold_has_a_better_f1_than_the_chosen_one(seed: int, levels: int | None) -> None:
    logits, targets = random_answers(seed, samples=60, levels=levels)
    for i in range(5):
        scores, truth = logits[:, i].sigmoid(), targets[:, i].bool()
        if not truth.any():
            assert best_threshold(scores, truth) == 0.5
            continue
        precision, recall, _ = sk.precision_recall_curve(truth, scores)
        best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
        threshold = best_threshold(scores, truth)
        assert sk.f1_score(truth, scores.double() >= threshold) == pytest.approx(best)
        assert 0 < threshold < 1
        if sk.f1_score(truth, scores >= 0.5, zero_division=0) == pytest.approx(best):
            assert threshold == 0.5, "what is as good with 0.5 stays there"


def test_a_threshold_parts_the_nearest_floats_there_are() -> None:
    low = torch.tensor(0.7)
    high = torch.nextafter(low, torch.tensor(1.0))
    scores, truth = torch.stack([low, high, high]), torch.tensor([False, True, True])
    threshold = best_threshold(scores, truth)
    assert (scores.double() >= threshold).tolist() == truth.tolist()
    task = make(spec=DataSpec((1, 8, 8), ("ant",), Pictures((0.0,), (1.0,))))
    task.use(LabelCalibration((threshold,)))
    assert (scores[:, None] >= task.thresholds).flatten().tolist() == truth.tolist()


def test_thresholds_come_back_from_a_checkpoint_and_must_be_as_many_as_the_classes() -> None:
    task = make()
    task.calibrate(filled(task, *random_answers(3)))
    stored = json.dumps(task.calibration.to_dict())
    other = make()
    other.use(TypeAdapter(LabelCalibration).validate_json(stored))
    logits, _ = random_answers(4)
    assert np.array_equal(named(task, logits), named(other, logits))
    assert other.calibration.for_views() == task.calibration
    with pytest.raises(ValueError, match="it has 2 thresholds for 5 classes"):
        other.use(LabelCalibration((0.5, 0.5)))
    with pytest.raises(ValueError, match="less than or equal to 1"):
        LabelCalibration((1.5,))


def test_one_given_threshold_is_for_all_and_stays() -> None:
    task = make(threshold=0.3)
    assert not task.metrics_need_calibration
    task.calibrate(filled(task, *random_answers(3)))
    assert task.calibration.thresholds == (0.3,) * 5


def test_the_baseline_says_how_frequent_each_class_is_in_training() -> None:
    task = make()
    _, training = random_answers(5, samples=400)
    _, targets = random_answers(6)
    task.fit(training)
    (baseline,) = task.baselines(targets, None)
    prevalence = training.double().mean(0)
    said = np.tile((prevalence >= 0.5).numpy(), (len(targets), 1))
    truth = targets.numpy().astype(int)
    scores = np.tile(prevalence.numpy(), (len(targets), 1))
    assert baseline.metrics == pytest.approx(
        {
            "loss": F.binary_cross_entropy(prevalence.expand_as(targets), targets.double()).item(),
            "mean_average_precision": targets.mean(0).mean().item(),
            "micro_f1": sk.f1_score(truth, said, average="micro"),
            "macro_f1": sk.f1_score(truth, said, average="macro", zero_division=0),
            "exact_match": sk.accuracy_score(truth, said),
        }
    )
    assert baseline.metrics["mean_average_precision"] == pytest.approx(sk.average_precision_score(truth, scores))


@pytest.mark.parametrize("weights", ["balanced", {"bee": 4.0, "dog": 0.5}])
def test_weights_are_those_of_present_classes_and_do_not_leak_into_evaluation(weights: Any) -> None:
    task = make(weights=weights)
    logits, targets = random_answers(7)
    task.fit(targets)
    present = targets.sum(0)
    wanted = (len(targets) - present) / present if weights == "balanced" else torch.tensor([1.0, 4.0, 1.0, 0.5, 1.0])
    expected = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=wanted)
    torch.testing.assert_close(task.loss(logits, targets), expected)
    torch.testing.assert_close(task.eval_loss(logits, targets), F.binary_cross_entropy_with_logits(logits, targets))
    assert task.weight(targets) == 200


def test_weights_and_losses_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="asymmetric takes none; use bce_with_logits"):
        make("asymmetric", "balanced")
    with pytest.raises(ConfigError, match="no class 'be'; did you mean 'bee'"):
        make(weights={"be": 2.0})
    with pytest.raises(ConfigError, match="cross_entropy is not for multilabel; use bce_with_logits or asymmetric or"):
        make("cross_entropy")


@pytest.mark.parametrize("loss", [name for name in losses if "labels" in losses.get(name).traits])
def test_every_loss_for_labels_teaches_a_linear_model_and_takes_shares(loss: str) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(256, 12)
    targets = (inputs @ torch.randn(12, 5) > 0).float()
    model = torch.nn.Linear(12, 5)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    task = make(loss)
    task.fit(targets)
    before = task.loss(model(inputs), targets).item()
    for _ in range(60):
        optimizer.zero_grad()
        task.loss(model(inputs), targets).backward()
        optimizer.step()
    assert task.loss(model(inputs), targets).item() < before / 2
    assert filled(task, model(inputs), targets).compute()["mean_average_precision"] > 0.95
    shares = Shares(0.25 * targets + 0.75 * targets.roll(1, 0))
    mixed = task.loss(model(inputs), shares)
    parts = 0.25 * task.loss(model(inputs), targets) + 0.75 * task.loss(model(inputs), targets.roll(1, 0))
    torch.testing.assert_close(mixed, parts)


def test_asymmetric_is_the_formula_of_the_paper() -> None:
    logits, targets = random_answers(8)
    p = logits.double().sigmoid()
    shifted = (p - 0.05).clamp_min(0)
    present, absent = (1 - p) ** 1 * p.log(), shifted**4 * (1 - shifted).log()
    wanted = -(targets * present + (1 - targets) * absent).mean()
    found = make("asymmetric", gamma_pos=1.0).loss(logits, targets)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-7)
    plain = make("asymmetric", gamma_neg=0.0, gamma_pos=0.0, clip=0.0).loss(logits, targets)
    torch.testing.assert_close(plain, F.binary_cross_entropy_with_logits(logits, targets))


@pytest.mark.parametrize(
    "args", [{}, {"clip": 0.0}, {"gamma_neg": 0.5, "gamma_pos": 0.5}, {"gamma_neg": 0.0, "clip": 0.1}]
)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_asymmetric_has_a_slope_for_every_logit(args: dict[str, float], share: float) -> None:
    logits = torch.tensor([[-300.0, -100, -20, -1, 0, 1, 20, 100, 300]], requires_grad=True)
    loss = AsymmetricLoss(**args)(logits, torch.full_like(logits, share))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_meter_of_training_takes_mixed_samples_and_goes_on_from_its_state() -> None:
    task = make()
    logits, targets = random_answers(9, samples=80)
    _, shares = Mix([mixup()], 5, 0)(torch.randn(80, 1, 8, 8), targets, 0, 0)
    meter = task.meter()
    meter.update(task.loss(logits, shares), task.weight(shares), logits, shares)
    truth, said = (shares.values >= 0.5).numpy().astype(int), logits.numpy() >= 0
    assert meter.running()["micro_f1"] == pytest.approx(sk.f1_score(truth, said, average="micro"))
    other = task.meter()
    other.load_state_dict(meter.state_dict())
    for each in (meter, other):
        each.update(task.loss(logits, targets), len(targets), logits, targets)
    assert meter.compute() == other.compute()
    assert set(meter.compute()) == set(Multilabel.train_metrics)
    assert other.samples == 160


def test_predictions_are_sets_joined_by_a_bar_perhaps_empty() -> None:
    task = make()
    task.use(LabelCalibration((0.9, 0.5, 0.5, 0.1, 0.5)))
    logits = torch.tensor([[2.0, 3, -1, -2, -1], [-9.0] * 5])
    found = task.predictions(logits)
    assert found["prediction"] == ["bee|dog", ""]
    assert list(found)[1:] == [f"probability_{name}" for name in NAMES]
    assert found["probability_bee"] == pytest.approx(logits[:, 1].sigmoid().tolist())
