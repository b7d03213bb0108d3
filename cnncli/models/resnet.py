"""Residual networks for pictures of 8 to 64 pixels, where torchvision's would shrink them away at once."""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.core.numbers import Count
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.kinds import takes


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut; where the shape changes the shortcut is a 1×1 convolution."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


def _resnet(spec: DataSpec, /, depth: int, width: Count = 16) -> nn.Sequential:
    """Three stages of (depth - 2) / 6 blocks with width, 2·width and 4·width channels."""
    takes(f"resnet{depth}", spec, "pictures")
    blocks: list[nn.Module] = [
        nn.Conv2d(spec.input_shape[0], width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    before = width
    for stage in range(3):
        for number in range((depth - 2) // 6):
            blocks.append(BasicBlock(before, width << stage, stride=2 if stage and not number else 1))
            before = width << stage
    model = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, spec.num_outputs))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model


for _depth in (8, 14, 20, 32, 44, 56):
    models.add(
        f"resnet{_depth}",
        partial(_resnet, depth=_depth),
        description=f"{_depth}-layer residual net for small pictures (He et al. 2015, section 4.2)",
        hidden=("depth",),
    )
