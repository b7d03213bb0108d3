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
from torch.profiler import ProfilerActivity, record_function

from cnncli.compute.failures import explained
from cnncli.compute.interrupt import StopSignal
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
    """Seconds spent in each named part of a step; time in a part inside another counts for the inner one only."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, defaultdict[str, float](float)
        self._open: list[float] = []  # of each part that is open, the time that parts inside it took

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside towards ``name``; waits for a CUDA device on both sides."""
        self._open.append(0.0)
        start = self._now()
        with record_function(name):
            yield
            end = self._now()
        took = end - start
        self.seconds[name] += took - self._open.pop()
        if self._open:
            self._open[-1] += took

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def profile(loaded: LoadedConfig, new: NewRun, display: Display) -> dict[str, Any]:
    """Time the first steps of a run, part by part; nothing stays but a trace of some, runs/NAME/trace.json.

    ``phases`` and ``operators`` are sorted lists of what takes how many milliseconds a step.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it tells the terminal that there is no GPU
    experiment = build_experiment(loaded, display.track)
    trace = new.runs_dir / experiment.config.name / "trace.json"
    trace.parent.mkdir(parents=True, exist_ok=True)
    with explained():
        _steps(experiment, None, WARM_UP)
        clock = StepClock(experiment.runtime.device)
        taken, seconds = _steps(experiment, clock, TIMED)
        activities = [ProfilerActivity.CPU]
        if experiment.runtime.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=activities) as profiler:
            traced, _ = _steps(experiment, StepClock(experiment.runtime.device), TRACED)
    profiler.export_chrome_trace(str(trace))
    other = seconds - sum(clock.seconds.values())
    parts = {**{name: clock.seconds[name] for name in PHASES}, "rest (schedule, averages, Python)": other}
    return {
        "trace": str(trace),
        "steps": taken,
        "batch_size": experiment.config.dataset.batch_size,
        "milliseconds": 1000 * seconds / taken,
        "phases": [
            {"phase": name, "milliseconds": 1000 * value / taken, "share": value / seconds}
            for name, value in parts.items()
        ],
        "operators": _operators(profiler, traced),
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


def _operators(profiler: torch.profiler.profile, steps: int) -> list[dict[str, Any]]:
    """The operators that take most time of their own, the device's where there is one; milliseconds a step."""
    rows = []
    for event in profiler.key_averages():
        if event.key in PHASES or event.key.startswith("ProfilerStep"):
            continue
        own = event.self_device_time_total or event.self_cpu_time_total  # microseconds
        rows.append({"operator": event.key, "milliseconds": own / 1000 / steps, "calls": event.count / steps})
    return sorted(rows, key=lambda row: -float(row["milliseconds"]))[:OPERATORS]
