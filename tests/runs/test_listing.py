"""What is found of the runs in a folder: whole ones, damaged ones, and those of others."""

import json
import os
from pathlib import Path

import pytest

from cnncli.config.catalog import fill_registries
from cnncli.core.metrics import LOWER_IS_BETTER
from cnncli.core.registry import REGISTRIES
from cnncli.runs.listing import ListedRun, list_runs
from cnncli.runs.lock import is_locked
from cnncli.runs.run_folder import RunFolder
from cnncli.runs.settings import MAX_VALUES, SettingsReader, differing_keys, flat, same_but_for_seed
from tests.conftest import ROOT, printed_twice

CONFIG = """\
name: a
seed: 0
model: {name: mlp, hidden: [16]}
optimizer:
  name: adam
  lr: 0.1
checkpoint: {monitor: val/loss, mode: auto}
"""
RESULT = {
    "best_epoch": 2, "epochs": 3, "monitor": {"metric": "val/loss", "mode": "min", "value": 0.5},
    "metrics": {"val": {"n": 9, "loss": 0.5}, "test": {"n": 8, "accuracy": 0.75, "loss": 0.6}}, "split": "test",
    "headline": {"metric": "accuracy", "lower_is_better": False},
    "baselines": [{"name": "commonest class", "class": "x", "accuracy": 0.5}],
}  # fmt: skip


def make_run(path: Path, result: object = RESULT, epochs: int = 3, config: str = CONFIG) -> Path:
    """A run's folder as training leaves it, without its weights."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(config)
    (path / "last.pt").write_bytes(b"")
    lines = [{"epoch": n + 1, "train_seconds": 1.5, "eval_seconds": 0.5, "val/loss": abs(n - 1)} for n in range(epochs)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if result is not None:
        (path / "result.json").write_text(json.dumps(result))
    return path


def only(folder: Path) -> ListedRun:
    (run,) = list_runs(folder, folder)
    return run


def test_a_finished_run(tmp_path: Path) -> None:
    make_run(tmp_path / "a" / "20260311-091205-lr0.1")
    run = only(tmp_path)
    assert (run.name, run.state, run.cause, run.seed) == ("a", "finished", "", 0)
    assert run.began.isoformat() == "2026-03-11T09:12:05"
    assert (run.epochs, run.seconds) == (3, 6.0)
    assert (run.outcome.monitor, run.outcome.mode, run.outcome.monitored) == ("val/loss", "min", 0.5)
    assert run.outcome.reached == 0.75
    assert [(each.name, each.value) for each in run.outcome.baselines] == [("commonest class (x)", 0.5)]
    assert run.outcome.metrics == {"val/loss": 0.5, "test/accuracy": 0.75, "test/loss": 0.6}
    assert run.settings["model.hidden"] == [16]


def test_how_a_run_stands(tmp_path: Path) -> None:
    make_run(tmp_path / "interrupted", result=None)
    (make_run(tmp_path / "failed", result=None) / "last.pt").unlink()
    make_run(tmp_path / "trained-on", epochs=4)
    told = make_run(tmp_path / "told", result=None)
    (told / "ended.json").write_text('{"state": "failed", "cause": "train/loss is nan"}')
    make_run(tmp_path / "running", result=None)
    with RunFolder(tmp_path / "running").locked():
        found = {run.path.name: run for run in list_runs(tmp_path, tmp_path)}
    states = {name: run.state for name, run in found.items()}
    assert states == {
        "interrupted": "interrupted", "failed": "failed", "trained-on": "interrupted", "told": "failed",
        "running": "running",
    }  # fmt: skip
    assert found["told"].cause == "train/loss is nan"
    assert (found["interrupted"].outcome.monitored, found["interrupted"].outcome.best_epoch) == (0, 2)
    assert {run.state for run in list_runs(tmp_path / "running", tmp_path)} == {"interrupted"}


def test_looking_at_a_lock_keeps_nobody_out(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not is_locked(tmp_path)
    with run.locked():
        assert is_locked(tmp_path)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    with run.locked():
        assert is_locked(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "cause"),
    [
        ("config.yaml", b"\xff{", "config.yaml cannot be read ('utf-8' codec"),
        ("config.yaml", b"a: [", "config.yaml cannot be read (while parsing"),
        ("config.yaml", b"- 1\n", "config.yaml cannot be read (it is no mapping of keys to values)"),
        ("config.yaml", b"a: &a [*a]\n", "config.yaml cannot be read (it has more than 10,000 values)"),
        ("config.yaml", b"a: " + b"[" * 5000, "config.yaml cannot be read ("),
        ("result.json", b"{", "result.json cannot be read ("),
        ("result.json", b"[]", "result.json cannot be read (it is no result of a run)"),
        ("result.json", b'{"metrics": {"test": 3}}', "result.json cannot be read (it is no result of a run)"),
        ("result.json", b"[" * 100_000, "result.json cannot be read ("),
        ("metrics.jsonl", b"no line\n", "metrics.jsonl cannot be read (its lines are no records of epochs)"),
        ("seeds.json", b"[1]", "seeds.json cannot be read (it names no set of seeds)"),
        ("config.yaml", None, "has no config.yaml"),
    ],
)
def test_a_damaged_run_says_so(tmp_path: Path, file: str, content: bytes | None, cause: str) -> None:
    run = make_run(tmp_path / "a" / "x")
    if content is None:
        (run / file).unlink()
    else:
        (run / file).write_bytes(content)
    make_run(tmp_path / "a" / "y")
    found = {each.path.name: each for each in list_runs(tmp_path, tmp_path)}
    assert found["x"].state == "damaged"
    assert found["x"].cause.startswith(cause)
    assert "\n" not in found["x"].cause
    assert found["y"].state == "finished"


def test_what_is_no_run_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    (tmp_path / "photos" / "cats" / "1.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path)
    make_run(tmp_path / ".trash" / "a")
    assert list_runs(tmp_path / "photos", tmp_path) == []
    assert list_runs(tmp_path / "nowhere", tmp_path) == []
    make_run(tmp_path / "a" / "x")
    assert [run.name for run in list_runs(tmp_path, tmp_path)] == ["a"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser can read everything")
def test_a_folder_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    make_run(tmp_path / "a" / "x")
    (tmp_path / "b").mkdir(mode=0)
    assert only(tmp_path).name == "a"


def test_runs_of_the_first_format(tmp_path: Path) -> None:
    folder = ROOT / "tests" / "runs_format1" / "runs"
    found = {run.name: run for run in list_runs(folder, folder)}
    assert {run.state for run in found.values()} == {"finished"}
    assert found["digits"].outcome.reached is not None
    assert len(found) == len(list(folder.iterdir()))


def test_sections_that_are_read_once_give_what_the_whole_file_gives() -> None:
    reader = SettingsReader()
    for text in (CONFIG, "# a comment\n" + CONFIG, "a: &x {b: 1}\nc: *x\n", "---\n" + CONFIG, "a: 'x\n\n  y'\nb: 1\n"):
        for _ in range(2):
            assert reader.read(text) == SettingsReader().read(text)
    assert reader.read("a: &x {b: 1}\nc: *x\n") == {"a.b": 1, "c.b": 1}
    assert reader.read("a: 'x\n\n  y'\nb: 1\n") == {"a": "x\ny", "b": 1}
    assert reader.read("---\n" + CONFIG) == reader.read(CONFIG)


def test_in_what_runs_differ() -> None:
    first = flat({"name": "a", "model": {"name": "mlp", "hidden": 1}, "seed": 0, "device": "cpu"})
    deeper = first | {"model.hidden": 2, "name": "b", "device": "cuda"}
    other = {"name": "a", "model.name": "cnn", "model.channels": 3, "seed": 1, "device": "cpu"}
    assert differing_keys([first, first]) == []
    assert differing_keys([first, deeper, {}]) == ["model.hidden"]
    assert differing_keys([first, other]) == ["model.name", "seed"]
    assert same_but_for_seed(first) == same_but_for_seed(first | {"seed": 7, "device": "cuda"})
    assert same_but_for_seed(first) != same_but_for_seed(deeper)
    with pytest.raises(ValueError, match="more than"):
        flat({"a": list(range(MAX_VALUES))})


def test_errors_are_what_the_tasks_call_better_when_lower() -> None:
    fill_registries()
    tasks = [REGISTRIES["tasks"].get(name).factory for name in REGISTRIES["tasks"]]
    assert frozenset().union(*(task.lower_is_better for task in tasks)) == LOWER_IS_BETTER


def test_listing_runs_needs_neither_torch_nor_models_of_configs() -> None:
    code = "import sys, cnncli.runs.listing\nprint(sorted({'torch', 'pydantic', 'numpy'} & set(sys.modules)))"
    assert printed_twice(code)[0] == "[]\n"
