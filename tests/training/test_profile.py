"""``train --profile``: where the time of a step goes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cnncli.training import profile as room
from cnncli.training.profile import PHASES, StepClock
from tests.conftest import Answer

Cli = Callable[..., Answer]


def test_the_parts_of_a_step_add_up_and_a_trace_is_written(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "--profile", "scheduler=one_cycle", "train.epochs=1", "--json")
    assert answer.code == 0, answer.err
    found = answer.json
    assert [row["phase"] for row in found["phases"]][:-1] == list(PHASES)
    assert sum(row["milliseconds"] for row in found["phases"]) == pytest.approx(found["milliseconds"])
    assert sum(row["share"] for row in found["phases"]) == pytest.approx(1)
    assert all(row["milliseconds"] > 0 for row in found["phases"])
    assert found["steps"] == 11, "no more than an epoch has"
    names = {event.get("name") for event in json.loads(Path(found["trace"]).read_text())["traceEvents"]}
    assert {"forward", "backward", "optimizer", "loader"} <= names
    assert any("addmm" in row["operator"] for row in found["operators"])
    assert [path.name for path in Path("runs").rglob("*") if path.is_file()] == ["trace.json"], "nothing else is kept"


def test_the_table_names_every_part(tiny: Path, cnncli: Cli) -> None:
    out = cnncli("train", tiny, "--profile").out
    for part in (*PHASES, "rest", "Costliest operators", "trace.json", "A step of 128 samples takes"):
        assert part in out


@pytest.mark.parametrize("other", ["--dry-run", "--resume"])
def test_it_stands_alone(tiny: Path, cnncli: Cli, other: str) -> None:
    answer = cnncli("train", tiny, "--profile", other)
    assert answer.code == 2
    assert "leave out --resume and --dry-run" in answer.err


def test_time_in_a_part_inside_another_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 4.0, 10.0])
    monkeypatch.setattr(room.time, "perf_counter", lambda: next(now))
    clock = StepClock(torch.device("cpu"))
    with clock.phase("optimizer"), clock.phase("forward"):
        pass
    assert clock.seconds == {"forward": 3.0, "optimizer": 7.0}
