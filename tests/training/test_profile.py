"""``train --profile``: where the time of a step goes."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType

from cnncli.cli.tables import print_profile
from cnncli.compute.machine import peak_memory
from cnncli.training import profile as room
from cnncli.training.profile import PHASES, StepClock, operators
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
    assert found["device"] == "cpu"
    assert all(row["waiting"] == 0 for row in found["phases"]), "a CPU has nothing to wait for"
    assert found["peak_memory"] > 50 * 2**20, "that of the process"
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


@pytest.mark.parametrize(("device", "owner"), [("cuda", torch.cuda), ("mps", torch.mps)])
def test_the_host_and_the_device_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, device: str, owner: ModuleType
) -> None:
    now = [0.0]
    monkeypatch.setattr(room.time, "perf_counter", lambda: now[0])
    left = [0.0]

    def synchronize(*_: object) -> None:
        now[0] += left[0]
        left[0] = 0.0

    monkeypatch.setattr(owner, "synchronize", synchronize)
    clock = StepClock(torch.device(device))
    left[0] = 5.0  # of what came before: not the part's own
    with clock.phase("forward"):
        now[0] += 1.0  # to ask
        left[0] = 3.0  # to compute
    assert clock.seconds == {"forward": 4.0}
    assert clock.waited == {"forward": 3.0}


def event(key: str, host: float, device: float, kind: DeviceType = DeviceType.CPU) -> SimpleNamespace:
    times = {"self_cpu_time_total": host, "self_device_time_total": device}
    return SimpleNamespace(key=key, count=10, device_type=kind, **times)


def test_a_kernel_is_listed_once_by_its_operator() -> None:
    events = [
        event("aten::mm", 10.0, 5000.0),
        event("sgemm_128x64", 0.0, 5000.0, DeviceType.CUDA),
        event("aten::add", 900.0, 100.0),
        event("forward", 20.0, 0.0),
        event("forward", 0.0, 6000.0, DeviceType.CUDA),
        event("cudaDeviceSynchronize", 9000.0, 0.0),
    ]
    rows = operators(events, 5)
    assert [row["operator"] for row in rows] == ["aten::mm", "aten::add", "cudaDeviceSynchronize"]
    assert rows[0] == {"operator": "aten::mm", "milliseconds": pytest.approx(0.002), "device": 1.0, "calls": 2.0}
    alone = [event("aten::mm", 10.0, 0.0), event("aten::add", 900.0, 0.0)]
    assert [row["operator"] for row in operators(alone, 1)] == ["aten::add", "aten::mm"]


def test_the_table_of_a_gpu_has_columns_for_both(capsys: pytest.CaptureFixture[str]) -> None:
    phase = {"phase": "forward", "milliseconds": 4.0, "share": 1.0, "waiting": 3.0}
    row = {"operator": "aten::mm", "milliseconds": 0.5, "device": 2.25, "calls": 2.0}
    about = {"trace": "trace.json", "steps": 5, "batch_size": 8, "milliseconds": 4.0, "device": "cuda:0"}
    print_profile({**about, "peak_memory": 3 * 2**20, "phases": [phase], "operators": [row]}, False)
    out = capsys.readouterr().out
    for part in ("waiting for the device", "3.000", "on the device", "2.250", "at most 3 MiB on cuda:0 (tensors)"):
        assert part in out


def test_the_peak_of_a_gpu_is_asked_of_its_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 10 + device.index)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 7)
    assert peak_memory(torch.device("cuda", 1)) == 11
    assert peak_memory(torch.device("mps")) == 7
