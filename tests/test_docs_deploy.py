"""docs/deploy.md shows commands and programs that work, one after the other, as written."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from cnncli.deploy.description import ColumnInput, Description, PictureInput, SeriesInput, TextInput
from tests.conftest import ROOT, Answer

pytest.importorskip("onnxruntime")

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
QUICK = ["train.epochs=2", "logging.tensorboard=false", "logging.samples=false", "logging.pictures=false"]
SLOW = {"--benchmark"}


def blocks(language: str) -> list[str]:
    """The code blocks of the page in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def printed(*words: str) -> list[str]:
    """The words that a program prints."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def draw(path: str, side: int) -> None:
    """A grey picture that is darker to the right and below."""
    levels = bytes(255 * (x + 2 * y) // (3 * side) for y in range(side) for x in range(side))
    Image.frombytes("L", (side, side), levels).save(path)


def node_finds_the_runtime() -> bool:
    node = shutil.which("node")
    asked = [node or "", "-e", "require.resolve('onnxruntime-node')"]
    return node is not None and subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_the_commands_and_programs_run_in_a_row(cnncli: Callable[..., Answer]) -> None:
    programs = {block.split()[1].rstrip(":"): block for block in [*blocks("python"), *blocks("js"), *blocks("cpp")]}
    for name, program in programs.items():
        Path(name).write_text(program, encoding="utf-8")
    draw("three.png", 8)
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    answers = {}
    for line in lines:
        words = shlex.split(line)
        if words[0] == "python":
            printed(sys.executable, *words[1:])
        elif not SLOW & set(words):
            answer = cnncli(*words[1:], *(QUICK if words[1] == "train" else []))
            assert answer.code == 0, f"{line}\n{answer.err}"
            answers[line] = answer
    assert len(answers) == 9
    assert Path("exported/card.md").is_file()
    assert "in 8 bits" in answers["cnncli export digits --out small --quantize int8"].out
    shown = next(line for block in blocks("console") for line in block.splitlines() if "http.server" in line)
    assert answers["cnncli export digits --format web --out digits-web"].out.startswith(shown)
    wanted = answers["cnncli predict digits three.png --json"].json
    same = [wanted["prediction"], pytest.approx(wanted["probability"], abs=1e-6)]
    name, probability = printed(sys.executable, "predict.py", "three.png")
    assert [name, float(probability)] == same
    if node_finds_the_runtime():
        name, probability = printed("node", "predict.js", "three.raw")
        assert [name, float(probability)] == same
    draw("large.png", 100)
    wanted = cnncli("predict", "digits", "large.png", "--json").json
    name, probability = printed(sys.executable, "predict.py", "large.png")
    assert [name, float(probability)] == [wanted["prediction"], pytest.approx(wanted["probability"], abs=1e-6)]
    assert_that_the_flower_is_named_as_in_a_table(cnncli)


def assert_that_the_flower_is_named_as_in_a_table(cnncli: Callable[..., Answer]) -> None:
    columns = re.findall(r'"([\w ]+\(cm\))": ([\d.]+)', Path("flower.py").read_text(encoding="utf-8"))
    rows = [",".join(cells) for cells in zip(*columns, strict=True)]
    Path("flower.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    wanted = cnncli("predict", "iris", "flower.csv", "--json").json
    name, probability = printed(sys.executable, "flower.py")
    assert name == wanted["prediction"]
    assert float(probability) == pytest.approx(wanted[f"probability_{name}"], abs=1e-6)


def test_every_key_of_the_description_is_told() -> None:
    told = PAGE.partition("## model.json")[2].partition("## Pictures")[0]
    for part in (Description, PictureInput, ColumnInput, SeriesInput, TextInput):
        for field in fields(part):  # type: ignore[arg-type]
            assert f"`{field.name}`" in told, f"{part.__name__}.{field.name}"


def test_the_shown_answers_are_those_of_predict() -> None:
    (shown,) = (json.loads(block) for block in blocks("json"))
    answer = f"{shown['prediction']} {shown['probability']}"
    assert sum(answer in block for block in blocks("console")) == 3


def test_every_option_of_export_is_told(cnncli: Callable[..., Answer]) -> None:
    own = ("--format", "--one-at-a-time", "--quantize", "--max-loss", "--opset", "--verify", "--benchmark", "--out")
    listed = cnncli("export", "--help").out
    for option in own:
        assert option in listed
        assert option in PAGE
