"""Scores from kept outputs are those of the tasks, and thereby scikit-learn's, of the samples as they are and drawn."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from cnncli.runs.outputs import Outputs
from cnncli.scoring.measures import measures
from cnncli.scoring.scores import SCORES, with_scores
from cnncli.scoring.units import Units
from cnncli.tasks.scores import further
from tests.insight.made_runs import classified, made_outputs


def case(seed: int) -> Outputs:
    """Answers of two to nine classes, some of them equally likely, or of a positive one."""
    random = np.random.default_rng(seed)
    count, samples = int(random.integers(2, 10)), int(random.integers(2, 60))
    target = random.integers(count, size=samples)
    if count == 2:
        answer, threshold = random.random(samples).round(1).astype(np.float32), np.array([0.3])
        positive = "ab"[seed % 2]
        return made_outputs(task="binary", classes=("a", "b"), positive=positive, target=target, answer=answer,
                            thresholds=threshold, loss=np.ones(samples))  # fmt: skip
    answer = random.dirichlet(np.ones(count), samples).round(1).astype(np.float32)
    return made_outputs(classes=tuple("abcdefghi"[:count]), target=target, answer=answer, loss=np.ones(samples))


def told(outputs: Outputs) -> dict[str, float]:
    """What the task reports."""
    answer = torch.from_numpy(outputs.answer.copy())
    predicted = answer.argmax(1) if answer.ndim == 2 else None
    if predicted is None:
        positive = outputs.classes.index(outputs.positive or "")
        said = answer.double() >= float(outputs.thresholds[0])
        predicted = torch.where(said, positive, 1 - positive)
        answer = torch.stack([1 - answer, answer], 1)
        answer = answer if positive else answer.flip(1)
    target, count = torch.from_numpy(outputs.target.copy()), answer.shape[1]
    confusion = torch.bincount(target * count + predicted, minlength=count**2).view(count, count)
    found = further(answer, target, predicted, confusion).values
    return {name: value for name, value in found.items() if name != "aurc"}


@pytest.mark.parametrize("seed", range(60))
def test_scores_are_those_that_the_task_reports(seed: int) -> None:
    outputs = case(seed)
    found = with_scores(measures(outputs, {}), outputs).values()
    assert {name: found[name] for name in SCORES if name in found} == pytest.approx(told(outputs), abs=1e-6)
    assert found.items() >= measures(outputs, {}).values().items()


@pytest.mark.parametrize("seed", range(8))
def test_drawn_samples_have_the_scores_of_those_samples(seed: int) -> None:
    outputs = case(seed)
    count = len(outputs.target)
    measured, units = with_scores(measures(outputs, {}), outputs), Units("samples", np.arange(count))
    rows = np.random.default_rng(seed).integers(count, size=count)
    weights = np.bincount(rows, minlength=count)[None].astype(float)
    drawn = measured.replicates(weights, measured.by_unit(units), units, frozenset(SCORES))
    expected = told(outputs.at(rows))
    found = {name: float(drawn[name][0]) for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)


def test_matthews_and_kappa_are_scikit_learns_and_where_chance_agrees_there_is_no_kappa() -> None:
    outputs = classified(200, 0.6, 3)
    found, said = with_scores(measures(outputs, {}), outputs).values(), outputs.answer.argmax(1)
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(outputs.target, said))
    assert found["kappa"] == pytest.approx(metrics.cohen_kappa_score(outputs.target, said))
    alike = outputs.at(np.flatnonzero((outputs.target == 0) & (said == 0)))
    found = with_scores(measures(alike, {}), alike).values()
    assert found["mcc"] == 0
    assert "kappa" not in found


def test_numbers_have_no_such_scores() -> None:
    outputs = made_outputs(classes=("y",), target=np.ones((4, 1)), answer=np.ones((4, 1)), loss=np.zeros(4))
    measured = measures(outputs, {})
    assert with_scores(measured, outputs) is measured
