"""Where and how tensors are computed: device, precision, seeds."""

import os
import platform
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol

import torch
from torch import nn

from cnncli import __version__
from cnncli.compute.kernels import Float32LSTM, avoid_faulty_kernels
from cnncli.compute.machine import keep_freed_memory, processor, set_up
from cnncli.config.sections import ComputeConfig
from cnncli.core.errors import ConfigError
from cnncli.core.seeding import derive_seed

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_NOTHING = nullcontext()


class Clock(Protocol):
    """Measures the parts of a step."""

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """Counts the time inside towards ``name``."""


@dataclass(frozen=True)
class Runtime:
    """The device, the precision of the forward pass, the run's seed, and how the arithmetic is done."""

    device: torch.device
    precision: str
    seed: int
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    clock: Clock | None = None

    def place(self, model: nn.Module) -> nn.Module:
        """``model`` on the device, its filters in the order of memory that suits them, without kernels that fail."""
        placed: nn.Module = model.to(self.device, memory_format=self.memory_format(model))  # type: ignore[call-overload]
        if self.device.type == "cpu":
            half = "bf16" if self.precision == "auto" else self.precision  # what a trial may choose
            avoid_faulty_kernels(placed, _DTYPES.get(half))
        return placed

    def memory_format(self, model: nn.Module) -> torch.memory_format:
        """Channels innermost for networks with two-dimensional convolutions, unless the config says otherwise."""
        wanted = self.compute.memory_format
        convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
        suits = convolves and self.device.type in ("cpu", "cuda")
        innermost = suits if wanted == "auto" else wanted == "channels_last"
        return torch.channels_last if innermost else torch.contiguous_format

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """A part of a training step, timed while the run is profiled."""
        return _NOTHING if self.clock is None else self.clock.phase(name)

    def settings(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
        """What is switched on, in words."""
        compute = self.compute
        on = {
            "channels innermost": self.memory_format(model) == torch.channels_last,
            "compiled": compute.compile == "on" or (compute.compile == "cuda_graphs" and self.device.type != "cuda"),
            "compiled with CUDA graphs": compute.compile == "cuda_graphs" and self.device.type == "cuda",
            f"fused {type(optimizer).__name__}": bool(optimizer.defaults.get("fused")),
            "freed memory kept": compute.keep_freed_memory and keep_freed_memory(),
            "denormals flushed": compute.flush_denormals and self.device.type == "cpu",
            "LSTM in fp32": self.precision in _DTYPES and any(isinstance(m, Float32LSTM) for m in model.modules()),
            "TF32": compute.tf32 and self.device.type == "cuda",
            f"{torch.get_num_threads()} threads": True,
        }
        return [what for what, is_on in on.items() if is_on]

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of forward pass and loss: mixed precision where it was asked for."""
        if self.precision not in _DTYPES:
            return _NOTHING
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision])

    def seed_step(self, step: int) -> None:
        """Give one training step (dropout, say) a random stream that depends on seed and step only."""
        seed = derive_seed(self.seed, "step", step)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also queue a call for every other backend
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)
        elif self.device.type == "mps":
            torch.mps.manual_seed(seed)

    def seed_weights(self) -> None:
        """The random stream of the initial weights."""
        torch.manual_seed(self.seed)

    @property
    def description(self) -> str:
        """``cuda:0 (NVIDIA H100)``, ``cpu (2 threads)``."""
        if self.device.type == "cuda":
            return f"{self.device} ({torch.cuda.get_device_name(self.device)})"
        return f"cpu ({processor(self.device)})" if self.device.type == "cpu" else str(self.device)


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


def make_runtime(device: str, precision: str, seed: int, compute: ComputeConfig | None = None) -> Runtime:
    """The runtime of a config's ``device``, ``precision``, ``seed`` and ``compute``; sets the process up for it."""
    compute = compute or ComputeConfig()
    picked = pick_device(device)
    set_up(compute, picked)
    return Runtime(picked, precision, seed, compute)


def environment(runtime: Runtime) -> dict[str, Any]:
    """What a result may depend on besides the config: versions, commit, device, threads, command."""
    packages = ("torch", "torchvision", "numpy", "pydantic", "tensorboard")
    return {
        "cnncli": __version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "platform": platform.platform(),
        "processor": processor(runtime.device),
        "device": str(runtime.device),
        "device_description": runtime.description,
        "precision": runtime.precision,
        "compute": runtime.compute.model_dump(mode="json"),
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
