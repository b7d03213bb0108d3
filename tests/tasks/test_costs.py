"""Decisions by costs are those of least expected cost, and what costs cannot mean is said in one line."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnncli.core.errors import ConfigError
from cnncli.tasks.costs import cost_matrix, decisions, report_costs
from tests.conftest import ROOT, Answer

NAMES = ("ant", "bee", "wasp")


def test_pairs_set_single_costs_and_rows_set_all() -> None:
    found = cost_matrix({"bee": {"wasp": 5.0, "bee": 0.5}}, NAMES)
    assert found.tolist() == [[0, 1, 1], [1, 0.5, 5], [1, 1, 0]]
    rows = [[0.0, 2.0, 3.0], [4.0, 0.0, 6.0], [7.0, 8.0, 0.0]]
    assert cost_matrix(rows, NAMES).tolist() == rows


@pytest.mark.parametrize("seed", range(20))
def test_decisions_have_the_least_expected_cost(seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities, costs = random.dirichlet(np.ones(3), 50), random.random((3, 3))
    named = decisions(torch.from_numpy(probabilities), torch.from_numpy(costs)).numpy()
    expected = [[sum(p[true] * costs[true, said] for true in range(3)) for said in range(3)] for p in probabilities]
    assert named.tolist() == np.argmin(expected, axis=1).tolist()


def test_equal_costs_leave_the_most_probable_class() -> None:
    probabilities = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(3), 200)).float()
    assert decisions(probabilities, cost_matrix({}, NAMES)).equal(probabilities.argmax(1))


def test_the_report_has_the_mean_costs() -> None:
    probabilities = torch.tensor([[0.3, 0.6, 0.1], [0.1, 0.5, 0.4], [0.8, 0.1, 0.1]])
    targets, costs = torch.tensor([0, 2, 0]), cost_matrix({"ant": {"bee": 9.0, "wasp": 9.0}}, NAMES)
    found = report_costs(probabilities, targets, costs, NAMES)
    # expected costs of the first: ant 0.7, bee 2.8, wasp 3.3; of the second: 0.9, 1.3, 1.4
    assert found.values["mean"] == pytest.approx((0 + 1 + 0) / 3)
    assert found.values["most_probable"] == pytest.approx((9 + 1 + 0) / 3)
    assert found.values["always"] == {"class": "ant", "mean": pytest.approx(1 / 3)}
    assert "mean cost 0.3333; of naming the most probable class 3.3333, of always naming ant 0.3333" in found.text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"be": {"ant": 2.0}}, "task.costs: no class 'be'; did you mean 'bee'?"),
        ([[0.0, 1.0], [1.0, 0.0]], "task.costs: has 2 rows of 2 costs, the data have 3 classes; .*: ant, bee, wasp"),
        ([[1.0] * 3] * 3, "task.costs: every answer costs the same"),
    ],
)
def test_costs_that_mean_nothing_are_told(given: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        cost_matrix(given, NAMES)


def test_the_command_of_the_page_decides_by_costs(
    cnncli: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "questions.md").read_text()
    (line,) = re.findall(r"^cnncli (train .*task\.costs.*)$", page, re.MULTILINE)
    monkeypatch.chdir(ROOT)
    words = [*shlex.split(line), "--runs-dir", tmp_path, "logging.tensorboard=false", "train.epochs=5"]
    answer = cnncli(*words, "logging.pictures=false", "baselines=none", "--json")
    assert answer.code == 0, answer.err
    result = answer.json
    confusion = np.array(result["confusion"])  # of the most probable classes: setosa, versicolor, virginica
    expected = (confusion.sum() - confusion.trace() + 4 * confusion[1, 2]) / confusion.sum()
    assert result["costs"]["most_probable"] == pytest.approx(expected)
    told = cnncli("eval", "costs", "--runs-dir", tmp_path).out
    assert "mean cost " in told
    assert "of always naming" in told
