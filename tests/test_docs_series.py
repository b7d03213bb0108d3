"""The page on series of your own: its commands run as written, and it names every key and form."""

import inspect
import re
import shlex
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from cnncli.config.catalog import fill_registries
from cnncli.core.registry import datasets
from cnncli.data.series_csv import series_csv
from tests.conftest import ROOT, Answer

PAGE = (ROOT / "docs" / "series.md").read_text()
DAYS = [date(2024, 1, 1) + timedelta(i) for i in range(182)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the page's configs and small data under the names that it uses."""
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        name = re.match(r"# (\S+\.yaml)\n", block)
        assert name is not None
        (tmp_path / name[1]).write_text(block)
    rows = [f"{shop},{day:%m/%d/%Y},{100 * k + day.weekday() + i % 5}" for k, shop in enumerate(("north", "south"))
            for i, day in enumerate(DAYS)][::-1]  # fmt: skip
    (tmp_path / "shops.csv").write_text("\n".join(["shop,day,sold", *rows]) + "\n")
    (tmp_path / "shops-with-gaps.csv").write_text("\n".join(["shop,day,sold", *rows[:50], *rows[53:]]) + "\n")
    days = [f'"{date(1981, 1, 1) + timedelta(i)}",{"?0.2" if i == 500 else 10 + i % 9}' for i in range(1200)]
    text = "\n".join(['"Date","Temperature"', *days, "", "Temperatures of some town, somewhere, 1981"])
    (tmp_path / "daily.csv").write_text(text + "\n")
    return tmp_path


@pytest.mark.slow
def test_the_commands_run_in_a_row(place: Path, cnncli: Callable[..., Answer]) -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 6
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        if words[0] == "train":
            words += ["train.epochs=1", "logging.tensorboard=false"]
        answer = cnncli(*words)
        assert answer.code == 0, f"{line}\n{answer.err}"
    ahead = (place / "next-week.csv").read_text().splitlines()
    assert ahead[0] == "series,time,step,sold,sold_lower,sold_upper"
    assert len(ahead) == 15
    assert ahead[1].split(",")[:3] == ["south", "07/01/2024", "1"]


def test_every_key_is_named() -> None:
    for key in inspect.signature(series_csv).parameters:
        assert re.search(rf"`(dataset\.)?{key}[:`]|{key}:", PAGE), key


def test_every_example_of_a_form_is_read(place: Path) -> None:
    fill_registries()
    table = PAGE.split("| form | examples |")[1].split("- `dataset.time` names")[0]
    examples = [text for row in table.splitlines()[2:-2] for text in re.findall(r"`([^`]+)`", row)]
    examples = [text for text in examples if re.search(r"\d", text)]
    assert len(examples) == 20
    for text in examples:
        (place / "one.csv").write_text(f'date,sold\n"{text}",3\n')
        either = text.startswith("3/5/")  # the one whose day could be its month
        found = datasets.build("series_csv", file=str(place / "one.csv"), day_first=False if either else None)
        assert found.times is not None, text
        assert str(found.times[0])[:4] == "2024", text
