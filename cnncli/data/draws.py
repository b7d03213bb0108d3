"""Random numbers for the samples of a batch that depend on seed, epoch and position in the epoch, on nothing else.

They come from a counter, not from a generator's state (Salmon et al. 2011), hashed by SplitMix64 (Steele et al. 2014):
however an epoch is cut into batches and wherever it is entered, a sample is changed in the same way.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnncli.core.seeding import derive_seed

Hashes = NDArray[np.uint64]

GAMMA = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: multiples of it spread over all 64 bits


class Draws:
    """Random columns for ``B`` samples, each call a new one, with one value for each sample.

    ``indices`` says which samples of the set they are, ``positions`` their places in the epoch, int64 ``[B]`` both.
    The place is what counts: a sampler may draw a sample twice in an epoch, and changes it in two ways.
    """

    def __init__(self, seed: int, epoch: int, indices: Tensor, positions: Tensor) -> None:
        self.seed, self.epoch, self.indices = seed, epoch, indices
        self._streams = _hashed(positions, derive_seed(seed, "augment", epoch))
        self._calls = 0

    def __len__(self) -> int:
        return len(self.indices)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Float64 ``[B]`` from ``low`` up to, but not, ``high``."""
        units = (self._column() >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return torch.from_numpy(units).mul_(high - low).add_(low)

    def integers(self, n: int | Tensor) -> Tensor:
        """Int64 ``[B]`` from 0 up to, but not, ``n``, which may differ between the samples."""
        return self.uniform().mul_(n).long()

    def chance(self, p: float) -> Tensor:
        """Bool ``[B]``, true with probability ``p``."""
        return self.uniform() < p

    def seeds(self) -> list[int]:
        """A 63-bit seed for each sample, for what draws from a generator of its own."""
        return [bits >> 1 for bits in self._column().tolist()]

    def lasting_bit(self) -> Tensor:
        """Int64 ``[B]`` of zeros and ones that a sample of the set keeps in every epoch."""
        bits = _hashed(self.indices, derive_seed(self.seed, "lasting")) >> np.uint64(63)
        return torch.from_numpy(bits.astype(np.int64))

    def _column(self) -> Hashes:
        self._calls += 1
        return _mixed(self._streams + np.uint64(self._calls * GAMMA % 2**64))


def _hashed(numbers: Tensor, key: int) -> Hashes:
    return _mixed(numbers.numpy().astype(np.uint64) * np.uint64(GAMMA) + np.uint64(key))


def _mixed(bits: Hashes) -> Hashes:
    """SplitMix64's finalizer: every bit of the result depends on every bit given."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
