"""A split is undone whole or not at all, and nothing that exists only once is ever removed."""

import errno
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, make_pictures
from tests.curate.test_split import HOWS, Cli, contents, pets, rows, snapshot

__all__ = ["pets"]  # the fixture


@pytest.mark.parametrize("how", HOWS)
def test_the_last_of_a_picture_is_never_removed(cnncli: Cli, pets: Path, tmp_path: Path, how: str) -> None:
    assert cnncli("data", "split", pets, "out", f"--{how}").code == 0
    row = rows(Path("out"))[3]
    gone = Path("out", row["file"]) if how == "move" else Path(row["source"])
    kept = gone.read_bytes()
    gone.unlink()
    before = snapshot(tmp_path)
    answer = cnncli("data", "undo", "out")
    assert answer.code == 3
    assert f"{row['source']}: is gone; nothing was changed" in answer.err
    assert snapshot(tmp_path) == before
    gone.write_bytes(kept)
    assert cnncli("data", "undo", "out").code == 0
    assert len(contents(pets)) == 30


def full_after(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, count: int, half: bool = False) -> None:
    """Let ``owner.name`` fail for want of space when it has been called ``count`` times, perhaps after half a file."""
    original, calls = getattr(owner, name), itertools.count()

    def call(*args: Any, **options: Any) -> Any:
        if next(calls) < count:
            return original(*args, **options)
        if half:
            Path(args[1]).write_bytes(Path(args[0]).read_bytes()[:100])
        raise OSError(errno.ENOSPC, "No space left on device", str(args[1]))

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize(
    ("how", "owner", "name", "half"),
    [
        ("copy", shutil, "copy2", False), ("copy", shutil, "copyfile", True), ("link", Path, "symlink_to", False),
        ("move", shutil, "move", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [0, 7])
def test_what_was_interrupted_can_be_undone(
    cnncli: Cli, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, owner: Any, name: str,
    half: bool, count: int,
) -> None:  # fmt: skip
    before, had = snapshot(tmp_path), contents(pets)
    with monkeypatch.context() as patch:
        full_after(patch, owner, name, count, half)
        answer = cnncli("data", "split", "pets", "out", f"--{how}")
    assert answer.code == 6
    assert "No space left on device; then: cnncli data undo out" in answer.err
    assert had <= contents(tmp_path), "nothing was lost"
    assert cnncli("data", "split", "pets", "out").code == 2
    undone = cnncli("data", "undo", "out")
    assert undone.code == 0, undone.err
    assert snapshot(tmp_path) == before


def test_a_move_to_another_disk_that_was_interrupted_can_be_undone(
    cnncli: Cli, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_disk(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    before = snapshot(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", other_disk)  # so that files are copied and then removed
        full_after(patch, shutil, "copyfile", 7, half=True)
        assert cnncli("data", "split", "pets", "out", "--move").code == 6
    assert cnncli("data", "undo", "out").code == 0
    assert snapshot(tmp_path) == before


def test_an_undo_that_was_interrupted_goes_on(
    cnncli: Cli, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(tmp_path)
    assert cnncli("data", "split", "pets", "out", "--move").code == 0
    with monkeypatch.context() as patch:
        full_after(patch, shutil, "move", 5)
        assert cnncli("data", "undo", "out").code == 6
    assert cnncli("data", "undo", "out").out == "25 files put back or removed\n"
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("text", [None, "name,age\nada,36\n", "name,age\n", ""])
def test_only_a_split_can_be_undone(cnncli: Cli, tmp_path: Path, text: str | None) -> None:
    make_pictures(tmp_path / "mine", {"a": 1})
    (tmp_path / "mine" / "empty").mkdir()
    if text is not None:
        (tmp_path / "mine" / "split.csv").write_text(text)
    before = snapshot(tmp_path)
    answer = cnncli("data", "undo", "mine")
    assert answer.code == 3
    assert snapshot(tmp_path) == before


def test_undo_refuses_what_would_lose_something(cnncli: Callable[..., Answer], tmp_path: Path) -> None:
    make_pictures(tmp_path / "src", {"a": 12, "b": 12})
    assert cnncli("data", "split", "src", "moved", "--move").code == 0
    (tmp_path / "src" / "a").mkdir(exist_ok=True)
    (tmp_path / "src" / "a" / "000.png").write_text("something else")
    answer = cnncli("data", "undo", "moved")
    assert answer.code == 3
    assert "is no longer the same as" in answer.err
    (tmp_path / "src" / "a" / "000.png").unlink()
    assert cnncli("data", "undo", "moved").code == 0
    assert cnncli("data", "split", "src", "copied").code == 0
    edited = next((tmp_path / "copied" / "train" / "a").iterdir())
    edited.write_bytes(edited.read_bytes() + b"more")
    answer = cnncli("data", "undo", "copied")
    assert answer.code == 3
    assert edited.exists()


def test_undo_stays_in_its_folder(cnncli: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "other").write_text("mine")
    rows = f"split,label,file,source,how,group\ntrain,c,../victim,{tmp_path / 'other'},copy,0\n"
    (tmp_path / "evil" / "split.csv").write_text(rows)
    answer = cnncli("data", "undo", "evil")
    assert answer.code == 3
    assert "lies outside" in answer.err
    assert (tmp_path / "victim").exists()


def test_undo_leaves_what_it_did_not_bring(cnncli: Cli, pets: Path) -> None:
    assert cnncli("data", "split", pets, "out").code == 0
    Path("out/train/cat/mine.txt").write_text("kept")
    assert cnncli("data", "undo", "out").code == 0
    assert snapshot(Path("out")) == {"train": None, "train/cat": None, "train/cat/mine.txt": b"kept"}
