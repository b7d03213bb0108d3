"""Settings of the process and the processor, made before the first large tensor, and what the machine can do."""

import ctypes
import os
import platform
import sys
from functools import cache

import torch

from cnncli.compute.determinism import be_deterministic, be_free
from cnncli.config.sections import ComputeConfig
from cnncli.core.cores import usable_cores

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
_LARGEST, _PAD = 2**30, 2**26  # bytes
_of_runs: dict[int, int] = {}  # the number of threads that the last run has set, and that of before all runs


def set_up(compute: ComputeConfig, device: torch.device, processes: int = 1) -> None:
    """Make the settings of ``compute`` for this process, one of so many; all of them last until it ends."""
    if compute.keep_freed_memory:
        keep_freed_memory()
    # before the worker threads of OpenMP exist: they inherit it from this one
    torch.set_flush_denormal(compute.flush_denormals)
    # a config may come from a larger machine: thousands of threads on two cores are as good as a hang
    threads = compute_threads(processes) if compute.threads == "auto" else min(compute.threads, os.cpu_count() or 1)
    if threads != torch.get_num_threads():
        before = _threads_without_runs()
        torch.set_num_threads(threads)
        _of_runs.clear()
        _of_runs[threads] = before
    # a run before this one may have set it
    be_deterministic() if device.type == "cuda" and compute.deterministic else be_free()
    if device.type == "cuda":
        _set_up_cuda(compute, device)


def _set_up_cuda(compute: ComputeConfig, device: torch.device) -> None:
    # the one way of saying it after which all of torch's ways of asking still answer
    torch.set_float32_matmul_precision("high" if compute.tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = compute.tf32
    if device.index or torch.cuda.is_initialized():  # pinned memory and capabilities are then those of this card
        torch.cuda.set_device(device)


def wait_for(device: torch.device) -> None:
    """Until ``device`` has done all that it was asked for: before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that tensors took on ``device`` so far; of a CPU, the process; None where nobody counts."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()  # of now: freed memory stays with the driver
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory; False where there is none, or it refuses.

    By default large blocks go back to the system when they are freed, and the next step faults the same pages in
    again, zeroed: a fifth of the time of a small network on a CPU. The results are the same to the last bit.
    """
    libc = _glibc()
    if libc is None:
        return False
    # older releases take no more than 32 MiB; the others only help where large blocks come from the heap at all
    if not any(libc.mallopt(_M_MMAP_THRESHOLD, size) for size in (_LARGEST, 2**25)):
        return False
    return all([libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1), libc.mallopt(_M_TOP_PAD, _PAD)])


def give_freed_memory_back() -> None:
    """Once, what was freed so far: what a large file takes while it is read is more than an epoch needs."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" and platform.libc_ver()[0] == "glibc" else None


def compute_threads(processes: int = 1) -> int:
    """Threads to compute with: this process's part of the cores it may use, and no more than torch's own choice."""
    return max(min(_threads_without_runs(), usable_cores() // processes), 1)


def _threads_without_runs() -> int:
    """Those that torch chose or a program told it, whatever a run before this one has set."""
    now = torch.get_num_threads()
    return _of_runs.get(now, now)


def made_for_bf16(device: torch.device) -> bool:
    """Whether the processor has instructions for bfloat16; elsewhere it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    can = torch.cpu.get_capabilities()
    return any(can.get(name) is True for name in ("amx_bf16", "avx512_bf16", "bf16"))


def processor(device: torch.device) -> str:
    """The name of what computes."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())
