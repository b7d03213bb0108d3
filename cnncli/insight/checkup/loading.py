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
    makes = list[float]()
    start = last = time.perf_counter()
    for _ in islice(bench.batches(), BATCHES + 1):
        now = time.perf_counter()
        makes.append(now - last)
        if now - start > seconds / 2 and len(makes) > 2:
            break
        last = time.perf_counter()
    # several batches may be made at once, so that the mean counts; the first also waits for workers to start
    counted = makes[1:] if bench.experiment.where.startswith("read by") else makes
    made = sum(counted) / len(counted)
    step = _step(bench, seconds / 2)
    found.measured = f"a batch in {1000 * made:.2f} ms, a step in {1000 * step:.2f} ms"
    if made > NOTICED and made > SLOWER * step:
        found.find("dataset", f"a batch takes {1000 * made:.1f} ms to be made, the step that uses it {1000 * step:.1f} ms",
                   _advice(bench))  # fmt: skip
    return found


def _step(bench: Bench, seconds: float) -> float:
    """The median time of a step, without that of the loader."""
    batches, times = list(islice(bench.batches(), bench.experiment.config.train.accumulate)), list[float]()
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
