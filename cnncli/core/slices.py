"""Parts of a split that are judged one by one: by a column of the data, or by folders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Slices:
    """``index`` ``[N]`` is the slice of each sample in the split's order, a position in ``names``.

    ``by`` is what was asked for, ``note`` how values became slices, where that is to be known.
    """

    by: str
    names: tuple[str, ...]
    index: NDArray[np.int64]
    note: str = ""
