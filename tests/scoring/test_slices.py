"""Slices are judged as splits of their own would be, the worst first, and none is hidden."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from cnncli.core.intervals import wilson
from cnncli.core.slices import Slices
from cnncli.scoring.measures import measures
from cnncli.scoring.slices import by_slices
from tests.insight.made_runs import classified, made_outputs
from tests.scoring.test_intervals import ends, numbers


def judged(outputs: Any, index: list[int], headline: str, names: tuple[str, ...] = ("a", "b", "c")) -> Any:
    """The rows of the block by their slices, in their order."""
    block = by_slices(outputs, Slices("site", names, np.array(index)), headline, measures(outputs, {}).values())
    found = block.to_json()["slices"]
    assert found["by"] == "site"
    return found, {row["slice"]: row for row in found["rows"]}, block.notes


@pytest.mark.parametrize("seed", range(10))
def test_classes_of_a_slice_are_scikit_learns(seed: int) -> None:
    outputs, index = classified(90, 0.7, seed), np.random.default_rng(seed).integers(3, size=90)
    found, rows, _ = judged(outputs, index.tolist(), "accuracy")
    said = outputs.answer.argmax(1)
    for number, name in enumerate("abc"):
        own = index == number
        target, predicted = outputs.target[own], said[own]
        assert rows[name]["n"] == own.sum()
        assert rows[name]["accuracy"] == pytest.approx(metrics.accuracy_score(target, predicted))
        assert rows[name]["macro_f1"] == pytest.approx(metrics.f1_score(target, predicted, average="macro"))
        hits = int((target == predicted).sum())
        assert (rows[name]["low"], rows[name]["high"]) == pytest.approx(wilson(hits, int(own.sum())))
    values = [row["accuracy"] for row in found["rows"]]
    assert values == sorted(values)


@pytest.mark.parametrize("seed", range(5))
def test_numbers_of_a_slice_are_scikit_learns_and_the_largest_error_is_the_worst(seed: int) -> None:
    outputs = numbers(150, seed)
    index = np.repeat([0, 1, 2], [60, 89, 1])
    found, rows, notes = judged(outputs, index.tolist(), "rmse")
    for number, name in enumerate("ab"):
        own = index == number
        target, answer = outputs.target[own], outputs.answer[own]
        assert rows[name]["rmse"] == pytest.approx(metrics.root_mean_squared_error(target, answer))
        assert rows[name]["r2"] == pytest.approx(metrics.r2_score(target, answer))
        assert (rows[name]["low"], rows[name]["high"]) == ends(outputs.at(np.flatnonzero(own)), "rmse",
                                                               most_weights=500_000)  # fmt: skip
    assert rows["c"].keys() == {"slice", "n", "rmse", "loss", "mae"}  # of one sample neither an interval nor R2
    assert any("no interval" in note for note in notes)
    values = [row["rmse"] for row in found["rows"]]
    assert values == sorted(values, reverse=True)


def test_what_a_slice_leaves_undefined_is_left_out_and_comes_last() -> None:
    truth = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [0, 0]], dtype=bool)
    answer = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.3], [0.1, 0.1], [0.7, 0.1]], dtype=np.float32)
    outputs = made_outputs(classes=("x", "y"), target=truth, answer=answer, loss=np.ones(5), thresholds=np.full(2, 0.5))
    found, rows, notes = judged(outputs, [0, 0, 0, 1, 1], "mean_average_precision")
    assert [row["slice"] for row in found["rows"]] == ["a", "b"]
    assert "mean_average_precision" not in rows["b"]
    assert rows["b"]["exact_match"] == 0.5
    expected = metrics.average_precision_score(truth[:3], answer[:3], average="macro")
    assert rows["a"]["mean_average_precision"] == pytest.approx(expected)
    assert any("not defined" in note for note in notes)


def test_one_class_in_a_slice_has_its_accuracy_and_no_curve() -> None:
    target = np.array([1, 1, 0, 0, 1, 0])
    answer = np.array([0.9, 0.2, 0.1, 0.6, 0.8, 0.3], dtype=np.float32)
    outputs = made_outputs(task="binary", classes=("no", "yes"), positive="yes", target=target, answer=answer,
                           loss=np.ones(6), thresholds=np.array([0.5]))  # fmt: skip
    _, rows, _ = judged(outputs, [0, 0, 1, 1, 2, 2], "accuracy")
    assert rows["a"].keys() >= {"accuracy", "recall", "precision", "low", "high"}
    assert not rows["b"].keys() & {"recall", "precision", "f1", "roc_auc"}  # there is nothing to find
    assert rows["a"].keys().isdisjoint({"roc_auc", "average_precision"})
    assert rows["c"]["roc_auc"] == 1


def test_where_the_headline_is_of_the_whole_only_another_metric_stands_in() -> None:
    random = np.random.default_rng(0)
    target = random.normal(size=(60, 4, 1))
    ids = np.array([f"{'uv'[n // 30]}@{n}" for n in range(60)])
    outputs = made_outputs(task="forecasting", classes=("y",), order=True, ids=ids, target=target,
                           answer=target + random.normal(size=target.shape), loss=random.random(60))  # fmt: skip
    told = {"loss": 0.5, "mae": measures(outputs, {}).values()["mae"], "mase": 0.7}
    block = by_slices(outputs, Slices("id", ("u", "v"), np.repeat([0, 1], 30)), "mase", told)
    found = block.to_json()["slices"]
    assert found["metric"] == "mae"
    error = np.abs(outputs.answer - target)
    assert {row["slice"]: row["mae"] for row in found["rows"]} == pytest.approx(
        {"u": error[:30].mean(), "v": error[30:].mean()}
    )


def test_of_many_slices_it_is_told_that_the_worst_is_so_by_chance_too() -> None:
    names = tuple(map(str, range(12)))
    _, rows, notes = judged(classified(120, 0.8, 0), [n % 12 for n in range(120)], "accuracy", names)
    assert len(rows) == 12
    assert any("by chance" in note for note in notes)
