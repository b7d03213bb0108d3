"""The device that a contender was told to compute on, and a clock that waits for it."""

import os
import time

import torch


def chosen() -> torch.device:
    """That of ``--device``, which contenders find in ``DEVICE``."""
    return torch.device(os.environ.get("DEVICE", "cpu"))


def now(device: torch.device) -> float:
    """Seconds, once ``device`` has done all that it was asked for: a GPU works while the program goes on."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
