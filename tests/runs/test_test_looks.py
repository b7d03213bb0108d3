"""Looks at the test split are counted in the run, and beside a checkpoint that was copied away from it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.core.notices import listening
from cnncli.runs.test_looks import FILE, count_look
from tests.conftest import Answer

CONFIG = "dataset: digits\nmodel: mlp\ntrain: {epochs: 1}\nlogging: {tensorboard: false, pictures: false}\n"


@pytest.fixture
def run(cnncli: Callable[..., Answer], write_config: Callable[..., Path]) -> Path:
    assert cnncli("train", write_config(CONFIG), "--name", "looked/one").code == 0
    return Path("runs/looked/one")


def test_training_looks_once_and_every_evaluation_on_test_counts(run: Path, cnncli: Callable[..., Answer]) -> None:
    assert "Test looked at 2 times." in cnncli("eval", run).out
    assert "looked at" not in cnncli("eval", run, "--split", "val").out
    assert cnncli("eval", run / "last.pt", "--json").json["test_looks"] == 3
    looks = json.loads((run / FILE).read_text())["looks"]
    assert [look["checkpoint"] for look in looks] == ["best.pt", "best.pt", "last.pt"]


def test_a_copied_checkpoint_begins_its_own_count(run: Path, cnncli: Callable[..., Answer], tmp_path: Path) -> None:
    shutil.copy(run / "best.pt", tmp_path / "mine.pt")
    assert "Test looked at once here; looks before that are unknown." in cnncli("eval", tmp_path / "mine.pt").out
    assert "Test looked at 2 times here; looks before that are unknown." in cnncli("eval", tmp_path / "mine.pt").out
    assert len(json.loads((run / FILE).read_text())["looks"]) == 1


def test_a_damaged_count_is_begun_anew_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / f"best.{FILE}").write_text("{")
    said: list[str] = []
    with listening(lambda notice: said.append(notice.text)):
        found = count_look(tmp_path / "best.pt")
    assert found is not None
    assert (found.count, found.are_all) == (1, False)
    assert "is damaged" in said[0]


def test_what_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    with listening(lambda notice: said.append(notice.text)):
        assert count_look(tmp_path / "file" / "best.pt") is None
    assert "cannot be counted" in said[0]
