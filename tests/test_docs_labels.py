"""The commands of docs/labels-and-numbers.md run in a row, as written."""

import csv
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, Answer

PAGE = (ROOT / "docs" / "labels-and-numbers.md").read_text()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The page's own configs, and small pictures under the names that they use."""
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        name = re.match(r"# (\S+\.yaml)\n", block)
        assert name is not None
        (tmp_path / name[1]).write_text(block)
    rows = {"fruit": ["path,grams,sugar"], "street": ["path,labels,car,bus,dog"]}
    for i in range(64):
        for folder in rows:
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.new("RGB", (32, 24), (3 * i, 255 - 3 * i, 90 * (i % 3))).save(tmp_path / folder / f"{i:02d}.png")
        rows["fruit"].append(f"{i:02d}.png,{100 + i / 2},{i % 5}")
        flags = [i % 2, i // 2 % 2, i // 4 % 2]
        there = "|".join(name for name, flag in zip(("car", "bus", "dog"), flags, strict=True) if flag)
        rows["street"].append(f"{i:02d}.png,{there},{','.join(map(str, flags))}")
    for folder, lines in rows.items():
        (tmp_path / folder / "list.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.slow
def test_its_commands_run_in_a_row(place: Path, cnncli: Callable[..., Answer]) -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 9
    printed = {}
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        if words[0] == "train":
            words += ["train.epochs=2", "logging.tensorboard=false"]
        answer = cnncli(*words)
        assert answer.code == 0, f"{line}\n{answer.err}"
        printed[" ".join(words[:3])] = answer.out
    assert "64 pictures: nothing to fix" in printed["data check fruit.yaml"]
    with (place / "grams.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [list(row) for row in found] == [["path", "prediction"]] * 64
    assert all(80 < float(row["prediction"]) < 160 for row in found)
    assert "mean average precision" in printed["eval --ckpt runs/street/first/best.pt"]
    assert printed["predict --ckpt runs/street/first/best.pt"].split()[:3] == ["path", "prediction", "probability"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "label", "metric"), [("fruit", "[grams, sugar]", "r2"), ("street", "[car, bus, dog]", "exact_match")]
)
def test_its_other_ways_to_name_columns_work_as_well(
    place: Path, cnncli: Callable[..., Answer], config: str, label: str, metric: str
) -> None:
    answer = cnncli("train", place / f"{config}.yaml", f"dataset.label={label}", "train.epochs=1", "--json")
    assert answer.code == 0, answer.err
    assert metric in answer.json["metrics"]["test"]
