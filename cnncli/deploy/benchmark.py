"""The formats side by side: size, difference, quality, time and memory."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnncli.core.errors import CnncliError, TrainingError
from cnncli.deploy.description import Description, describe
from cnncli.deploy.export import Request, export
from cnncli.deploy.formats import described, open_as, running, with_state
from cnncli.deploy.graph import graph_of
from cnncli.deploy.judge import can_be_judged, judged
from cnncli.deploy.parity import Run
from cnncli.deploy.samples import Compared, parity_split, real_samples
from cnncli.inference.evaluate import at_home
from cnncli.inference.predictor import Predictor
from cnncli.training.display import Display

SIZES = (1, 64)
FORMATS = ("onnx", "onnx int8", "pt2", "safetensors")
PYTORCH = "PyTorch"


@dataclass(frozen=True)
class Row:
    """A format on so many threads; the ``metric`` is the task's headline on validation, the times are medians."""

    format: str
    threads: int
    bytes: int
    difference: float | None = None
    metric: float | None = None
    milliseconds: tuple[float, ...] = ()
    peak: int = 0
    cause: str = ""  # why there is none

    def cells(self) -> list[str]:
        """What the table shows."""
        if self.cause:
            return [self.format, "", "", "", "", "", "", self.cause]
        size = f"{self.bytes / 1e6:.2f} MB"
        difference = "" if self.difference is None else f"{self.difference:.0e}"
        metric = "" if self.metric is None else f"{self.metric:.4f}"
        times = [f"{value:.2f}" for value in self.milliseconds] or ["", ""]
        peak = f"{self.peak / 2**20:.0f} MiB" if self.peak else ""
        return [self.format, str(self.threads or "all"), size, difference, metric, *times, peak]


def columns(predictor: Predictor) -> list[str]:
    """The heads of the table."""
    times = [f"ms at {size}" for size in SIZES]
    return ["format", "threads", "size", "difference", predictor.task.headline, *times, "peak memory"]


def benchmark(predictor: Predictor, display: Display) -> list[Row]:
    """Every format on one thread and on all, each in a process of its own, with PyTorch beside them."""
    samples = real_samples(predictor, display)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        description = describe(predictor, graph_of(predictor))
        stored = _stored(samples[0], description, folder)
        for name in FORMATS:
            rows += _of_format(name, predictor, folder, stored, display)
        metric = _metric(running(graph_of(predictor), description), predictor, display)
        size = predictor.path.stat().st_size
        for threads in (1, 0):
            rows.append(_timed(Row(PYTORCH, threads, size, 0.0, metric), predictor.path, stored))
    return rows


def _stored(samples: Compared, description: Description, folder: Path) -> Path:
    """Inputs of each size for the processes to read, in the order of the graph's."""
    path = folder / "samples.npz"
    stored: dict[str, NDArray[Any]] = {}
    for size in SIZES:
        chosen = torch.arange(size) % len(samples)
        given = with_state({name: value[chosen] for name, value in samples.inputs.items()}, description)
        stored |= {f"{size}:{port.name}": given[port.name].numpy() for port in description.inputs}
    np.savez(path, allow_pickle=False, **stored)
    return path


def _of_format(name: str, predictor: Predictor, folder: Path, stored: Path, display: Display) -> list[Row]:
    form, _, precision = name.partition(" ")
    out = folder / name.replace(" ", "-")
    try:
        made = export(predictor, Request(form, out, int8=bool(precision), max_loss=100), display)  # type: ignore[arg-type]
    except CnncliError as error:
        return [Row(name, 0, 0, cause=error.lines()[0])]
    found = Row(name, 0, made.bytes, made.parity.largest)
    if form == "safetensors":  # weights alone: they run as PyTorch does
        return [found]
    run = open_as(made.file, described(made.file), None)
    metric = _metric(run, predictor, display)
    rows = [Row(name, threads, made.bytes, made.parity.largest, metric) for threads in (1, 0)]
    return [_timed(row, made.file, stored) for row in rows]


def _metric(run: Run, predictor: Predictor, display: Display) -> float | None:
    if not can_be_judged(predictor):
        return None
    data, training = at_home(predictor, display, "export")
    predictor.task.fit(training)
    return judged(run, predictor, data, parity_split(data)).get(predictor.task.headline)


def _timed(row: Row, file: Path, stored: Path) -> Row:
    command = [sys.executable, "-m", "cnncli.deploy.timing", file, stored, str(row.threads), ",".join(map(str, SIZES))]
    done = subprocess.run([str(word) for word in command], capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise TrainingError(f"{file}: could not be timed ({last}); free some memory")
    found = json.loads(done.stdout)
    times = tuple(found["milliseconds"])
    return Row(row.format, row.threads, row.bytes, row.difference, row.metric, times, found["peak"])
