"""What is resampled together: samples, groups of samples, or blocks of neighbours."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnncli.runs.outputs import Outputs
from cnncli.scoring.statistics import FEWEST_UNITS, Array

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
        found: Array = np.bincount(self.index, values, minlength=self.count).astype(np.float64)
        return found


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
    return int(max(min(max(wanted, at_least, 1), count // FEWEST_BLOCKS), 1))


def units_of(outputs: Outputs, values: Array) -> Units:
    """What is resampled together of these samples; ``values`` ``[N]`` are what each of them adds to a difference."""
    count = len(outputs.ids)
    if not outputs.order:
        if not len(outputs.groups):
            return Units("samples", np.arange(count))
        return Units("groups", np.unique(outputs.groups, return_inverse=True)[1].astype(np.int64))
    ahead = outputs.target.shape[1] if outputs.target.ndim == 3 else 1
    length = block_length(values, 2 * ahead if ahead > 1 else 1)  # windows of neighbours share their targets
    index = np.zeros(count, dtype=np.int64)
    begin = 0
    for part in _parts(outputs):
        index[part] = blocks(len(part), length) + begin
        begin = int(index[part].max()) + 1
    return Units("blocks", index)


def _parts(outputs: Outputs) -> list[NDArray[np.int64]]:
    """The samples of each series, by their positions; all together where there is one."""
    names = outputs.groups
    if not len(names):
        names = np.array([name.rpartition("@")[0] for name in outputs.ids.tolist()])
    numbers = np.unique(names, return_inverse=True)[1]
    return [np.flatnonzero(numbers == number) for number in range(int(numbers.max()) + 1)] if len(names) else []
