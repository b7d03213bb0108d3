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
from cnncli.compute.determinism import fix_order
from cnncli.compute.devices import pick_device
from cnncli.compute.failures import PLACING, explained
from cnncli.compute.kernels import Float32LSTM, avoid_faulty_kernels
from cnncli.compute.machine import keep_freed_memory, processor, set_up
from cnncli.compute.place import place
from cnncli.compute.ranks import Ranks
from cnncli.config.sections import ComputeConfig
from cnncli.core.errors import ConfigError, Fault
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
    ranks: Ranks = field(default_factory=Ranks)

    def place(self, model: nn.Module) -> nn.Module:
        """``model`` on the device, its filters in the order of memory that suits them, without kernels that fail."""
        if self.synced:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        with explained(PLACING):
            placed: nn.Module = model.to(self.device, memory_format=self.memory_format(model))  # type: ignore[call-overload]
        if self.device.type == "cuda" and self.compute.deterministic:
            fix_order(placed)
        if self.device.type == "cpu":
            half = "bf16" if self.precision == "auto" else self.precision  # what a trial may choose
            avoid_faulty_kernels(placed, _DTYPES.get(half))
        return placed

    @property
    def synced(self) -> bool:
        """Whether the ranks exchange something in every forward pass."""
        return self.compute.sync_batchnorm and self.ranks.count > 1

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
        """Give one training step (dropout, say) a random stream that depends on seed, step and rank only."""
        seed = derive_seed(self.seed, "step", step, *([] if self.ranks.is_zero else [self.ranks.index]))
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
        """``cuda:0 (NVIDIA H100)``, ``cpu (AMD EPYC)``, and how many ranks there are of it."""
        return self._device + (f" × {self.ranks.count} ranks ({self.ranks.backend})" if self.ranks.count > 1 else "")

    @property
    def _device(self) -> str:
        if self.device.type == "cuda":
            return f"{self.device} ({torch.cuda.get_device_name(self.device)})"
        return f"cpu ({processor(self.device)})" if self.device.type == "cpu" else str(self.device)


def make_runtime(
    device: str, precision: str, seed: int, compute: ComputeConfig | None = None, ranks: Ranks | None = None
) -> Runtime:
    """The runtime of a config's ``device``, ``precision``, ``seed`` and ``compute``; sets the process up for it.

    Raises ``ConfigError`` where several ``ranks`` were started for what one process does.
    """
    compute = compute or ComputeConfig()
    if ranks is None and place().count > 1:
        raise ConfigError("this command works in one process; start it without torchrun and srun")
    ranks = ranks or Ranks()
    picked = pick_device(device, ranks.place)
    if compute.sync_batchnorm and picked.type != "cuda":
        cause = f"PyTorch has none for {picked.type}; remove it, or use GPUs"
        raise ConfigError(Fault("", "compute.sync_batchnorm", cause))
    set_up(compute, picked, ranks.place.local_count)
    ranks.watch(compute.rank_timeout)
    return Runtime(picked, precision, seed, compute, ranks=ranks)


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
        "ranks": runtime.ranks.count,
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
            capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
