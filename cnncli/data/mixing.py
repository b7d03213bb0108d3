"""MixUp and CutMix: samples of a batch mixed with each other, each in a share of its own, labels in the same shares."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.core.numbers import Positive
from cnncli.core.registry import transforms
from cnncli.core.seeding import derive_seed
from cnncli.core.targets import Shares
from cnncli.data.transfer import sent

Mixer = Callable[[Tensor, np.random.Generator], tuple[Tensor, Tensor]]
"""float32 ``[B, C, H, W]`` → the batch mixed with itself rolled by one, and float64 ``[B]``: what is left of each."""


class Mix:
    """Mixes the samples of a batch with each other: one of ``mixers``, drawn anew for every batch."""

    def __init__(self, mixers: list[Mixer], num_classes: int, seed: int) -> None:
        self.mixers, self.num_classes, self.seed = mixers, num_classes, seed

    def __call__(self, inputs: Tensor, targets: Tensor, epoch: int, batch: int) -> tuple[Tensor, Shares]:
        """float32 ``[B, C, H, W]`` mixed, and the share that each class has then.

        Targets are class numbers, int64 ``[B]``, or 1.0 for each class that there is, float ``[B, K]``.
        """
        rng = np.random.default_rng(derive_seed(self.seed, "mix", epoch, batch))
        mixed, own = self.mixers[rng.integers(len(self.mixers))](inputs, rng)
        labels = targets.float() if targets.is_floating_point() else F.one_hot(targets, self.num_classes).float()
        share = sent(own.float(), inputs.device).view(-1, 1)
        return mixed, Shares(share * labels + (1 - share) * labels.roll(1, 0))


@transforms.register("mixup", traits={"batches"})
def mixup(alpha: Positive = 0.2) -> Mixer:
    """Batches: every picture blended with another, labels in the same parts (Zhang et al. 2017)."""
    return partial(blended, alpha=alpha)


@transforms.register("cutmix", traits={"batches"})
def cutmix(alpha: Positive = 1.0) -> Mixer:
    """Batches: a rectangle of every picture from another, labels in the same parts (Yun et al. 2019)."""
    return partial(patched, alpha=alpha)


def blended(inputs: Tensor, rng: np.random.Generator, alpha: float) -> tuple[Tensor, Tensor]:
    """``own · x + (1 - own) · x'`` with ``own`` from Beta(alpha, alpha)."""
    own = torch.from_numpy(rng.beta(alpha, alpha, len(inputs)))
    weight = sent(own.to(inputs.dtype), inputs.device).view(-1, 1, 1, 1)
    return torch.lerp(inputs.roll(1, 0), inputs, weight), own


def patched(inputs: Tensor, rng: np.random.Generator, alpha: float) -> tuple[Tensor, Tensor]:
    """A rectangle of the shape of the picture, about a uniform centre and cut off at the border, from the other.

    Its area is ``1 - lambda`` before it is cut off, with lambda from Beta(alpha, alpha).
    """
    sides = np.sqrt(1 - rng.beta(alpha, alpha, len(inputs)))
    inside, areas = [], []
    for length in inputs.shape[2:]:
        half = (0.5 * sides * length).astype(np.int64)
        middle = rng.integers(length, size=len(inputs))
        first, last = np.clip(middle - half, 0, None), np.clip(middle + half, None, length)
        line = np.arange(length)
        inside.append(sent(torch.from_numpy((line >= first[:, None]) & (line < last[:, None])), inputs.device))
        areas.append((last - first) / length)
    rows, columns = inside
    foreign = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(foreign, inputs.roll(1, 0), inputs), torch.from_numpy(1 - areas[0] * areas[1])
