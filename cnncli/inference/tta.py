"""Test-time augmentation: the mean of a network's answers to several views of a picture."""

from collections.abc import Callable, Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.core.spec import DataSpec, Pictures

SHIFT = 16  # a view is moved by the side divided by this

Mean = Callable[[Tensor], Tensor]
"""Answers to each view ``[V, B, K]`` → one answer ``[B, K]`` that losses and metrics take like the network's own."""


def mean_of_shares(answers: Tensor) -> Tensor:
    """The logarithms of the mean probabilities of classes that exclude each other; of one logit the mean sigmoid's."""
    if answers.shape[-1] == 1:
        return mean_of_sigmoids(answers)
    return answers.softmax(-1).mean(0).clamp_min(1e-12).log()


def mean_of_sigmoids(answers: Tensor) -> Tensor:
    """The logits of the mean probabilities of classes of which each is there or not."""
    return answers.sigmoid().mean(0).logit(eps=1e-7)


def mean_of_numbers(answers: Tensor) -> Tensor:
    """The mean itself."""
    return answers.mean(0)


class Averaged(nn.Module):
    """A network over six views: the picture and its mirror image, each in place and shifted to two corners."""

    def __init__(self, network: nn.Module, mean: Mean = mean_of_shares) -> None:
        super().__init__()
        self.network, self.mean = network, mean

    def forward(self, inputs: Tensor) -> Tensor:
        return self.mean(torch.stack([self.network(view).float() for view in views(inputs)]))


def views(inputs: Tensor) -> list[Tensor]:
    """Six views of pictures ``[B, C, H, W]``; what a shift uncovers is reflected."""
    height, width = inputs.shape[-2:]
    down, right = max(height // SHIFT, 1), max(width // SHIFT, 1)
    found = []
    for picture in (inputs, inputs.flip(-1)):
        padded = F.pad(picture, (right, right, down, down), mode="reflect")
        found += [picture, padded[..., :height, :width], padded[..., 2 * down :, 2 * right :]]
    return found


def averaged(network: nn.Module, spec: DataSpec, traits: Collection[str] = ()) -> nn.Module:
    """``network`` over views, for a task with such ``traits``.

    Raises ``ConfigError`` for networks that take no pictures.
    """
    spec.require(Pictures, "the mean over views (tta)")
    mean = mean_of_sigmoids if "sigmoids" in traits else mean_of_shares
    return Averaged(network, mean if spec.numbers is None else mean_of_numbers).eval()
