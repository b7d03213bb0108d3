"""The pages under docs show commands that work, one after the other, as written."""

import json
import math
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import cnncli.data  # noqa: F401  # registers the datasets
from cnncli.core.registry import datasets
from tests.conftest import ROOT, Answer

PAGE = (ROOT / "docs" / "other-nets.md").read_text()
QUICK = {
    "configs/text/python-stdlib.yaml": ["dataset.characters=20000", "model.hidden=16"],
    "own-table.yaml": ["dataset.batch_size=16"],
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the shipped configs, the page's own files, and small data under the names that it uses."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        name = re.match(r"# (\S+\.yaml)\n", block)
        assert name is not None
        (tmp_path / name[1]).write_text(block)
    rows = [f"{i},{i % 7},{'north' if i % 3 else 'south'},{2 * (i % 7) + 5 * (i % 3 > 0)}" for i in range(120)]
    (tmp_path / "measurements.csv").write_text("\n".join(["id,rooms,side,price", *rows]) + "\n")
    (tmp_path / "new-rows.csv").write_text("side,rooms\nnorth,3\nsouth,5\n")
    months = [f"{1949 + i // 12}-{i % 12 + 1:02d},{100 + i + 20 * math.sin(i / 12 * math.tau):.1f}" for i in range(144)]
    (tmp_path / "airline-passengers.csv").write_text("\n".join(["Month,Passengers", *months]) + "\n")
    return tmp_path


@pytest.mark.slow
def test_the_commands_of_other_nets_run_in_a_row(place: Path, cnncli: Callable[..., Answer]) -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 12
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        if words[0] == "train":
            words += ["train.epochs=1", "logging.tensorboard=false", *QUICK.get(words[1], [])]
        answer = cnncli(*words)
        assert answer.code == 0, f"{line}\n{answer.err}"
    assert (place / "predicted.csv").read_text().splitlines()[0] == "side,rooms,prediction"
    assert len((place / "next-years.csv").read_text().splitlines()) == 25
    assert (place / "next-years.png").stat().st_size > 1000


PHOTOS = (ROOT / "docs" / "your-own-photos.md").read_text()


@pytest.mark.slow
def test_the_commands_for_ones_own_photos_run_in_a_row(pets: Path, cnncli: Callable[..., Answer]) -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PHOTOS, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 12
    printed = {}
    for line in lines:
        words, _, file = line.partition(" > ")
        parts = shlex.split(words, comments=True)[1:]
        if parts[0] in ("train", "finetune"):
            parts += ["train.epochs=2", "dataset.image_size=32", "logging.tensorboard=false"]
        answer = cnncli(*parts)
        assert answer.code == 0, f"{line}\n{answer.err}"
        printed[" ".join(parts[:2])] = answer.out
        if file:
            (pets / file).write_text(answer.out)
    assert "nothing to fix" in printed["data check"]
    assert len(list((pets / "photos").glob("*/*/*.jpg"))) == 40
    assert (pets / "samples.png").stat().st_size > 1000
    assert not (pets / "by-pattern").exists()
    answers = (pets / "answers.csv").read_text().splitlines()
    assert answers[0] == "path,prediction,probability"
    assert len(answers) == 5
    assert json.loads(printed["predict --ckpt"])["errors"] == []


def test_its_pictures_are_there() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", PAGE):
        assert (ROOT / "docs" / picture).is_file(), picture


TABLES = (ROOT / "docs" / "tables.md").read_text()


@pytest.mark.slow
def test_the_commands_for_tables_run_in_a_row(tmp_path: Path, cnncli: Callable[..., Answer]) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", TABLES, re.DOTALL):
        name = re.match(r"# (\S+\.yaml)\n", block)
        assert name is not None
        (tmp_path / name[1]).write_text(block)
    towns = ["Oslo", "Rome", "Bern", "Lima"] * 30
    rows = [f"{n};{20 + n % 70},5;{town};{300 + 9 * (n % 70)}" for n, town in enumerate(towns)]
    (tmp_path / "flats.csv").write_text("\n".join(["id;area;town;rent", *rows]) + "\n")
    (tmp_path / "new-flats.csv").write_text("id;area;town\n1;34,5;Oslo\n2;50,5;Rome\n")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", TABLES, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 3
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        answer = cnncli(*words, *(["dataset.split_seed=1", "train.epochs=1"] if words[0] == "train" else []))
        assert answer.code == 0, f"{line}\n{answer.err}"
    assert (tmp_path / "rents.csv").read_text().splitlines()[0] == "id,area,town,prediction"


def test_the_page_on_tables_has_every_key() -> None:
    keys = set(re.findall(r"`(\w+)`", TABLES.partition("## All keys")[2]))
    assert set(datasets.get("csv").arguments.model_fields) <= keys
