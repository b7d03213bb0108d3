"""Checkpoints that were altered and hashed anew: what harms is refused with exit code 4, what does not is loaded."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from tests.conftest import ROOT, Answer
from tests.runs import alter, cases
from tests.runs.bases import Base, make_base

Cli = Callable[..., Answer]
ALONE = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_hundred_by_the_functions_behind_the_commands_in_processes_of_their_own() -> None:
    command = [sys.executable, "-m", "tests.runs.forked", "--count", "200", "--seed", "1"]
    environment = {**os.environ, **ALONE}
    answer = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr[-2000:]
    assert "0 wrong" in answer.stdout


def used(cnncli: Cli, way: str, base: Base, path: Path) -> Answer:
    """A command line that uses the checkpoint at ``path`` in that way."""
    if way == "eval":
        return cnncli("eval", "--ckpt", path, "--json")
    if way == "predict":
        return cnncli("predict", "--ckpt", path, "samples.png", "--format", "csv")
    if way == "inspect":
        return cnncli("inspect", "--ckpt", path)
    if way == "finetune":
        quiet = ("logging.tensorboard=false", "dataset={name: digits}", "train.epochs=1")
        return cnncli("finetune", "--from", path, f"{base.kind}.yaml", *quiet, "--dry-run")
    base.last.write_bytes(path.read_bytes())
    return cnncli("train", "--resume", base.folder)


def drawn(way: str, content: dict[str, Any], random: Random, path: Path) -> tuple[str, bool]:
    """Write an altered file; what was altered, and whether that harms."""
    while True:
        case = cases.draw(way, random)
        try:
            changed, place = alter.altered(content, case.pattern, case.change, random)
        except alter.DoesNotApply:
            continue
        alter.write(changed, path)
        return f"{way}: {place or 'all'}", case.harmful


@pytest.mark.slow
def test_fifty_through_the_commands(cnncli: Cli) -> None:
    base = make_base("digits", Path("runs"))
    content = torch.load(base.last, weights_only=True)
    content.pop("sha256")
    digit = torch.zeros(8, 8, dtype=torch.uint8).numpy()
    from PIL import Image

    Image.fromarray(digit).save("samples.png")
    wrong, path = [], Path("altered.pt")
    for number in range(50):
        way = cases.ALL[number % len(cases.ALL)]
        what, harmful = drawn(way, content, Random(number), path)
        answer = used(cnncli, way, base, path)
        lines = [line for line in answer.err.splitlines() if line.startswith("error: ")]
        fine = (answer.code == 4 and len(lines) == 1) if harmful else answer.code == 0
        if not fine or "Traceback" in answer.err:
            wrong.append(f"{what}: harmful {harmful}, exit {answer.code}: {answer.err}")
    assert not wrong, "\n".join(wrong)
