"""What ``train CONFIG --resume`` says where the run that it takes is not the one that is meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TINY, Answer
from tests.training.helpers import train

Cli = Callable[..., Answer]


def interrupt(run: Path) -> None:
    """What a run lacks that was stopped before its end."""
    for name in ("result.json", "report.json"):
        (run / name).unlink()


@pytest.fixture
def config() -> Path:
    path = Path("tiny.yaml")
    path.write_text(TINY + "scheduler: {name: cosine}\n")
    return path


def test_a_newer_interrupted_run_of_another_name_is_named(config: Path, cnncli: Cli) -> None:
    train(config, "first")
    assert cnncli("train", config, "--name", "other/one", "train.epochs=1", "optimizer.lr=0.01").code == 0
    answer = cnncli("train", config, "--resume")
    assert (answer.code, "note:" in answer.err) == (0, False), "both are finished"
    interrupt(Path("runs/other/one"))
    notes = [line for line in cnncli("train", config, "--resume").err.splitlines() if line.startswith("note: ")]
    command = "cnncli train --resume runs/other/one"
    assert notes == [
        f"note: runs/tiny/first is finished; the newer run runs/other/one is not: go on with it with {command}"
    ]
    answer = cnncli(*command.split()[1:])
    assert (answer.code, "going on from runs/other/one/last.pt" in answer.err) == (0, True)


def test_what_the_run_was_begun_with_is_kept_by_leaving_out_the_config(config: Path, cnncli: Cli) -> None:
    assert cnncli("train", config, "--name", "other/one", "train.epochs=1", "optimizer.lr=0.01").code == 0
    command = "cnncli train --resume runs/other/one"
    answer = cnncli("train", config, "--resume", "--name", "other")
    assert answer.code == 2
    errors = {line.split(": ")[2]: line for line in answer.err.splitlines() if line.startswith("error: ")}
    assert set(errors) == {"optimizer.lr", "train.epochs"}
    assert errors["optimizer.lr"].endswith(
        f"is 0.001, the run was trained with 0.01; go on as it began, with: {command}; or start a new run"
    )
    assert f"schedule is laid out; go on as it began, with: {command}; or train on in a new" in errors["train.epochs"]
    assert cnncli(*command.split()[1:]).code == 0
    answer = cnncli(*command.split()[1:], "optimizer.lr=0.02")
    assert "the run was trained with 0.01; start a new run" in answer.err
