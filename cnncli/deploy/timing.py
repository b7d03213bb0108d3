"""One exported file timed in a process of its own: ``python -m cnncli.deploy.timing FILE SAMPLES.npz THREADS SIZES``.

It imports what a program that uses the file imports, so that its memory is that of such a program.
"""

import json
import os
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 2.0  # of each size
LEAST = 5  # calls of each size

Feed = dict[str, Any]


def _onnx(path: Path, threads: int) -> Callable[[Feed], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)


def _torch(path: Path, threads: int) -> Callable[[Feed], object]:
    import torch

    torch.set_num_threads(threads)
    if path.suffix == ".pt2":
        module: Callable[..., object] = torch.export.load(path).module()
    else:
        from cnncli.deploy.graph import graph_of
        from cnncli.inference.predictor import load_predictor

        module = graph_of(load_predictor(path, ["device=cpu", "precision=fp32"]))
        torch.set_num_threads(threads)

    def call(feed: Feed) -> object:
        with torch.inference_mode():
            return module(*(torch.from_numpy(value) for value in feed.values()))

    return call


def timed(call: Callable[[Feed], object], feed: Feed) -> float:
    """The median time of a call in milliseconds."""
    call(feed)
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        call(feed)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def peak() -> int:
    """The most memory in bytes that this process has had at a time."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux: there getrusage also counts what the process that started this one had
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        if found is not None:
            return 1024 * int(found[1])
    scale = 1 if sys.platform == "darwin" else 1024
    return scale * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(file: str, samples: str, threads: str, sizes: str) -> None:
    """Print the milliseconds at each batch size and the peak memory in bytes, as JSON."""
    path = Path(file)
    call = (_onnx if path.suffix == ".onnx" else _torch)(path, int(threads) or os.cpu_count() or 1)
    with np.load(samples) as stored:
        values = {name: stored[name] for name in stored.files}
    feeds = [
        {name.removeprefix(f"{size}:"): value for name, value in values.items() if name.startswith(f"{size}:")}
        for size in sizes.split(",")
    ]
    times = [timed(call, feed) for feed in feeds]
    print(json.dumps({"milliseconds": times, "peak": peak()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
