"""How many processor cores this process may use."""

import math
import os
from pathlib import Path


def usable_cores() -> int:
    """The cores that the process is allowed, within its container's share; at least one."""
    limits = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        limits.append(len(os.sched_getaffinity(0)))
    limits += _container_share(Path("/sys/fs/cgroup/cpu.max"))
    return max(min(limits), 1)


def _container_share(limits: Path) -> list[int]:
    """The processors that a container may use, rounded up; empty where nothing limits it."""
    try:
        quota, period = limits.read_text(encoding="utf-8").split()
    except (OSError, ValueError):  # no such file, or none of this form
        return []
    return [] if quota == "max" else [math.ceil(int(quota) / int(period))]
