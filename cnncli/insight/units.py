"""What is resampled together: samples, groups of samples, or blocks of neighbours."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnncli.insight.statistics import FEWEST_UNITS, Array

FEWEST_BLOCKS = 8
Kind = Literal["samples", "groups", "blocks"]


@dataclass(frozen=True, eq=False)
class Units:
    """``index`` ``[N]`` is the unit of each sample, counted from 0."""

    kind: Kind
    index: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many units there are."""
        return int(self.index.max()) + 1 if len(self.index) else 0

    @property
    def few(self) -> bool:
        """Whether there are too few groups or blocks to resample them."""
        return self.kind != "samples" and self.count < FEWEST_UNITS

    def sums(self, values: Array) -> Array:
        """The sums over each unit's samples, ``[units]``, of values ``[N]``."""
        return np.bincount(self.index, values, minlength=self.count)


def blocks(samples: int, length: int) -> NDArray[np.int64]:
    """The block of each of so many neighbours; the last blocks may be shorter by one."""
    count = max(samples // length, 1)
    return np.arange(samples) * count // samples


def block_length(values: Array, at_least: int = 1) -> int:
    """How long blocks of neighbours are, for what each of them adds to a difference, in their order.

    Twice Carlstein's length for blocks that do not overlap (1986), from the correlation with the next neighbour: in
    simulations, his own length gives more false alarms. At least what neighbours have in common, and so that there are
    at least eight blocks.
    """
    count, centred = len(values), values - values.mean()
    squares = float((centred**2).sum())
    correlation = float((centred[1:] * centred[:-1]).sum()) / squares if squares > 0 else 0.0
    correlation += (1 + 4 * correlation) / count if squares > 0 else 0.0  # the estimate of few neighbours is too low
    correlation = min(max(correlation, 0.0), 0.99)
    wanted = math.ceil(2 * (2 * correlation / (1 - correlation**2)) ** (2 / 3) * count ** (1 / 3))
    return max(min(max(wanted, at_least, 1), count // FEWEST_BLOCKS), 1)
