"""What the arguments of a comparison stand for, and how it is shown."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.insight.compare import compare
from cnncli.insight.papers import latex, markdown
from cnncli.insight.picture import drawn
from tests.conftest import Answer
from tests.insight.made_runs import classified, made_run, of_seeds

Cnncli = Callable[..., Answer]
RUNS = Path("runs")
CNN = {"model": {"name": "simple_cnn"}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    of_seeds(RUNS, "a_b", 0.9, range(3))
    of_seeds(RUNS, "large", 0.97, range(3), **CNN)
    return tmp_path


def test_a_name_with_several_settings_stands_for_the_newest_and_a_pattern_is_refused(
    here: Path, cnncli: Cnncli
) -> None:
    made_run(RUNS, "a_b/20400101-000000-new", classified(400, 0.9, 9), CNN)
    answer = cnncli("compare", "large/seed0", "a_b")
    assert "a_b stands for the newest settings (1 runs); 3 others differ in model.name" in answer.err
    assert "a_b\t1\t" in answer.out
    answer = cnncli("compare", "large", "a_b/*")
    assert answer.code == 2
    assert "its runs differ in more than the seed (model.name: 20400101-000000-new and seed" in answer.err
    assert cnncli("compare", "large", "a_b/seed*").code == 0


def test_a_seed_that_was_trained_twice_counts_once(here: Path, cnncli: Cnncli) -> None:
    made_run(RUNS, "large/20400101-000000", classified(400, 0.97, 7), {"seed": 1, **CNN})
    answer = cnncli("compare", "a_b", "large", "--json")
    assert answer.json["rows"][1]["seeds"] == [0, 1, 2]
    assert "runs/large/20400101-000000" in answer.json["rows"][1]["runs"]
    assert "seed 1 was trained more than once" in answer.err


def test_runs_without_a_result_are_left_out_or_told_how_to_go_on(here: Path, cnncli: Cnncli) -> None:
    broken = RUNS / "large" / "seed2"
    (broken / "report.json").unlink()
    (broken / "last.pt").write_bytes(b"state")
    answer = cnncli("compare", "a_b", "large")
    assert "1 of 3 runs have no result and are left out (runs/large/seed2)" in answer.err
    answer = cnncli("compare", "a_b", "large/seed2")
    assert answer.code == 4
    assert "go on with: cnncli train --resume runs/large/seed2" in answer.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["a_b"], 2, "needs two runs or more"),
        (["a_b", "a_b"], 2, "a_b and a_b are the same run"),
        (["a_b", "lrge"], 4, "did you mean 'large'?"),
        (["a_b", "none*"], 4, "no run fits this pattern"),
        (["a_b", "large", "--difference", "2"], 2, "one point is --difference 0.01"),
        (["a_b", "large", "--difference", "0"], 2, "give one above 0"),
        (["a_b", "large", "--latex", "--json"], 2, "exclude each other"),
        (["a_b", "large", "--picture", "x.txt"], 2, "name it x.png"),
        (["a_b", "large", "--split", "train"], 2, "choose val or test"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(
    here: Path, cnncli: Cnncli, words: list[str], code: int, told: str
) -> None:
    answer = cnncli("compare", *words)
    assert answer.code == code
    assert told in answer.err
    assert answer.err.count("\n") == 1


def test_other_tasks_are_not_compared_and_damaged_files_are_named(here: Path, cnncli: Cnncli) -> None:
    made_run(RUNS, "numbers", None, metrics={"rmse": 3.0}, headline="rmse")
    assert "numbers is judged by rmse, a_b by accuracy" in cnncli("compare", "a_b", "numbers").err
    (RUNS / "large" / "seed0" / "outputs" / "val.npz").write_bytes(b"PK nothing")
    answer = cnncli("compare", "a_b/seed0", "large/seed0")
    assert answer.code == 6
    assert "large/seed0/outputs/val.npz" in answer.err
    (RUNS / "a_b" / "seed0" / "report.json").write_text("{")
    answer = cnncli("compare", "a_b/seed0", "large/seed1")
    assert answer.code == 6
    assert "report.json cannot be read" in answer.err


def test_tables_for_papers_and_the_picture(here: Path, cnncli: Cnncli) -> None:
    found = compare(["a_b", "large"], RUNS)
    table = latex(found)
    assert table.count(r"\\") == 4
    assert r"a\_b & 3 & " in table
    assert r"$\pm$" in table
    assert r"\toprule" in table
    assert "*" in next(line for line in table.splitlines() if line.startswith("large"))
    lines = markdown(found).splitlines()
    assert lines[0].startswith("|  | runs | accuracy (%) |")
    assert lines[2].startswith(r"| a\_b | 3 | ")
    assert len({line.count(" |") for line in lines[:1] + lines[2:4]}) == 1
    assert drawn(found, "png").startswith(b"\x89PNG")
    svg = drawn(found, "svg")
    assert b"<svg" in svg
    assert cnncli("compare", "a_b", "large", "--latex").out == table
    assert json.loads(json.dumps(found.to_json()))["split"] == "val"
