"""The metrics that reviewers ask for are scikit-learn's, edge cases included."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics

from cnncli.tasks import scores
from cnncli.tasks.binary import at_threshold, best_threshold
from tests.conftest import Answer

CASES = range(200)


def case(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probabilities, classes and predicted classes: of few and many samples, of one class, all right, with ties."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.choice([1, 2, 3, 20, 300])), int(rng.integers(2, 12))
    logits = rng.normal(size=(n, k)) * rng.choice([0.0, 0.3, 3.0])
    targets = rng.integers(0, 1 if seed % 5 == 0 else k, size=n)
    if seed % 7 == 0:  # all right
        logits[np.arange(n), targets] += 50
    if seed % 3 == 0:  # ties
        logits = logits.round()
    probabilities = torch.from_numpy(logits).softmax(1)
    return probabilities, torch.from_numpy(targets), probabilities.argmax(1)


def counts(targets: torch.Tensor, predicted: torch.Tensor, k: int) -> torch.Tensor:
    return torch.bincount(targets * k + predicted, minlength=k * k).view(k, k)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")  # scikit-learn's, of one class alone
def test_scores_equal_scikit_learns_on_two_hundred_random_cases() -> None:
    for seed in CASES:
        probabilities, targets, predicted = case(seed)
        k = probabilities.shape[1]
        labels, confusion = list(range(k)), counts(targets, predicted, k)
        values, truth = probabilities.numpy(), targets.numpy()
        assert scores.negative_log_likelihood(probabilities, targets) == pytest.approx(
            metrics.log_loss(truth, values, labels=labels), abs=1e-12
        ), seed
        assert scores.brier_score(probabilities, targets) == pytest.approx(
            metrics.brier_score_loss(truth, values if k > 2 else values[:, 1], labels=labels, scale_by_half=False)
        ), seed
        assert scores.matthews(confusion) == pytest.approx(metrics.matthews_corrcoef(truth, predicted.numpy())), seed
        kappa = metrics.cohen_kappa_score(truth, predicted.numpy())
        found = scores.kappa(confusion)
        assert (found is None) == np.isnan(kappa), seed
        assert found is None or found == pytest.approx(kappa, abs=1e-12), seed
        if k > scores.TOP:
            top = metrics.top_k_accuracy_score(truth, values, k=scores.TOP, labels=labels)
            assert scores.top_k_accuracy(probabilities, targets, scores.TOP) == pytest.approx(top), seed


def test_the_area_under_the_risk_coverage_curve_is_the_mean_error_of_the_surest() -> None:
    for seed in CASES:
        probabilities, targets, predicted = case(seed)
        confidence, is_right = probabilities.max(1).values, predicted == targets
        order = np.argsort(-confidence.numpy(), kind="stable")
        wrong = (~is_right).numpy().astype(float)
        for level in np.unique(confidence.numpy()):  # equal confidence: each has the mean error of all
            same = confidence.numpy() == level
            wrong[same] = wrong[same].mean()
        expected = np.mean([wrong[order[: n + 1]].mean() for n in range(len(order))])
        assert scores.risk_coverage_area(confidence, is_right) == pytest.approx(expected), seed


def test_the_surest_mistakes_cost_most() -> None:
    confidence = torch.tensor([0.9, 0.8, 0.7, 0.6])
    last, first = torch.tensor([True, True, True, False]), torch.tensor([False, True, True, True])
    assert scores.risk_coverage_area(confidence, last) == pytest.approx(0.25 / 4)
    assert scores.risk_coverage_area(confidence, first) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_operating_points_have_at_least_the_stated_specificity_and_the_best_sensitivity() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = torch.from_numpy(rng.random(80) < 0.4)
        probabilities = torch.from_numpy(rng.random(80).round(seed % 3 + 1))
        rows = scores.operating_points(probabilities, truth).rows
        for wanted, sensitivity, specificity, threshold in rows:
            tried = [at_threshold(probabilities, truth, float(t)) for t in [*probabilities.unique(), 1.1]]
            good = [t["recall"] for t in tried if 2 * t["balanced_accuracy"] - t["recall"] >= wanted - 1e-9]
            assert specificity >= wanted - 1e-9
            assert sensitivity == pytest.approx(max(good))
            assert (threshold is None) == (specificity == 1 and sensitivity == 0)
            if threshold is not None:
                assert at_threshold(probabilities, truth, threshold)["recall"] == pytest.approx(sensitivity)


def test_a_threshold_keeps_the_specificity_with_the_best_recall() -> None:
    rng = np.random.default_rng(1)
    truth = torch.from_numpy(rng.random(200) < 0.3)
    probabilities = (torch.from_numpy(rng.normal(size=200)) + truth.double()).sigmoid().float()
    threshold = best_threshold(probabilities, truth, 0.9)
    wanted = {row[0]: row[1] for row in scores.operating_points(probabilities, truth).rows}[0.9]
    at = at_threshold(probabilities, truth, threshold)
    assert 2 * at["balanced_accuracy"] - at["recall"] >= 0.9
    assert at["recall"] == pytest.approx(wanted)


def test_a_threshold_for_costs_says_yes_sooner_where_a_miss_costs_more() -> None:
    rng = np.random.default_rng(2)
    truth = torch.from_numpy(rng.random(500) < 0.5)
    probabilities = (torch.from_numpy(rng.normal(size=500)) + truth.double()).sigmoid().float()

    def cost(threshold: float, false: float, missed: float) -> float:
        said = probabilities >= threshold
        return false * int((said & ~truth).sum()) + missed * int((~said & truth).sum())

    miss_is_dear, alarm_is_dear = (best_threshold(probabilities, truth, pair) for pair in ((1.0, 10.0), (10.0, 1.0)))
    assert miss_is_dear < alarm_is_dear
    for t in np.linspace(0, 1, 50):
        assert cost(miss_is_dear, 1, 10) <= cost(float(t), 1, 10)


def test_a_run_shows_them_and_keeps_the_specificity_that_was_asked_for(
    cnncli: Callable[..., Answer], tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(400, 2))
    wanted = columns[:, 0] + rng.normal(size=400) > 0.5
    rows = "".join(f"{a:.4f},{b:.4f},{'yes' if y else 'no'}\n" for (a, b), y in zip(columns, wanted, strict=True))
    (tmp_path / "rows.csv").write_text("a,b,y\n" + rows)
    config = write_config(f"""
dataset: {{name: csv, path: {tmp_path / "rows.csv"}, target: y, val_fraction: 0.3}}
model: linear
task: {{name: binary, specificity: 0.9}}
train: {{epochs: 3}}
logging: {{tensorboard: false, pictures: false}}
""")
    result = cnncli("train", config, "--name", "rows/one", "--json").json
    assert result["interval"][0] < result["metrics"]["test"]["accuracy"] < result["interval"][1]
    assert set(result["scores"]) == {"mcc", "kappa", "nll", "brier", "aurc"}
    assert [row["specificity"] for row in result["operating_points"]] == [0.8, 0.9, 0.95, 0.99]
    val = cnncli("eval", "rows/one", "--split", "val", "--json").json
    (true_no, false_yes), _ = val["confusion"]
    assert true_no / (true_no + false_yes) >= 0.9
    text = cnncli("eval", "rows/one").out
    assert "95 % interval of accuracy on test" in text
    assert "Cohen's kappa" in text
    assert "Operating points" in text
    answer = cnncli("train", config, "task.costs=[1,5]")
    assert "task.specificity: excludes task.costs; remove one of them (task.costs=null)" in answer.err
