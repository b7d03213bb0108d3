"""A GPU computes in a fixed order where it can: settings, layers done otherwise, and what is said of the rest."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cnncli.compute import determinism, machine
from cnncli.compute.runtime import Runtime
from cnncli.config.sections import ComputeConfig
from cnncli.core.notices import collecting
from cnncli.training import repeatable
from tests.conftest import ROOT

SETTINGS = """\
import json, os, sys, torch
torch.cuda.set_device = lambda device: print("card", device)
from cnncli.compute.machine import set_up
from cnncli.config.sections import ComputeConfig
from torch.utils import deterministic
which = dict(word.split("=", 1) for word in sys.argv[2:])
which = {key: json.loads(value) for key, value in which.items()}
set_up(ComputeConfig.model_validate(which), torch.device(sys.argv[1]))
cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
print(cuda.matmul.allow_tf32, cudnn.allow_tf32, torch.get_float32_matmul_precision(), cuda.matmul.fp32_precision,
      cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision, torch.backends.fp32_precision, cudnn.fp32_precision)
print(torch.get_deterministic_debug_mode(), cudnn.deterministic, cudnn.benchmark,
      torch.utils.deterministic.fill_uninitialized_memory, os.environ.get("CUBLAS_WORKSPACE_CONFIG"))
"""


def settings(device: str, *which: str, **environment: str) -> list[str]:
    """What a new process says after it was set up for ``device``."""
    given = {key: value for key, value in os.environ.items() if key != "CUBLAS_WORKSPACE_CONFIG"}
    given |= {"PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", SETTINGS, device, *which]
    return subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.slow
def test_all_that_torch_can_be_asked_of_tf32_is_answered() -> None:
    assert settings("cuda:0")[0] == "True True high tf32 tf32 tf32 none none"
    assert settings("cuda:0", "tf32=false")[0] == "False False highest ieee none none none none"


@pytest.mark.slow
def test_the_order_of_sums_is_fixed_on_a_gpu_unless_the_config_frees_it() -> None:
    assert settings("cuda:0")[1] == "1 True False False :4096:8"
    assert settings("cuda:0", CUBLAS_WORKSPACE_CONFIG=":16:8")[1].endswith(" :16:8"), "the user's own value stays"
    assert settings("cuda:0", "deterministic=false")[1] == "0 False False True None"
    assert settings("cpu")[1] == "0 False False True None", "nothing changes on the CPU"


@pytest.mark.slow
def test_another_card_than_the_first_is_made_the_current_one() -> None:
    assert settings("cuda:1")[0] == "card cuda:1"
    assert not settings("cuda:0")[0].startswith("card")


@pytest.fixture
def ordered() -> Iterator[None]:
    determinism.be_deterministic()
    yield
    determinism.be_free()
    assert torch.get_deterministic_debug_mode() == 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, (2, 3), (None, 2), (5, None)])
@pytest.mark.parametrize("kind", [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d])
def test_pools_done_otherwise_give_the_same(kind: type[nn.Module], size: Any) -> None:
    torch.manual_seed(0)
    right, model = kind(size), nn.Sequential(kind(size))
    determinism.fix_order(model)
    assert type(model[0]) is not kind
    for shape in ((2, 3, 6, 9), (3, 14, 14), (2, 3, 7, 7)):
        one, two = (torch.linspace(-1, 1, torch.Size(shape).numel()).view(shape).sin().requires_grad_() for _ in "12")
        expected, found = right(one), model(two)
        torch.testing.assert_close(found, expected)
        expected.square().sum().backward()
        found.square().sum().backward()
        torch.testing.assert_close(two.grad, one.grad)


@pytest.mark.parametrize(("side", "size"), [(6, 1), (6, 2), (6, 6), (7, 3)])
def test_no_gradient_of_a_mean_pool_is_by_the_kernel_without_an_order(side: int, size: int) -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(size))
    determinism.fix_order(model)
    left, seen = [model(torch.zeros(1, 1, side, side, requires_grad=True)).grad_fn], set()
    while left:
        node = left.pop()
        if node is not None:
            seen.add(type(node).__name__)
            left += [previous for previous, _ in node.next_functions]
    assert not [name for name in seen if "Adaptive" in name]


def test_pools_that_say_where_their_maxima_were_stay() -> None:
    model = nn.Sequential(nn.AdaptiveMaxPool2d(1, return_indices=True))
    determinism.fix_order(model)
    assert type(model[0]) is nn.AdaptiveMaxPool2d


class Unordered(torch.autograd.Function):
    """Its gradient is by an operation that torch has no fixed order for, not even on a CPU."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous().put_(torch.tensor([0]), torch.tensor([1.0]))


class Put(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Unordered.apply(x)


class Plain:
    """As much of a task and a loader as a step needs."""

    def epoch(self, _epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        yield torch.randn(8, 4), torch.zeros(8, 2)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def weight(self, targets: Tensor) -> int:
        return len(targets)

    def meter(self) -> "Plain":
        return self

    def update(self, *_: Any) -> None:
        """Counts nothing."""


@pytest.mark.usefixtures("ordered")
@pytest.mark.parametrize("exact", [True, False])
def test_a_step_tells_before_training_what_has_no_order(monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    monkeypatch.setattr(torch.cuda, "default_generators", (torch.Generator(),))
    model = nn.Sequential(
        nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2), *([Put()] * (not exact))
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    runtime = Runtime(torch.device("cuda", 0), "fp32", 0)
    plain = Plain()
    batch = next(plain.epoch(0))
    monkeypatch.setattr(plain, "epoch", lambda _epoch: iter([batch]))
    drawn = torch.get_rng_state()
    with collecting() as found:
        repeatable.settle_order(model, plain, plain, runtime)  # type: ignore[arg-type]
    assert torch.get_deterministic_debug_mode() == (2 if exact else 1)
    assert [notice.text.endswith("torch has no fixed order for put_") for notice in found] == [True] * (not exact)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.usefixtures("ordered")
def test_what_is_refused_in_a_step_names_the_key_that_allows_it() -> None:
    from cnncli.compute.failures import explained
    from cnncli.core.errors import TrainingError

    determinism.be_strict()
    with pytest.raises(TrainingError, match="put_ has no fixed order on a GPU; set"), explained():
        Put()(torch.ones(3, requires_grad=True)).sum().backward()
    machine.set_up(ComputeConfig(deterministic=False), torch.device("cpu"))
    Put()(torch.ones(3, requires_grad=True)).sum().backward()


def test_layers_are_named_by_the_operation_of_their_gradient() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReflectionPad2d(1), nn.AdaptiveMaxPool2d(3), nn.Upsample(2))
    operations = ["reflection_pad2d_backward_out_cuda", "upsample_linear1d_backward_out_cuda", "kthvalue CUDA"]
    with collecting() as found:
        determinism.tell_disorder(model, operations)
    assert found[0].text.endswith("for ReflectionPad2d (1), Upsample (3), kthvalue CUDA")
