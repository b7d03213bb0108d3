"""Whether the loader is faster than the network."""

import time
from itertools import islice
from statistics import median

from cnncli.compute.machine import wait_for
from cnncli.insight.checkup.bench import Bench
from cnncli.insight.checkup.finding import Checked

BATCHES = 20
SLOWER = 1.5  # times as long as a step
NOTICED = 0.002  # seconds a batch; what is faster is Python's own time


def check_loader(bench: Bench, seconds: float) -> Checked:
    """The time that a batch takes to be made, against that of the step that uses it."""
    found = Checked("loader")
    made, step = _made(bench, seconds / 4), _step(bench, seconds / 4)
    if _is_slower(made, step):  # other programs may have been in the way
        made, step = min(made, _made(bench, seconds / 4)), max(step, _step(bench, seconds / 4))
    found.measured = f"a batch in {1000 * made:.2f} ms, a step in {1000 * step:.2f} ms"
    if _is_slower(made, step):
        told = f"a batch takes {1000 * made:.1f} ms to be made, the step that uses it {1000 * step:.1f} ms"
        found.find("dataset", told, _advice(bench))
    return found


def _is_slower(made: float, step: float) -> bool:
    return made > NOTICED and made > SLOWER * step


def _made(bench: Bench, seconds: float) -> float:
    """The mean time of a batch: several may be made at once. The first of workers is left out, which start then."""
    makes = list[float]()
    start = last = time.perf_counter()
    for _ in islice(bench.batches(whole=True), BATCHES + 1):
        now = time.perf_counter()
        makes.append(now - last)
        if now - start > seconds and len(makes) > 2:
            break
        last = time.perf_counter()
    counted = makes[1:] if bench.experiment.where.startswith("read by") else makes
    return sum(counted) / len(counted)


def _step(bench: Bench, seconds: float) -> float:
    """The median time of a step, without that of the loader."""
    batches, times = list(islice(bench.batches(whole=True), bench.experiment.config.train.accumulate)), list[float]()
    start = time.perf_counter()
    while len(times) < 2 or (len(times) < BATCHES and time.perf_counter() - start < seconds):
        began = time.perf_counter()
        bench.step(batches)
        wait_for(bench.device)
        times.append((time.perf_counter() - began) / len(batches))
    bench.restore()
    return median(times[1:])


def _advice(bench: Bench) -> str:
    config = bench.experiment.config.dataset
    if config.memory == "never":
        return "set dataset.memory: auto, so that pictures are decoded once"
    if config.workers != "auto" and bench.experiment.where.startswith("read by"):
        return "set dataset.workers: auto"
    if config.augment:
        named = ", ".join(transform.name for transform in config.augment)
        return f"use fewer or cheaper transforms in dataset.augment (now {named})"
    return "use smaller pictures, or prepare the data once and store the result"
