"""Kernels that fail on some processors are avoided: gradients are right in both formats, LSTMs compute everywhere."""

import copy
import os
import pickle
import platform
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from cnncli.compute.kernels import Float32LSTM, SlicedConv2d
from cnncli.compute.runtime import Runtime
from cnncli.config.sections import ComputeConfig
from cnncli.core.registry import models
from tests.conftest import ROOT
from tests.models.test_models import NEEDED, OWN, spec

CPU = torch.device("cpu")
STRIDED = ["resnet18", "resnet50", "regnet_x_400mf"]
"""Of torchvision's, those with strided 1×1 convolutions."""


def place(model: nn.Module, precision: str = "fp32", **compute: str) -> nn.Module:
    return Runtime(CPU, precision, 0, ComputeConfig.model_validate(compute)).place(model)


def gradients(model: nn.Module, inputs: Tensor) -> list[Tensor]:
    model.zero_grad()
    F.cross_entropy(model(inputs), torch.arange(len(inputs))).backward()
    return [p.grad.double() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("memory_format", ["channels_last", "contiguous"])
@pytest.mark.parametrize("name", OWN + STRIDED)
def test_gradients_are_those_of_float64_in_both_formats(name: str, memory_format: str) -> None:
    torch.manual_seed(0)
    model = models.build(name, spec((3, 32, 32), 4), **NEEDED.get(name, {})).eval()  # without dropout
    inputs = torch.randn(4, 3, 32, 32)
    exact = gradients(copy.deepcopy(model).double(), inputs.double())
    found = gradients(place(model, memory_format=memory_format), inputs)
    errors = [(one - other).norm() / other.norm() for one, other in zip(found, exact, strict=True)]
    assert max(errors) < 0.03, "a value that is zero but for rounding passes one ReLU and not the other: 0.01"


STRIDED_GRADIENTS = """\
import copy, sys, torch
from torch import nn
from cnncli.config.sections import ComputeConfig
from cnncli.compute.runtime import make_runtime
channels, size, threads = map(int, sys.argv[1:4])
net = nn.Sequential(nn.Conv2d(3, channels, 1), nn.Conv2d(channels, 8, 1, stride=2))
exact = copy.deepcopy(net).double()
inputs = torch.randn(8, 3, size, size)
exact(inputs.double()).square().mean().backward()
runtime = make_runtime("cpu", sys.argv[4], 0, ComputeConfig(threads=threads))
net = runtime.place(net)
for _ in range(30):
    kept = torch.randn(1000)  # whatever lies behind the workspace must not change
    net.zero_grad()
    with runtime.autocast():
        outputs = net(inputs)
    outputs.float().square().mean().backward()
    for found, right in zip(net.parameters(), exact.parameters()):
        error = (found.grad - right.grad).norm() / right.grad.norm()
        assert error < (1e-4 if runtime.precision == "fp32" else 0.1), error
"""


@pytest.mark.parametrize(
    ("instructions", "channels", "size", "threads", "precision"),
    [
        ("AVX2", 4, 16, 1, "fp32"),
        ("AVX2", 4, 16, 2, "fp32"),
        ("AVX512_CORE", 12, 112, 1, "fp32"),
        ("AVX512_CORE", 12, 112, 1, "bf16"),
    ],
)
@pytest.mark.slow
def test_strided_pointwise_convolutions_of_few_channels_neither_crash_nor_hang(
    instructions: str, channels: int, size: int, threads: int, precision: str
) -> None:
    run(STRIDED_GRADIENTS, instructions, channels, size, threads, precision)


def run(code: str, instructions: str, *arguments: object) -> None:
    """Run ``code`` where oneDNN has no instructions beyond these; whatever crashes or hangs takes no test along."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_sliced_convolution_is_the_same_to_everything_but_the_processor() -> None:
    net = nn.Sequential(nn.Conv2d(4, 8, 1, stride=(2, 3)), nn.Flatten(), nn.LazyLinear(2))
    inputs = torch.randn(2, 4, 9, 10)
    expected, names = net(inputs), list(net.state_dict())
    placed = place(net)
    assert type(placed[0]) is SlicedConv2d
    assert list(placed.state_dict()) == names
    torch.testing.assert_close(placed(inputs), expected)
    torch.testing.assert_close(placed[0](inputs[0]), placed[0](inputs)[0])
    for other in (place(placed), copy.deepcopy(placed), pickle.loads(pickle.dumps(placed)), AveragedModel(placed)):
        torch.testing.assert_close(other(inputs), expected)
    placed.load_state_dict(copy.deepcopy(placed.state_dict()))
    placed.compile(backend="eager")
    torch.testing.assert_close(placed(inputs), expected)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(16, 4, 1, 2), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, 2), nn.Conv2d(4, 4, 1, 2, padding=1),
     nn.Conv2d(4, 4, 1, 2, groups=2), nn.ConvTranspose2d(4, 4, 1, 2)],
)  # fmt: skip
def test_convolutions_that_are_computed_rightly_stay_as_they_are(layer: nn.Module) -> None:
    assert type(place(copy.deepcopy(layer))) is type(layer)


HALF_LSTM = """\
import torch
from torch import nn
from cnncli.compute.runtime import make_runtime
net, inputs = nn.LSTM(8, 16, batch_first=True), torch.randn(4, 5, 8)
right, state = net(inputs)
runtime = make_runtime("cpu", "bf16", 0)
net = runtime.place(net)
with runtime.autocast():
    found, state = net(inputs)
    again, _ = net(inputs, state)
again.sum().backward()
assert found.dtype == torch.float32 and torch.equal(found, right)
assert "LSTM in fp32" in runtime.settings(net, torch.optim.SGD(net.parameters()))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="only on x86 can oneDNN be held back")
@pytest.mark.slow
def test_an_lstm_stays_in_float32_where_the_processor_has_none_of_bf16() -> None:
    run(HALF_LSTM, "AVX2")


@pytest.mark.parametrize("precision", ["auto", "bf16", "fp16"])
@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_learn_in_every_precision(cell: type[nn.RNNBase], precision: str) -> None:
    torch.manual_seed(0)
    body = cell(8, 16, 2, batch_first=True, bidirectional=True)
    inputs = torch.randn(4, 5, 8)
    right, _ = body(inputs)
    before = torch.get_rng_state()
    placed = place(body, precision)
    assert torch.equal(torch.get_rng_state(), before), "what a run draws does not depend on the processor"
    with Runtime(CPU, "bf16" if precision == "auto" else precision, 0).autocast():
        found, _ = placed(inputs)
    torch.testing.assert_close(found.float(), right, atol=0.02, rtol=0.02)
    found.float().square().mean().backward()
    assert all(p.grad is not None for p in placed.parameters())


def test_packed_sequences_and_states_of_half_precision_become_float32() -> None:
    lstm = nn.LSTM(8, 16, batch_first=True)
    inputs = torch.randn(2, 5, 8)
    right, _ = lstm(inputs)
    lstm.__class__ = Float32LSTM
    packed = nn.utils.rnn.pack_padded_sequence(inputs, [5, 5], batch_first=True)
    state = (torch.zeros(1, 2, 16).half(), torch.zeros(1, 2, 16).half())
    with torch.autocast("cpu", dtype=torch.float16):
        found, _ = lstm(packed, state)
    torch.testing.assert_close(nn.utils.rnn.pad_packed_sequence(found, batch_first=True)[0], right)
