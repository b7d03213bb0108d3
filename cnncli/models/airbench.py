"""The network of cifar10-airbench (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU")."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from cnncli.core.errors import DoesNotFit
from cnncli.core.numbers import Count
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.kinds import takes
from cnncli.models.whitening import Whitening

Momentum = Annotated[float, Field(gt=0, le=1)]


class Scale(nn.Module):
    """``x · factor``."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def extra_repr(self) -> str:
        return f"{self.factor:.4g}"


@models.register("airbench")
def airbench(
    spec: DataSpec, /, widths: tuple[Count, ...] = (64, 256, 256), convs: Annotated[int, Field(ge=1, le=4)] = 2,
    bn_momentum: Momentum = 0.4, scale: float = 1 / 9,
) -> nn.Sequential:  # fmt: skip
    """Whitened 2×2 patches, then [conv, maxpool, (batchnorm, GELU, conv) …] of each width: 94 % in few epochs."""
    takes("airbench", spec, "pictures")
    channels, height, width = spec.input_shape
    if min(height, width) < 2 * 2 ** len(widths):
        raise DoesNotFit(f"airbench halves the picture {len(widths)} times; use larger pictures or fewer widths")
    whitening = Whitening(channels, kernel_size=2)
    body: list[nn.Module] = [whitening, nn.GELU()]
    before = whitening.out_channels
    for after in widths:
        body += [_conv(before, after), nn.MaxPool2d(2), _norm(after, bn_momentum), nn.GELU()]
        for _ in range(convs - 1):
            body += [_conv(after, after), _norm(after, bn_momentum), nn.GELU()]
        before = after
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(before, spec.num_outputs, bias=False), Scale(scale)]
    return nn.Sequential(*body, *head)


def _conv(before: int, after: int) -> nn.Conv2d:
    """3×3; the first filters pass the input on unchanged, so that the net begins close to the identity."""
    conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[: conv.weight.shape[1]])
    return conv


def _norm(features: int, momentum: float) -> nn.BatchNorm2d:
    """BatchNorm whose scale stays 1: GELU sees every channel at the same size, only the shift is learned."""
    norm = nn.BatchNorm2d(features, eps=1e-12, momentum=momentum)
    norm.weight.requires_grad = False
    return norm
