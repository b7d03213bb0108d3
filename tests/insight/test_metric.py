"""Another metric than the headline decides, where it is asked for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Answer
from tests.insight.made_runs import classified, made_run, of_seeds

Cnncli = Callable[..., Answer]
RUNS = Path("runs")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs that say the same, the second with worse probabilities."""
    monkeypatch.chdir(tmp_path)
    ours = classified(400, 0.9, 0)
    made_run(RUNS, "first/a", ours)
    flat = (ours.answer * 0.5 + 0.5 / 3).astype(np.float32)
    loss = -np.log(flat[np.arange(400), ours.target].astype(float))
    made_run(RUNS, "second/b", replace(ours, answer=flat, loss=loss))


def test_scores_stand_beside_the_metrics_and_one_of_them_may_decide(runs: None, cnncli: Cnncli) -> None:
    plain = cnncli("compare", "first", "second").out
    assert "second is not distinguishable from first (accuracy +0.00" in plain
    assert "Further scores\nrun\tmcc\tkappa\tnll\tbrier" in plain
    found = cnncli("compare", "first", "second", "--metric", "nll", "--json").json
    assert found["headline"] == {"metric": "nll", "lower_is_better": True}
    assert found["metrics"][0] == "nll"
    assert found["scores"] == ["mcc", "kappa", "brier"]
    assert found["compared"][0]["tests"]["nll"]["answer"] == "worse"
    assert found["compared"][0]["tests"]["mcc"]["answer"] == "not distinguishable"
    assert found["rows"][0]["baselines"] == []  # which have another metric
    first, second = (row["metrics"]["nll"] for row in found["rows"])
    assert first["interval"]["low"] < first["mean"] < first["interval"]["high"]
    assert second["mean"] > first["mean"]
    answer = cnncli("compare", "first", "second", "--metric", "nll", "--markdown")
    assert answer.code == 0
    assert answer.out.startswith("|  | runs | nll | loss |")
    assert "second is worse than first (nll +" in cnncli("compare", "first", "second", "--metric", "nll").out


def test_a_metric_that_a_run_lacks_is_one_line_with_the_nearest(runs: None, cnncli: Cnncli) -> None:
    wrong = cnncli("compare", "first", "second", "--metric", "accurac")
    assert wrong.code == 2
    assert wrong.complaint == "error: runs/first/a: has no metric 'accurac' on val; did you mean 'accuracy'?\n"
    assert cnncli("compare", "first", "second", "--metric", "accuracy").code == 0
    made_run(RUNS, "bare/c", None, metrics={"accuracy": 0.9, "loss": 0.3})
    bare = cnncli("compare", "first", "bare", "--metric", "nll")
    assert bare.complaint == "error: runs/bare/c: has no metric 'nll' on val; known: loss, accuracy\n"


def test_settings_are_compared_by_it_over_their_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cnncli: Cnncli
) -> None:
    monkeypatch.chdir(tmp_path)
    of_seeds(RUNS, "small", 0.9, range(3))
    of_seeds(RUNS, "large", 0.97, range(4), model={"name": "simple_cnn"})
    found = cnncli("compare", "small", "large", "--metric", "mcc", "--json").json
    assert found["compared"][0]["unit"] == "seeds"
    assert found["compared"][0]["tests"]["mcc"]["answer"] == "better"
    assert len(found["rows"][1]["metrics"]["mcc"]["values"]) == 4
