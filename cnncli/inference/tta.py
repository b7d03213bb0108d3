"""Test-time augmentation: the mean of a network's answers to several views of a picture."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.core.spec import DataSpec, Pictures

SHIFT = 16  # a view is moved by the side divided by this


class Averaged(nn.Module):
    """A network over six views: the picture and its mirror image, each in place and shifted to two corners.

    What is averaged are probabilities ``[B, K]`` (of one logit, sigmoids); what is given are their logarithms, so
    that losses and metrics take them for logits.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        answers = torch.stack([self.network(view).float() for view in views(inputs)])
        if answers.shape[-1] == 1:
            return answers.sigmoid().mean(0).logit(eps=1e-7)
        return answers.softmax(-1).mean(0).clamp_min(1e-12).log()


def views(inputs: Tensor) -> list[Tensor]:
    """Six views of pictures ``[B, C, H, W]``; what a shift uncovers is reflected."""
    height, width = inputs.shape[-2:]
    down, right = max(height // SHIFT, 1), max(width // SHIFT, 1)
    found = []
    for picture in (inputs, inputs.flip(-1)):
        padded = F.pad(picture, (right, right, down, down), mode="reflect")
        found += [picture, padded[..., :height, :width], padded[..., 2 * down :, 2 * right :]]
    return found


def averaged(network: nn.Module, spec: DataSpec) -> nn.Module:
    """``network`` over views; raises ``ConfigError`` for networks that take no pictures."""
    spec.require(Pictures, "the mean over views (tta)")
    return Averaged(network).eval()
