"""Runs written by commit 1c91039, the first format of checkpoints, answer today what they answered then.

``tests/runs_format1`` holds the runs, their data, and the answers. Processors round differently, so numbers may differ
a little; with CNNCLI_EXACT=1, for the machine that recorded them, they may not.
"""

import csv
import json
import math
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Answer

HERE = Path(__file__).parent / "runs_format1"
ANSWERS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("answers/*.json"))}
EXACT = os.environ.get("CNNCLI_EXACT") == "1"
RELATIVE, ABSOLUTE = 1e-4, 1e-5
LAST_DIGIT = 1.5e-4  # in a CSV probabilities have four digits, and the last may be rounded the other way
TRAINED = 0.02  # of weights that went on learning: rounding adds up


@pytest.fixture(autouse=True)
def _one_thread_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where the answers were recorded, whatever there is here; the runs set their one thread themselves."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def _copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the runs and their data as the folder that commands run in."""
    shutil.copytree(HERE, tmp_path / "format1", ignore=shutil.ignore_patterns("answers"))
    monkeypatch.chdir(tmp_path / "format1")


def differences(recorded: Any, found: Any, where: str, absolute: float = ABSOLUTE) -> list[str]:
    """What of ``recorded`` is not so in ``found``, which may have more keys; numbers with a dot need only be near."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        missing = [f"{where}.{key}: is missing" for key in recorded if key not in found]
        both = [(key, value) for key, value in recorded.items() if key in found]
        return missing + [d for key, value in both for d in differences(value, found[key], f"{where}.{key}", absolute)]
    if isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        pairs = enumerate(zip(recorded, found, strict=True))
        return [d for number, pair in pairs for d in differences(*pair, f"{where}[{number}]", absolute)]
    if isinstance(recorded, float) and type(found) in (int, float) and not EXACT:
        same = math.isclose(recorded, found, rel_tol=RELATIVE, abs_tol=absolute)
    else:
        same = recorded == found and isinstance(recorded, bool) == isinstance(found, bool)
    return [] if same else [f"{where}: was {recorded!r}, is {found!r}"]


def table(lines: list[str]) -> list[dict[str, Any]]:
    """The rows of a CSV; what has a dot and is a number becomes one."""
    return [{name: _cell(text) for name, text in row.items()} for row in csv.DictReader(lines)]


def _cell(text: str) -> float | str:
    try:
        return float(text) if "." in text else text
    except ValueError:
        return text


def compared(recorded: dict[str, Any], answer: Answer) -> list[str]:
    """Where what a command printed is not what was recorded of it."""
    command = recorded["command"]
    if answer.code:
        return [f"{command}: exit code {answer.code}, {answer.err}"]
    if "json" in recorded:
        return differences(recorded["json"], answer.json, command)
    before, now = table(recorded["csv"]), table(answer.out.splitlines())
    order = [name for name in now[0] if name in before[0]]
    moved = [] if order == list(before[0]) else [f"{command}: the columns are {order}, were {list(before[0])}"]
    return moved + differences(before, now, command, LAST_DIGIT)


@pytest.mark.usefixtures("_copy")
@pytest.mark.parametrize("run", list(ANSWERS))
def test_a_run_of_format_1_answers_what_it_answered_then(run: str, cnncli: Callable[..., Answer]) -> None:
    found = []
    for recorded in ANSWERS[run]:
        found += compared(recorded, cnncli(*shlex.split(recorded["command"])))
    assert not found, "\n".join(found)


def test_every_run_is_asked_and_all_its_checkpoints_have_format_1() -> None:
    checkpoints = sorted(HERE.glob("runs/*/first/*.pt"))
    assert {path.parent.parent.name for path in checkpoints} == set(ANSWERS)
    assert {torch.load(path, weights_only=True)["format"] for path in checkpoints} == {1}


def test_what_is_missing_or_differs_is_told_and_what_is_new_is_not() -> None:
    recorded = {"a": 1, "b": [0.5, "x"], "c": {"d": True}}
    assert not differences(recorded, {**recorded, "new": 2}, "it")
    assert differences(recorded, {"a": 1, "b": [0.5, "x"]}, "it") == ["it.c: is missing"]
    assert differences(recorded, {**recorded, "b": [0.6, "y"]}, "it") == [
        "it.b[0]: was 0.5, is 0.6",
        "it.b[1]: was 'x', is 'y'",
    ]
    assert differences(recorded, {**recorded, "a": 2, "c": {"d": 1}}, "it") == [
        "it.a: was 1, is 2",
        "it.c.d: was True, is 1",
    ]
    assert bool(differences(0.5, 0.500001, "it")) == EXACT
