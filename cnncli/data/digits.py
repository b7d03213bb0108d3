"""Scikit-learn's handwritten digits: part of the installation, so they run anywhere at once."""

import torch

from cnncli.core.registry import datasets
from cnncli.data.raw import RawData
from cnncli.data.sources import ArraySource
from cnncli.data.splits import stratified_split

TEST_FRACTION = 0.2


@datasets.register("digits")
def digits() -> RawData:
    """1,797 handwritten digits of 8×8 grey pixels; needs no download (a fixed fifth of each class is test)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    # 17 grey levels, 0…16, onto 0…255: 16 · 15.9375 = 255, and no two levels fall together
    images = torch.from_numpy((bunch.images * 15.9375).round()).to(torch.uint8).unsqueeze(1)
    targets = torch.from_numpy(bunch.target).long()
    train, test = stratified_split(targets, TEST_FRACTION, seed=0)
    everything = ArraySource(images, targets)
    return RawData(
        classes=tuple(str(digit) for digit in range(10)),
        train=everything.subset(train),
        test=everything.subset(test),
    )
