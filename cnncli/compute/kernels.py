"""Layers whose CPU kernels are faulty or missing, computed another way: same weights, same names, same results."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_BLOCK = 16
"""Channels that oneDNN's kernels take at a time with AVX-512; 8 with AVX2."""


class SlicedConv2d(nn.Conv2d):
    """A 1×1 convolution with a stride, computed without one on the pixels that it would have read.

    The backward pass of oneDNN's strided kernel takes whole blocks of channels. Where the images lie channels
    innermost and have fewer channels than a block, it writes past its workspace: wrong gradients, a hang or a crash
    (https://github.com/uxlfoundation/oneDNN/issues/6035). Contiguous inputs avoid it only if the weight counts as
    contiguous, too, which optimizers, ``copy.deepcopy`` and ``Module.to`` may change; slices need no such care.
    """

    def forward(self, input: Tensor) -> Tensor:
        rows, columns = self.stride
        return F.conv2d(input[..., ::rows, ::columns], self.weight, self.bias)


class Float32LSTM(nn.LSTM):
    """An LSTM that stays in float32 under autocast, for processors that have none in half precision."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float(), None if hx is None else tuple(state.float() for state in hx))


def avoid_faulty_kernels(model: nn.Module, autocast: torch.dtype | None) -> None:
    """Change the layers of ``model`` that CPUs compute wrongly, or cannot compute under ``autocast``, in place.

    Subclasses of the layers are left alone: they may compute something else.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _reaches_the_strided_kernel(module):
            module.__class__ = SlicedConv2d
        if type(module) is nn.LSTM and autocast is not None and not _has_lstm(autocast):
            module.__class__ = Float32LSTM


def _reaches_the_strided_kernel(conv: nn.Conv2d) -> bool:
    pointwise = conv.kernel_size == (1, 1) and conv.groups == 1 and conv.padding in ((0, 0), "valid")
    return pointwise and conv.stride != (1, 1) and conv.in_channels < _BLOCK


@cache
def _has_lstm(dtype: torch.dtype) -> bool:
    """Whether this processor computes an LSTM in ``dtype``, which oneDNN only says when it is asked for one."""
    with torch.random.fork_rng(devices=[]):
        lstm = nn.LSTM(8, 8)
    try:
        with torch.enable_grad(), torch.autocast("cpu", dtype=dtype):
            outputs, _ = lstm(torch.zeros(1, 1, 8))
            outputs.sum().backward()
    except RuntimeError:
        return False
    return True
