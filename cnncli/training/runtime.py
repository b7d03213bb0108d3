"""Where and how tensors are computed: device, precision, seeds."""

import os
import platform
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch

from cnncli import __version__
from cnncli.core.errors import ConfigError
from cnncli.core.seeding import derive_seed

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Runtime:
    """The device, the precision of the forward pass, and the run's seed."""

    device: torch.device
    precision: str
    seed: int

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of forward pass and loss: mixed precision where it was asked for."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision])

    def seed_step(self, step: int) -> None:
        """Give one training step (dropout, say) a random stream that depends on seed and step only."""
        torch.manual_seed(derive_seed(self.seed, "step", step))

    def seed_weights(self) -> None:
        """The random stream of the initial weights."""
        torch.manual_seed(self.seed)

    @property
    def description(self) -> str:
        """``cuda:0 (NVIDIA H100)``, ``cpu (2 threads)``."""
        if self.device.type == "cuda":
            return f"{self.device} ({torch.cuda.get_device_name(self.device)})"
        return f"cpu ({torch.get_num_threads()} threads)" if self.device.type == "cpu" else str(self.device)


def pick_device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` takes cuda, else mps, else cpu.

    Raises ``ConfigError`` when it is not there: nothing falls back silently.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device: there is no '{name}' here ({torch.cuda.device_count()} CUDA devices); use auto or cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device: there is no 'mps' here; use auto or cpu")
    return device


def make_runtime(device: str, precision: str, seed: int) -> Runtime:
    """The runtime of a config's ``device``, ``precision`` and ``seed``."""
    return Runtime(pick_device(device), precision, seed)


def environment(runtime: Runtime) -> dict[str, Any]:
    """What a result may depend on besides the config: versions, commit, device, threads, command."""
    packages = ("torch", "torchvision", "numpy", "pydantic", "tensorboard")
    return {
        "cnncli": __version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "device": str(runtime.device),
        "device_description": runtime.description,
        "precision": runtime.precision,
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda if runtime.device.type == "cuda" else None,
        "git_commit": _git_commit(),
        "command": sys.argv,
        "pid": os.getpid(),
    }


def _git_commit() -> str | None:
    """The commit of the folder that the command runs in, marked when files are changed; None outside git."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
