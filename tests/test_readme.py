"""The README tells the truth: its commands run, its configs are valid, its output is what is printed."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.training.configs import load_config
from tests.conftest import ROOT, Answer, make_pictures

README = (ROOT / "README.md").read_text()
Cli = Callable[..., Answer]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    """Every cnncli command of the README's shell blocks, without its comment."""
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if part.strip().startswith("cnncli ")]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the shipped configs and the README's own files."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for block in blocks("yaml") + blocks("python"):
        name = re.match(r"# (\S+\.(?:yaml|py))\n", block)
        if name:
            (tmp_path / name[1]).write_text(block)
    make_pictures(tmp_path / "new_photos", {"cat": 3, "dog": 3}, seed=5)
    return tmp_path


@pytest.mark.usefixtures("pets")
@pytest.mark.slow
def test_its_commands_run_in_a_row(place: Path, cnncli: Cli) -> None:
    found = commands()
    assert len(found) > 12
    latest = ""
    for command in found:
        words = [word.replace("runs/digits/<time>", latest) for word in shlex.split(command)[1:]]
        if words[1].startswith("mnist"):  # its data may not be here: the config and the overrides are checked
            words = ["config", *(word for word in words[1:] if word != "--profile")]
        if words[:2] == ["train", "digits"] and not any(word.startswith("train.epochs") for word in words):
            words += ["train.epochs=3"]
        if words[0] == "finetune":
            words += ["train.epochs=1", "dataset.image_size=32"]
        answer = cnncli(*words)
        assert answer.code == 0, f"{command}\n{answer.err}"
        runs = sorted(Path("runs/digits").glob("*/result.json"), key=lambda path: path.stat().st_mtime)
        latest = str(runs[-1].parent) if runs else ""


def test_the_anatomy_of_a_config_is_valid(place: Path) -> None:
    anatomy = next(block for block in blocks("yaml") if "my-experiment" in block)
    (place / "base.yaml").write_text("train: {epochs: 1}\n")
    (place / "my_net.py").write_text("")
    (place / "anatomy.yaml").write_text(anatomy)
    config = load_config(place / "anatomy.yaml").config
    assert config.train.epochs == 30
    assert [transform.name for transform in config.dataset.augment][1:] == ["random_crop", "mixup"]


def test_the_errors_it_shows_are_the_errors_printed(place: Path, cnncli: Cli) -> None:
    (block,) = blocks("console")
    command, _, expected = block.partition("\n")
    answer = cnncli(*shlex.split(command.removeprefix("$ cnncli ")))
    assert answer.code == 2
    assert answer.err == expected


def test_what_it_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target.partition("#")[0]).exists(), target
