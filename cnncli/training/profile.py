"""Where the time of a training step goes: measured on the first steps of a run, which is then thrown away."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # torch does not say that it exports it
from torch.profiler import ProfilerActivity, record_function

from cnncli.compute.failures import explained, fewer_steps
from cnncli.compute.interrupt import StopSignal
from cnncli.compute.machine import peak_memory, wait_for
from cnncli.config.checking import LoadedConfig
from cnncli.optim.schedulers import Schedule
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.display import Display
from cnncli.training.engine import Batch, train_one_epoch
from cnncli.training.new_run import NewRun

WARM_UP, TIMED, TRACED = 5, 50, 5  # steps
PHASES = ("loader", "forward", "loss", "backward", "optimizer", "metrics")
OPERATORS = 10


class StepClock:
    """Seconds spent in each named part of a step; time in a part inside another counts for the inner one only.

    ``waited`` are those of them in which the host had asked for everything, and waited for the device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds, self.waited = defaultdict[str, float](float), defaultdict[str, float](float)
        self._open: list[float] = []  # of each part that is open, the time that parts inside it took

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside towards ``name``; waits for the device on both sides."""
        self._open.append(0.0)
        wait_for(self.device)
        start = time.perf_counter()
        with record_function(name):
            yield
            asked = time.perf_counter()
            wait_for(self.device)
            end = asked if self.device.type == "cpu" else time.perf_counter()
        took = end - start
        self.seconds[name] += took - self._open.pop()
        self.waited[name] += end - asked
        if self._open:
            self._open[-1] += took


def profile(loaded: LoadedConfig, new: NewRun, display: Display) -> dict[str, Any]:
    """Time the first steps of a run, part by part; nothing stays but a trace of some, runs/NAME/trace.json.

    ``phases`` and ``operators`` are lists of what takes how many milliseconds a step, on the host and on the device.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it tells the terminal that there is no GPU
    experiment = build_experiment(loaded, display.track)
    trace = new.runs_dir / experiment.config.name / "trace.json"
    trace.parent.mkdir(parents=True, exist_ok=True)
    config, device = experiment.config, experiment.runtime.device
    with explained(fewer_steps(config.dataset.batch_size, config.precision)):
        _steps(experiment, None, WARM_UP)
        clock = StepClock(device)
        taken, seconds = _steps(experiment, clock, TIMED)
        activities = [ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=activities) as profiler:
            traced, _ = _steps(experiment, StepClock(device), TRACED)
    profiler.export_chrome_trace(str(trace))
    other = seconds - sum(clock.seconds.values())
    parts = {**{name: clock.seconds[name] for name in PHASES}, "rest (schedule, averages, Python)": other}
    return {
        "trace": str(trace),
        "steps": taken,
        "batch_size": config.dataset.batch_size,
        "device": str(device),
        "peak_memory": peak_memory(device),
        "milliseconds": 1000 * seconds / taken,
        "phases": [
            {
                "phase": name,
                "milliseconds": 1000 * value / taken,
                "share": value / seconds,
                "waiting": 1000 * clock.waited.get(name, 0.0) / taken,
            }
            for name, value in parts.items()
        ],
        "operators": operators(profiler.key_averages(), traced),
    }


def _steps(experiment: Experiment, clock: StepClock | None, count: int) -> tuple[int, float]:
    """Take up to ``count`` optimizer steps of an epoch; how many there were, and their seconds."""
    task = experiment.task
    # the rate stays: more steps than the run has would be beyond the end of some schedules
    state = replace(experiment.state, schedule=Schedule(experiment.state.optimizer, None, "epoch", 0))
    runtime = replace(experiment.runtime, clock=clock)
    batches: Iterable[Batch] = experiment.loader("train", training=True).epoch(0)
    batches = islice(_timed(batches, clock), count * experiment.config.train.accumulate)
    before, start = state.global_step, time.perf_counter()
    meter = task.meter()
    train_one_epoch(state, batches, task, runtime, experiment.config.train, meter, StopSignal())
    meter.compute()  # waits for the device
    return state.global_step - before, time.perf_counter() - start


def _timed(batches: Iterable[Batch], clock: StepClock | None) -> Iterator[Batch]:
    """``batches``, the making of each counted as ``loader``: reading, augmenting, normalising, copying."""
    iterator = iter(batches)
    while True:
        if clock is None:
            batch = next(iterator, None)
        else:
            with clock.phase("loader"):
                batch = next(iterator, None)
        if batch is None:
            return
        yield batch


def operators(events: Iterable[Any], steps: int) -> list[dict[str, Any]]:
    """The operators that take most time of their own, on the device where there is one; milliseconds a step.

    The profiler counts the time of a kernel twice: as an event of the device, and towards the operator that asked for
    it, which is the one that is listed.
    """
    rows: list[dict[str, Any]] = []
    for event in events:
        if event.device_type != DeviceType.CPU or event.key in PHASES or event.key.startswith("ProfilerStep"):
            continue
        host, device = (1e-3 * own / steps for own in (event.self_cpu_time_total, event.self_device_time_total))
        rows.append({"operator": event.key, "milliseconds": host, "device": device, "calls": event.count / steps})
    decisive = "device" if any(row["device"] for row in rows) else "milliseconds"
    return sorted(rows, key=lambda row: -float(row[decisive]))[:OPERATORS]
