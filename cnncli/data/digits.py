"""Scikit-learn's handwritten digits: part of the installation, so they run anywhere at once."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnncli.core.registry import datasets
from cnncli.data.pictures import PictureData
from cnncli.data.sources import ArraySource
from cnncli.data.splits import stratified_split

TEST_FRACTION = 0.2
FILE = "datasets/data/digits.csv.gz"  # inside scikit-learn


@datasets.register("digits")
def digits() -> PictureData:
    """1,797 handwritten digits of 8×8 grey pixels; needs no download (a fixed fifth of each class is test)."""
    rows = _rows()
    # 17 grey levels, 0…16, onto 0…255: 16 · 15.9375 = 255, and no two levels fall together
    images = (rows[:, :-1] * 15.9375).round().to(torch.uint8).view(-1, 1, 8, 8)
    targets = rows[:, -1].long()
    train, test = stratified_split(targets, TEST_FRACTION, seed=0)
    everything = ArraySource(images, targets)
    return PictureData(
        classes=tuple(str(digit) for digit in range(10)),
        train=everything.subset(train),
        test=everything.subset(test),
    )


def _rows() -> Tensor:
    """64 grey levels and the digit, float64 ``[1797, 65]``, from scikit-learn's file: importing all of it is slow."""
    found = find_spec("sklearn")
    file = Path(found.origin if found and found.origin else "").parent / FILE
    if file.is_file():
        return torch.from_numpy(np.loadtxt(file, delimiter=","))
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return torch.from_numpy(np.column_stack([bunch.data, bunch.target]))
