"""Settings of the process: threads, memory that is kept, denormals; and that each can be switched off."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from cnncli.compute import machine
from cnncli.compute.runtime import make_runtime
from cnncli.config.sections import ComputeConfig
from cnncli.core.cores import usable_cores

CPU = torch.device("cpu")


def test_threads_are_those_of_the_config_or_as_many_as_may_be_used() -> None:
    before = torch.get_num_threads()
    try:
        machine.set_up(ComputeConfig(threads=1), CPU)
        assert torch.get_num_threads() == 1
        machine.set_up(ComputeConfig(), CPU)
        assert torch.get_num_threads() == min(before, usable_cores()), "a run has the threads of its own config"
        torch.set_num_threads(3)
        machine.set_up(ComputeConfig(threads=1), CPU)
        machine.set_up(ComputeConfig(threads=2), CPU)
        machine.set_up(ComputeConfig(), CPU)
        assert torch.get_num_threads() == min(3, usable_cores())
        torch.set_num_threads(1)
        machine.set_up(ComputeConfig(), CPU)
        assert torch.get_num_threads() == 1, "never more than a program told torch"
    finally:
        torch.set_num_threads(before)
    assert 1 <= machine.compute_threads() <= (os.cpu_count() or 1)


def test_denormals_are_zero_unless_the_config_keeps_them() -> None:
    machine.set_up(ComputeConfig(flush_denormals=False), CPU)
    tiny = torch.tensor([1e-39])
    assert (tiny * 0.5).item() > 0
    machine.set_up(ComputeConfig(), CPU)
    assert (tiny * 0.5).item() == 0


FAULTS = """\
import resource, sys, torch
from cnncli.config.sections import ComputeConfig
from cnncli.compute.machine import set_up
set_up(ComputeConfig(keep_freed_memory=sys.argv[1] == "on"), torch.device("cpu"))
def touch(): torch.ones(16, 2**20)  # 64 MiB that are freed at once
for _ in range(30): touch()  # until the heap has found its size
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not machine.keep_freed_memory(), reason="only glibc can be asked")
@pytest.mark.slow
def test_freed_memory_is_kept_and_not_faulted_in_again() -> None:
    def faults(how: str) -> int:
        return int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)

    assert faults("on") * 5 < faults("off")


def test_networks_with_convolutions_lie_channels_innermost_unless_told_otherwise() -> None:
    net, flat = nn.Sequential(nn.Conv2d(3, 8, 3)), nn.Linear(4, 2)
    runtime = make_runtime("cpu", "fp32", 0)
    assert runtime.memory_format(net) == torch.channels_last
    assert runtime.memory_format(flat) == torch.contiguous_format
    assert next(runtime.place(net).parameters()).is_contiguous(memory_format=torch.channels_last)
    plain = make_runtime("cpu", "fp32", 0, ComputeConfig(memory_format="contiguous"))
    assert plain.memory_format(net) == torch.contiguous_format
    assert plain.settings(net, torch.optim.SGD(net.parameters(), fused=False)) == [
        *(["freed memory kept"] if machine.keep_freed_memory() else []),
        "denormals flushed",
        f"{torch.get_num_threads()} threads",
    ]
    assert "fused SGD" in runtime.settings(net, torch.optim.SGD(net.parameters(), fused=True))
