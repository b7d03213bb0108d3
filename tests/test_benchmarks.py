"""The side-by-side benchmarks: what they share, and that each command can be asked what it does."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from benchmarks import floor_mnist, on_device
from benchmarks.side_by_side import Column, Contender, environment, machine, measure, parser, show, take_turns
from tests.conftest import ROOT

COMMANDS = (
    "accuracy", "augment", "epoch", "evaluate", "logging_cost", "memory", "photos", "pictures", "serve", "startup",
    "time_to_accuracy",
)  # fmt: skip
QUICK = Contender("quick", ["-c", "import os; print('{\"seed\": %s}' % os.environ['SEED'])"])
SLOW = Contender("slow", ["-c", "print('no numbers')"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_and_says_what_it_does(name: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "--rounds" in answer.stdout
    assert "--device" in answer.stdout
    assert f"python -m benchmarks.{name}" in answer.stdout
    assert f"python -m benchmarks.{name}" in (ROOT / "docs" / "benchmarks.md").read_text()


def test_contenders_take_turns_and_the_first_becomes_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    taken = take_turns([QUICK, SLOW], 2)
    assert [turn["seed"] for turn in taken["quick"]] == [0, 1]
    assert all(turn["process"] > 0 and turn["peak"] > 1 for turns in taken.values() for turn in turns)
    order = [line.rpartition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert order == ["quick", "slow", "slow", "quick"]


def test_the_table_has_medians_and_the_medians_of_the_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    taken = {"plain": [{"s": 1.0}, {"s": 2.0}, {"s": 4.0}], "other": [{"s": 3.0}, {"s": 2.0}, {"s": 4.5}]}
    show("Both", taken, [Column("s", lambda turn: turn["s"]), Column("ratio", lambda turn: turn["s"], against="plain")])
    printed = capsys.readouterr().out
    assert "medians of 3 rounds" in printed
    row = next(line for line in printed.splitlines() if "other" in line)
    assert "3.00" in row  # the median of the seconds
    assert "1.12" in row  # of 3, 1 and 1.125, which is not the ratio of the medians


def test_a_contender_that_fails_is_named_with_its_last_words() -> None:
    with pytest.raises(SystemExit, match=r"(?s)broken failed \(1\).*NameError"):
        measure(Contender("broken", ["-c", "nonsense"]), 0)


@pytest.mark.parametrize(
    ("device", "visible", "told"),
    [
        ("cpu", "0,1", {"DEVICE": "cpu", "CUDA_VISIBLE_DEVICES": ""}),
        ("cuda", "", {"DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": "0"}),
        ("cuda:1", "", {"DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": "1"}),
        ("cuda:1", "4,7", {"DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": "7"}),
        ("mps", "", {"DEVICE": "mps"}),
    ],
)
def test_a_contender_sees_the_device_that_it_is_to_compute_on_and_no_other_gpu(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: str, told: dict[str, str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert environment(device) == told
    code = "import json, os; print(json.dumps({key: os.environ[key] for key in ('DEVICE', 'CUDA_VISIBLE_DEVICES')}))"
    turn = measure(Contender("quick", ["-c", code]), 0, device)
    assert {key: turn[key] for key in told} == told


def test_clocks_wait_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    gpu = torch.device("cuda", 1)
    assert on_device.now(gpu) <= on_device.now(torch.device("cpu"))
    assert waited == [gpu]


def test_a_device_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser("").parse_args(["--device", "gpu"])
    assert "'gpu' is none of cpu, cuda, cuda:1, mps" in capsys.readouterr().err


def test_the_machine_is_described_in_one_line() -> None:
    assert "torch" in machine()
    assert "\n" not in machine()


@pytest.mark.parametrize(("slow", "fast"), [("bf16", "fp32"), ("fp32", "bf16")])
def test_the_floor_takes_the_precision_that_is_faster_on_the_machine_and_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slow: str, fast: str
) -> None:
    used = []  # a batch of the slow precision takes two seconds, of the other one

    @contextmanager
    def autocast(precision: str) -> Iterator[None]:
        used.append(precision)
        yield

    pictures = SimpleNamespace(data=torch.zeros(64, 28, 28, dtype=torch.uint8), targets=torch.zeros(64).long())
    monkeypatch.setattr(floor_mnist, "MNIST", lambda *args, **options: pictures)
    monkeypatch.setattr(floor_mnist, "autocast", autocast)
    monkeypatch.setattr(time, "perf_counter", lambda: len(used) + used.count(slow))
    monkeypatch.setattr(sys, "argv", ["floor_mnist", "3"])
    with torch.random.fork_rng():
        floor_mnist.main()
    assert json.loads(capsys.readouterr().out)["precision"] == fast
    assert used[-4:] == [fast] * 4  # three epochs of one batch, and the evaluation
