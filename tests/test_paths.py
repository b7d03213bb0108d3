"""One rule for paths: ~ is the home folder wherever a path is taken, in configs, options and the environment."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnncli.cli.app import app
from cnncli.core.errors import ConfigError
from cnncli.core.files import cache_folder, user_path
from cnncli.data.find import data_root, find_data
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
CONFIG = "dataset: {name: image_folder, root: ROOT, image_size: 8}\nmodel: simple_cnn\ntrain: {epochs: 1}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with pictures in it, seen from another folder."""
    folder = tmp_path / "home"
    make_pictures(folder / "photos", {"a": 8, "b": 8})
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def commands() -> list[Callable[..., Any]]:
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    return [info.callback for group in groups if group for info in group.registered_commands if info.callback]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.__name__)
def test_every_path_that_a_command_takes_is_expanded(command: Callable[..., Any], home: Path) -> None:
    code = command.__closure__ or ()
    paths = [name for name, found in inspect.signature(command).parameters.items() if "Path" in str(found.annotation)]
    if not paths:
        return
    inner = next(cell for cell in code if callable(cell.cell_contents) and cell.cell_contents.__name__ != "expanded")
    seen: dict[str, Any] = {}
    kept = inner.cell_contents
    inner.cell_contents = lambda **values: seen.update(values)
    try:
        command(**{name: Path("~/x") for name in paths})
    finally:
        inner.cell_contents = kept
    assert seen == dict.fromkeys(paths, home / "x")


@pytest.mark.slow
def test_configs_overrides_and_options_know_the_home_folder(home: Path, cnncli: Cli) -> None:
    (home / "base.yaml").write_text(CONFIG.replace("ROOT", "~/photos"))
    Path("top.yaml").write_text("extends: ~/base.yaml\nplugins: [~/plugin.py]\n")
    (home / "plugin.py").write_text("")
    assert cnncli("train", "~/base.yaml", "--runs-dir", "~/runs", "--name", "a/1").code == 0
    assert (home / "runs/a/1/best.pt").is_file()
    assert cnncli("train", "top.yaml", "dataset.root=~/photos", "plugins=[~/plugin.py]", "--dry-run").code == 0
    start = "train.start_from=~/runs/a/1/best.pt"
    assert cnncli("train", "~/base.yaml", start, "--dry-run").code == 0
    tuned = cnncli("finetune", "--from", "~/runs/a/1/best.pt", "--data", "~/photos", "--strategy", "head", "--dry-run")
    assert tuned.code == 0, tuned.err
    assert cnncli("eval", "--ckpt", "~/runs/a/1", "--split", "val").code == 0
    assert cnncli("predict", "--ckpt", "~/runs/a/1", "~/photos/*/*.png", "--out", "~/out.csv").code == 0
    assert len((home / "out.csv").read_text().splitlines()) == 17
    assert cnncli("data", "check", "~/photos").code == cnncli("data", "check", "~/base.yaml").code == 0
    assert cnncli("data", "show", "~/photos", "--out", "~/s.png").code == 0
    assert cnncli("init", "~/photos").code == 0
    assert cnncli("train", "--resume", "~/runs/a/1", "train.epochs=2").code == 0
    assert not Path("~").exists()
    assert not [name for name in os.listdir() if name.startswith("~")]


def test_the_environment_knows_the_home_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_DATA", "~")
    monkeypatch.setenv("CNNCLI_CACHE", "~/cc")
    assert data_root() == home
    assert cache_folder() == home / "cc"
    assert find_data("photos", "folder") == home / "photos"
    assert find_data("~/photos", "folder") == home / "photos"


def test_data_are_looked_for_in_the_working_folder_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_DATA", str(home))
    assert find_data("photos", "folder") == home / "photos"
    Path("photos").mkdir()
    assert find_data("photos", "folder") == Path("photos")


def test_a_home_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ConfigError, match="~nobody-of-this-name/x: there is no such home folder"):
        user_path("~nobody-of-this-name/x")
    assert user_path("a~/b") == Path("a~/b")
