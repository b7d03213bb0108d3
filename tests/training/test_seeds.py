"""Several seeds by one command: each run is that of its seed alone, and an interrupted command goes on."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.cli.app import run
from cnncli.core.errors import ConfigError, Interrupted, TrainingError
from cnncli.runs.listing import list_runs
from cnncli.runs.run_folder import RunFolder
from cnncli.runs.seed_sets import parse_seeds
from cnncli.training import experiment
from tests.conftest import TINY, Answer

Cli = Callable[..., Answer]
RUNS = Path("runs")


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A copy for each test: some add runs."""
    return shutil.copytree(trained_once, tmp_path / "trained")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the seeds 1 and 2 were trained by one command, and 2 by itself."""
    folder = tmp_path_factory.mktemp("seeds")
    before = Path.cwd()
    os.chdir(folder)
    try:
        Path("tiny.yaml").write_text(TINY)
        assert run(["train", "tiny.yaml", "--seeds", "1,2", "optimizer.lr=0.01"]) == 0
        assert run(["train", "tiny.yaml", "seed=2", "optimizer.lr=0.01", "--name", "alone/one"]) == 0
    finally:
        os.chdir(before)
    return folder


def test_each_run_is_that_of_its_seed_alone(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    first, second = sorted(Path("runs/tiny").iterdir())
    assert first.name.endswith("-lr0.01-seed1")
    assert second.name == first.name.replace("seed1", "seed2")
    there, alone = (json.loads((path / "result.json").read_text()) for path in (second, Path("runs/alone/one")))
    assert there["metrics"] == alone["metrics"]
    assert there["confusion"] == alone["confusion"]


def test_they_are_one_row_everywhere(trained: Path, monkeypatch: pytest.MonkeyPatch, cnncli: Cli) -> None:
    monkeypatch.chdir(trained)
    (row,) = cnncli("runs", "tiny", "--json").json["sets"]
    assert row["seeds"] == [1, 2]
    assert cnncli("runs", "tiny").out.count("-lr0.01-seed*\t2 finished") == 1


def test_the_same_command_trains_what_is_missing(trained: Path, monkeypatch: pytest.MonkeyPatch, cnncli: Cli) -> None:
    monkeypatch.chdir(trained)
    before = {path: path.stat().st_mtime_ns for path in Path("runs/tiny").glob("*/report.json")}
    answer = cnncli("train", "tiny.yaml", "optimizer.lr=0.01", "--seeds", "1,2,0")
    assert answer.code == 0, answer.err
    assert "seeds      1, 2: finished before; 0: new" in answer.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [line.split("\t")[0] for line in answer.out.splitlines()[1:6]] == ["seed", "1", "2", "0", "mean"]
    assert " ± " in answer.out
    found = cnncli("train", "tiny.yaml", "optimizer.lr=0.01", "--seeds", "1,2,0", "--json").json
    accuracies = [one["metrics"]["test"]["accuracy"] for one in found["runs"]]
    about = found["summary"]["metrics"]["test/accuracy"]
    assert [one["seed"] for one in found["runs"]] == found["summary"]["seeds"] == [1, 2, 0]
    assert about["mean"] == pytest.approx(sum(accuracies) / 3)
    assert about["n"] == 3
    assert found["failed"] == found["running"] == []
    assert len({run.path.name[:15] for run in list_runs(RUNS / "tiny", RUNS)}) == 1


@pytest.mark.slow
def test_another_config_is_another_set(tiny: Path, cnncli: Cli) -> None:
    short = ("train.epochs=1", "--seeds")
    assert cnncli("train", tiny, *short, "1").code == 0
    assert "0: finished before; 1: new" in cnncli("train", tiny, *short, "2", "device=cpu").err
    assert "0: new" in cnncli("train", tiny, *short, "1", "optimizer.lr=0.1").err
    assert cnncli("train", tiny, "train.epochs=1", "seed=0").code == 0  # of no set
    assert len({run.seeds.id for run in list_runs(RUNS, RUNS) if run.seeds is not None}) == 2
    with RunFolder(next(RUNS.glob("tiny/*-epochs1-seed1"))).locked():
        answer = cnncli("train", tiny, *short, "2")
    assert "1: trained by another process" in answer.err
    assert "running   seed 1: trained by another process" in answer.out


@pytest.mark.slow
def test_an_interrupted_seed_goes_on(tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = experiment.Fit._finish_epoch

    def stop(self: experiment.Fit, *args: object) -> None:
        finish(self, *args)  # type: ignore[arg-type]
        if self.config.seed == 1 and self.state.epoch == 1:
            raise Interrupted("stopped", 2, str(self.run.path))

    with monkeypatch.context() as patched:
        patched.setattr(experiment.Fit, "_finish_epoch", stop)
        answer = cnncli("train", tiny, "--seeds", "3")
    assert answer.code == 130
    assert "repeat the command with --seeds" in answer.err
    states = {run.seed: run.state for run in list_runs(RUNS, RUNS)}
    assert states == {0: "finished", 1: "interrupted"}
    again = cnncli("train", tiny, "--seeds", "3")
    assert "0: finished before; 1: resumed; 2: new" in again.err
    assert "after epoch 1" in again.err
    assert {run.seed: run.state for run in list_runs(RUNS, RUNS)} == dict.fromkeys(range(3), "finished")


@pytest.mark.slow
def test_a_seed_that_fails_does_not_stop_the_others(tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = experiment.Fit._finish_epoch

    def fail(self: experiment.Fit, *args: object) -> None:
        if self.config.seed == 0:
            raise TrainingError("train/loss is nan")
        finish(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(experiment.Fit, "_finish_epoch", fail)
    answer = cnncli("train", tiny, "train.epochs=1", "--seeds", "2")
    assert answer.code == 5
    assert "error: no result with seed 0: train/loss is nan" in answer.err
    states = {run.seed: (run.state, run.cause) for run in list_runs(RUNS, RUNS)}
    assert states == {0: ("failed", "train/loss is nan"), 1: ("finished", "")}
    assert "1 failed, 1 finished" in cnncli("runs").out


def test_which_seeds() -> None:
    assert parse_seeds("3", 4) == [4, 5, 6]
    assert parse_seeds("3,7,11", 4) == [3, 7, 11]
    assert parse_seeds("3,", 4) == [3]
    for wrong in ("", "0", "-1", "1.5", "a", "1,,2", "3,3", "1001", f"{2**63},"):
        with pytest.raises(ConfigError, match="--seeds"):
            parse_seeds(wrong, 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["seed=1"], "--seeds and seed=1 exclude each other"),
        (["--dry-run"], "--seeds and --dry-run exclude each other"),
        (["--profile"], "--seeds and --profile exclude each other"),
        (["--resume"], "--seeds and --resume exclude each other"),
        (["--nproc", "2"], "--seeds and --nproc exclude each other"),
        (["--name", "a/b"], "for a name in a group write --name a/b/"),
    ],
)
def test_what_does_not_go_together(tiny: Path, cnncli: Cli, words: list[str], told: str) -> None:
    answer = cnncli("train", tiny, "--seeds", "2", *words)
    assert answer.code == 2
    assert told in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not RUNS.exists()


def test_a_name_in_a_group(tiny: Path, cnncli: Cli) -> None:
    assert cnncli("train", tiny, "--seeds", "1", "train.epochs=1", "--name", "a/b/").code == 0
    assert {run.name for run in list_runs(RUNS, RUNS)} == {"a/b"}
