"""What the command answers of made-up runs."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.conftest import ROOT, Answer
from tests.insight.made_runs import classified, made_outputs, made_run, of_seeds, renamed

Cnncli = Callable[..., Answer]
RUNS = Path("runs")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_checkpoints_have_a_paired_test_that_speaks_of_them_only(here: Path, cnncli: Cnncli) -> None:
    ours, theirs = classified(400, 0.9, 0), classified(400, 0.97, 1)
    made_run(RUNS, "first/a", ours)
    made_run(RUNS, "second/b", theirs, {"model": {"name": "simple_cnn"}})
    answer = cnncli("compare", "first", "second")
    assert answer.code == 0, answer.err
    assert "second is better than first (accuracy +" in answer.out
    assert "McNemar's mid-p test, 400 samples" in answer.out
    assert "these two checkpoints only" in answer.out
    assert "model.name\tmlp\tsimple_cnn" in answer.out
    found = cnncli("compare", "first", "second", "--json").json
    right = [outputs.answer.argmax(1) == outputs.target for outputs in (ours, theirs)]
    only = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    test = found["compared"][0]["tests"]["accuracy"]
    exact = 2 * stats.binom.cdf(min(only), sum(only), 0.5) - stats.binom.pmf(min(only), sum(only), 0.5)
    assert test["p"] == pytest.approx(exact)
    assert test["difference"] == pytest.approx((only[1] - only[0]) / 400)
    assert test["low"] < test["difference"] < test["high"]
    assert found["compared"][0]["tests"]["loss"]["answer"] == "better"
    assert found["samples"] == 400
    assert found["headline"] == {"metric": "accuracy", "lower_is_better": False}
    assert found["rows"][0]["baselines"] == [{"name": "commonest class (bees)", "value": 0.4}]


def test_settings_are_merged_by_argument_and_compared_by_their_seeds(here: Path, cnncli: Cnncli) -> None:
    of_seeds(RUNS, "small", 0.9, range(3))
    of_seeds(RUNS, "large", 0.97, range(4), model={"name": "simple_cnn"})
    of_seeds(RUNS, "other", 0.9, range(10, 15))
    found = cnncli("compare", "small", "runs/large", "runs/oth*/*", "--json").json
    assert [row["seeds"] for row in found["rows"]] == [[0, 1, 2], [0, 1, 2, 3], [10, 11, 12, 13, 14]]
    values = [row["metrics"]["accuracy"]["values"] for row in found["rows"]]
    assert found["rows"][1]["metrics"]["accuracy"]["deviation"] == pytest.approx(np.std(values[1], ddof=1))
    theirs = [stats.ttest_ind(of, values[0], equal_var=False).pvalue for of in values[1:]]
    tests = [each["tests"]["accuracy"] for each in found["compared"]]
    assert [test["p"] for test in tests] == pytest.approx(theirs)
    assert tests[0]["p_holm"] == pytest.approx(2 * min(theirs))
    assert [test["answer"] for test in tests] == ["better", "not distinguishable"]
    assert found["compared"][1]["needed"]["unit"] == "seeds"
    assert found["differs"] == {"model.name": ["mlp", "simple_cnn", "mlp"]}
    told = cnncli("compare", "small", "other", "--difference", "0.02").out
    assert "other is not distinguishable from small" in told
    assert "A difference of 2 points is found in 80 % of all cases with about" in told
    assert "seeds of each" in told


def test_what_is_not_distinguishable_says_what_a_difference_would_take(here: Path, cnncli: Cnncli) -> None:
    made_run(RUNS, "a", classified(400, 0.9, 0))
    made_run(RUNS, "b", classified(400, 0.9, 1))
    few = cnncli("compare", "a", "b", "--difference", "0.05", "--json").json["compared"][0]["needed"]
    many = cnncli("compare", "a", "b", "--json").json["compared"][0]["needed"]
    assert (few["difference"], many["difference"], many["unit"]) == (0.05, 0.01, "samples")
    assert many["count"] == pytest.approx(25 * few["count"], rel=0.05)


def test_groups_are_resampled_together_and_few_of_them_have_a_t_test(here: Path, cnncli: Cnncli) -> None:
    for count, method in ((60, "bootstrap of groups"), (12, "t-test over groups")):
        made_run(RUNS, f"{count}/a", classified(400, 0.9, 0, groups=count))
        made_run(RUNS, f"{count}/b", classified(400, 0.97, 1, groups=count))
        found = cnncli("compare", f"{count}/a", f"{count}/b", "--json").json["compared"][0]
        assert (found["unit"], found["counts"]) == ("groups", [count, count])
        assert {test["method"] for test in found["tests"].values()} == {method}


def test_series_are_resampled_by_blocks(here: Path, cnncli: Cnncli) -> None:
    steps = np.random.default_rng(0).normal(size=(300, 4, 1))
    ids = np.array([f"@{n}" for n in range(300)])
    for name, error in (("a", 1.0), ("b", 0.5)):
        answer = steps + error * np.random.default_rng(1).normal(size=steps.shape)
        loss = ((answer - steps) ** 2).mean((1, 2))
        outputs = made_outputs(task="forecasting", order=True, ids=ids, target=steps, answer=answer, loss=loss)
        metrics = {"loss": float(loss.mean()), "mae": float(np.abs(answer - steps).mean())}
        made_run(RUNS, name, outputs, metrics={**metrics, "mase": 3 * metrics["mae"]}, headline="mase")
    found = cnncli("compare", "a", "b", "--json").json["compared"][0]
    assert found["unit"] == "blocks"
    assert found["counts"][0] <= 300 // 8  # windows of 4 steps share 3 of them with the next
    assert found["tests"]["mase"]["difference"] == pytest.approx(3 * found["tests"]["mae"]["difference"])
    assert found["tests"]["mase"]["answer"] == "better"


def test_without_a_sample_that_differs_the_interval_is_wilsons(here: Path, cnncli: Cnncli) -> None:
    made_run(RUNS, "a", classified(200, 1.0, 0))
    made_run(RUNS, "b", classified(200, 1.0, 1))
    test = cnncli("compare", "a", "b", "--json").json["compared"][0]["tests"]["balanced_accuracy"]
    assert (test["difference"], test["p"], test["method"]) == (0.0, 1.0, "Wilson's interval")
    assert test["high"] == -test["low"] == pytest.approx(1.96**2 / (200 + 1.96**2))


@pytest.mark.parametrize(
    ("other", "config", "told"),
    [
        (renamed(classified(400, 0.9, 1), 390), {"dataset": {"name": "digits", "split_seed": 1}},
         "390 are the same (photos/390.png, for example); train both with the same dataset.split_seed"),
        (classified(300, 0.9, 1), {}, "of 400 and 300 samples 300 are the same"),
        (replace(classified(400, 0.9, 1), target=np.zeros(400, dtype=np.int64)), {}, "samples have another target"),
        (replace(classified(400, 0.9, 1), classes=("ants", "bees", "flies")), {}, "'wasps' is a class of one of them"),
        (replace(classified(400, 0.9, 1), classes=("bees", "ants", "wasps")), {}, "their classes are in another order"),
    ],
)  # fmt: skip
def test_runs_judged_on_different_samples_are_no_pair(
    here: Path, cnncli: Cnncli, other: object, config: dict[str, object], told: str
) -> None:
    made_run(RUNS, "a", classified(400, 0.9, 0))
    made_run(RUNS, "b", other, config)
    answer = cnncli("compare", "a", "b")
    assert answer.code == 3
    assert told in answer.err
    assert answer.err.count("error: ") == 1


def test_the_order_of_the_samples_does_not_matter(here: Path, cnncli: Cnncli) -> None:
    ours, theirs = classified(400, 0.9, 0), classified(400, 0.95, 1)
    order = np.random.default_rng(0).permutation(400)
    shuffled = replace(theirs, ids=theirs.ids[order], target=theirs.target[order], answer=theirs.answer[order],
                       loss=theirs.loss[order])  # fmt: skip
    for name, outputs in (("a", ours), ("b", theirs), ("c", shuffled)):
        made_run(RUNS, name, outputs)
    first, second = (each["tests"] for each in cnncli("compare", "a", "b", "c", "--json").json["compared"])
    assert second["accuracy"] == first["accuracy"]
    assert second["loss"]["low"] == pytest.approx(first["loss"]["low"])


def test_without_outputs_metrics_stand_side_by_side_and_a_line_says_how_to_have_a_test(
    here: Path, cnncli: Cnncli
) -> None:
    made_run(RUNS, "a", None, metrics={"loss": 0.5, "accuracy": 0.9})
    made_run(RUNS, "b", classified(400, 0.9, 1))
    answer = cnncli("compare", "a", "b")
    assert answer.code == 0
    assert "a\t1\t90.00 %\t0.5000" in answer.out
    assert "runs/a has kept no outputs; to have them: cnncli eval runs/a --split val" in answer.out


def test_two_seeds_are_not_enough_and_the_command_for_more_is_told(here: Path, cnncli: Cnncli) -> None:
    of_seeds(RUNS, "a", 0.9, range(2))
    of_seeds(RUNS, "b", 0.9, range(3))
    out = cnncli("compare", "b", "a").out
    assert "a has 2; train more with: cnncli train runs/a/seed0/config.yaml --seeds 3" in out


def test_the_test_split_is_shown_as_such(here: Path, cnncli: Cnncli) -> None:
    for name in ("a", "b"):
        made_run(RUNS, name, replace(classified(100, 0.9, len(name)), split="test"))
    assert cnncli("compare", "a", "b", "--split", "test").out.startswith("On the test split, 100 samples (")
    answer = cnncli("compare", "a", "b")
    assert answer.code == 4
    assert "has no result on val; compare on --split test" in answer.err
    assert cnncli("compare", "a", "b", "--split", "train").code == 2


@pytest.mark.slow
def test_importing_nothing_of_torch(here: Path) -> None:
    made_run(RUNS, "a", classified(400, 0.9, 0))
    made_run(RUNS, "b", classified(400, 0.95, 1))
    code = (
        "import sys; from cnncli.cli.app import run; assert run(['compare', 'a', 'b', '--picture', 'c.png']) == 0; "
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=here, env={"PYTHONPATH": str(ROOT), "PATH": ""},
                   capture_output=True)  # fmt: skip
    assert (here / "c.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_one_object_without_nan(here: Path, cnncli: Cnncli) -> None:
    made_run(RUNS, "a", classified(400, 1.0, 0))
    made_run(RUNS, "b", classified(400, 1.0, 1))
    json.loads(cnncli("compare", "a", "b", "--json").out, parse_constant=pytest.fail)
