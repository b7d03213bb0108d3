"""Help: every command in its group, two examples that run, a page to read, and lines of 80 columns."""

import csv
import math
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from unittest.mock import AsyncMock

import pytest
import torch
import typer
from torch import nn

from cnncli.cli.about import ABOUT, GROUPS, START
from cnncli.cli.app import app
from cnncli.cli.exporting import FORMATS as EXPORTED
from cnncli.cli.pages import pages, with_commands
from cnncli.config.sections import FinetuneConfig
from cnncli.core.spec import Split
from cnncli.inference.rows import FORMATS
from tests.conftest import ROOT, Answer, make_splits

Cli = Callable[..., Answer]
MINE = """\
dataset: {name: image_folder, root: photos, image_size: 8, batch_size: 16, val_fraction: 0.25, test_fraction: 0}
model: {name: mlp, hidden: [4]}
train: {epochs: 1}
logging: {tensorboard: false, samples: false, pictures: false}
"""
QUICK = ["train.epochs=1", "logging.tensorboard=false", "logging.samples=false", "logging.pictures=false"]


def commands(group: Any = None, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command, those of groups included, with the words that name it."""
    for name, command in (group or typer.main.get_command(app)).commands.items():
        words = f"{path} {name}".strip()
        yield words, command
        if hasattr(command, "commands"):
            yield from commands(command, words)


COMMANDS = dict(commands())


def test_cnncli_alone_is_an_overview_and_no_error(cnncli: Cli) -> None:
    answer = cnncli()
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert [line for line in lines if line in GROUPS] == list(GROUPS)
    for example, _ in START:
        assert any(line.strip().startswith(example) for line in lines)
    assert answer.out == cnncli("--help").out
    data = cnncli("data")
    assert (data.code, data.err, data.out) == (0, "", cnncli("data", "--help").out)


def test_every_command_is_in_a_group_with_two_examples_and_a_page() -> None:
    assert ABOUT.keys() == COMMANDS.keys()
    for path, about in ABOUT.items():
        assert about.group in GROUPS
        assert len({example for example, _ in about.examples}) == 2
        assert all(example.startswith(f"cnncli {path}") and text for example, text in about.examples), path
        assert about.page in pages(), path


@pytest.mark.parametrize("columns", [45, 80, 200])
@pytest.mark.parametrize("path", ["", *ABOUT])
def test_help_fits_the_terminal(path: str, columns: int, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    answer = cnncli(*path.split(), "--help")
    assert answer.code == 0
    as_typed = ("  $ ", "Usage: ", "  cnncli ")  # is copied, and not broken
    lines = [line for line in answer.out.splitlines() if columns >= 80 or not line.startswith(as_typed)]
    assert max(map(len, lines)) <= min(columns, 100)
    if path:
        assert all(example in answer.out for example, _ in ABOUT[path].examples)
        assert f"cnncli docs {ABOUT[path].page}" in answer.out


@pytest.mark.parametrize("path", COMMANDS)
def test_every_word_and_option_says_what_it_takes(path: str) -> None:
    for parameter in COMMANDS[path].params:
        assert parameter.help, parameter.name
        if parameter.param_type_name == "argument" or not parameter.is_flag:
            assert parameter.metavar, f"{path} {parameter.opts}: without a metavar"


def test_choices_are_spelled_out() -> None:
    choices = {
        "--strategy": get_args(FinetuneConfig.model_fields["strategy"].annotation),
        "--split": get_args(Split),
        "--format": FORMATS,
    }
    seen = set()
    for path, command in COMMANDS.items():
        for option in command.params:
            if option.opts[-1] in choices:
                none = {"train"} if path in ("compare", "report") else set()  # of which no outputs are kept
                known = EXPORTED if path == "export" and option.opts[-1] == "--format" else choices[option.opts[-1]]
                assert set(option.metavar.split("|")) == set(known) - none
                seen.add(option.opts[-1])
    assert seen == set(choices)


def test_defaults_and_units_are_said(cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert "How many characters to add. [default: 500]" in cnncli("generate", "--help").out
    assert "--from NAME|CKPT|RUN" in (found := cnncli("finetune", "--help").out)
    assert "[required]" in found
    assert "Usage: cnncli finetune [CONFIG] [KEY=VALUE]... [OPTIONS]" in found
    assert "Without one: the packaged recipe" in found
    train = cnncli("train", "--help").out
    assert "Usage: cnncli train [CONFIG] [KEY=VALUE]... [OPTIONS]" in train
    assert "With --resume you can leave it out" in " ".join(train.split())


@pytest.fixture
def place(pets: Path) -> Path:
    """A folder with the files that the examples name, and the runs."""
    make_splits(pets / "photos")
    shutil.copytree(pets / "photos" / "test", pets / "new_photos")
    (pets / "my.yaml").write_text(MINE)
    mine = nn.Sequential(nn.Flatten(), nn.Linear(8 * 8 * 3, 4), nn.ReLU(), nn.Linear(4, 2))
    torch.save(mine.state_dict(), pets / "weights.pth")
    torch.save(nn.ModuleDict({"a": mine[1], "b": mine[3]}).state_dict(), pets / "script.pth")
    (pets / "shakespeare.txt").write_text("To be, or not to be, that is the question.\n" * 60)
    shutil.copy(next(path for path in (pets / "new_photos").rglob("*.*") if path.is_file()), pets / "photo.jpg")
    (pets / "mine.txt").write_text("1 -1\n-1 1\n")
    rows = [f"{1949 + i // 12}-{i % 12 + 1:02d},{100 + i + 20 * math.sin(i / 12 * math.tau):.1f}" for i in range(144)]
    for name in ("passengers.csv", "newer.csv"):
        (pets / name).write_text("\n".join(["Month,Passengers", *rows]) + "\n")
    (pets / "flowers.csv").write_text(
        "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n6.2,2.9,4.3,1.3\n"
    )
    return pets


def typed(example: str) -> list[str]:
    """What the shell makes of an example, without the file that the output goes to."""
    return shlex.split(example.partition(" > ")[0])[1:]


@pytest.mark.slow
def test_every_example_runs(place: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for config, *words in (
        ["classification/iris"],
        ["digits", "model.channels=[8, 8]", "--name", "smaller"],
        ["forecasting/airline", "dataset.file=passengers.csv"],
        ["text/lstm", "dataset.path=shakespeare.txt", "model.hidden=8", "dataset.block=16"],
    ):
        assert cnncli("train", config, *words, *QUICK).code == 0
    for path, about in ABOUT.items():
        for example, _ in about.examples:
            words = typed(example)
            if path in ("train", "finetune"):
                words += QUICK
            if path == "learning-curve":
                words += [*QUICK, "--seeds", "1", "--fractions", "20,40,70,100"]
            if path == "serve":  # ends as soon as it listens
                monkeypatch.setattr("cnncli.deploy.server.connections.Server.main_loop", AsyncMock())
                words += ["--port", "0"]
            if path == "finetune":
                words += ["dataset.image_size=32"]
            answer = cnncli(*words)
            assert answer.code == 0, f"{example}\n{answer.err}"
    for made in ("samples.png", "seen.png", "next.png", "next.csv", "predicted.csv", "photo-mine.png",
                 "explained/photo-explained.png", "both.html", "runs/second"):  # fmt: skip
        assert (place / made).exists(), made
    with (place / "predicted.csv").open() as file:
        assert len(list(csv.reader(file))) == 3


def test_a_page_is_printed_listed_and_found(cnncli: Cli) -> None:
    listed = cnncli("docs").out
    assert all(name in listed for name in pages())
    assert cnncli("docs", "series").out == (ROOT / "docs" / "series.md").read_text()
    assert cnncli("docs", "docs/series.md").out == cnncli("docs", "series").out
    assert cnncli("docs", "series", "--path").out.strip() == str(pages()["series"])
    linked = "see [splits.md](splits.md), [tables](tables.md#rows) and [the web](https://a.b/c.md)"
    shown = "see `cnncli docs splits`, tables (`cnncli docs tables`) and [the web](https://a.b/c.md)"
    assert with_commands(linked) == shown
    wrong = cnncli("docs", "serie")
    assert wrong.code == 2
    assert wrong.err == "error: there is no page 'serie'; did you mean 'series'?\n"


def test_the_pages_are_part_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert project["package-dir"]["cnncli.docs"] == "docs"
    assert "cnncli.docs" in project["packages"]
    assert "*.md" in project["package-data"]["cnncli.docs"]
