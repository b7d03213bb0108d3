"""Reliability and mistakes of a report."""

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve

from cnncli.tasks.calibration import BINS, MISTAKES_SHOWN, confident_mistakes, reliability

CLASSES = ("ants", "bees", "wasps")


@pytest.mark.parametrize("seed", [0, 1])
def test_reliability_is_scikit_learns(seed: int) -> None:
    torch.manual_seed(seed)
    probabilities = torch.rand(500)
    came_true = torch.rand(500) < probabilities
    block = reliability(probabilities, came_true, "it rains")
    frequency, mean = calibration_curve(came_true.numpy(), probabilities.double().numpy(), n_bins=BINS)
    found = block.to_json()["reliability"]
    assert found["frequency"] == pytest.approx(frequency.tolist())
    assert found["probability"] == pytest.approx(mean.tolist())
    assert sum(found["samples"]) == 500


def test_bins_without_samples_are_left_out_and_the_ends_belong_to_the_outer_ones() -> None:
    block = reliability(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([False, True, False]), "it rains")
    assert (block.probability, block.hits, block.samples) == ((0.0, 1.0), (0, 1), (1, 2))
    assert reliability(torch.zeros(0), torch.zeros(0, dtype=torch.bool), "it rains").samples == ()


def test_mistakes_are_the_wrong_answers_with_the_highest_probability() -> None:
    predicted = torch.tensor([0, 1, 2, 1, 0])
    targets = torch.tensor([0, 2, 2, 0, 1])
    block = confident_mistakes(CLASSES, predicted, torch.tensor([0.99, 0.5, 0.98, 0.7, 0.6]), targets)
    found = [(one.sample, one.true, one.predicted) for one in block.mistakes]
    assert found == [(3, "ants", "bees"), (4, "bees", "ants"), (1, "wasps", "bees")]
    assert [one.probability for one in block.mistakes] == pytest.approx([0.7, 0.6, 0.5])


def test_few_mistakes_are_kept_however_many_there_are() -> None:
    probabilities = torch.linspace(0.34, 0.9, 1000)
    block = confident_mistakes(CLASSES, torch.zeros(1000).long(), probabilities, torch.ones(1000).long())
    assert [one.sample for one in block.mistakes] == list(range(999, 999 - MISTAKES_SHOWN, -1))
    assert np.all(np.diff([one.probability for one in block.mistakes]) < 0)
    assert block.total == 1000


def test_where_all_is_right_there_are_none() -> None:
    assert confident_mistakes(CLASSES, torch.tensor([1]), torch.tensor([0.9]), torch.tensor([1])).mistakes == ()
