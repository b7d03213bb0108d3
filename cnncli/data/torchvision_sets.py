"""The published image sets that torchvision can download and read; what was read is kept in the cache."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, NamedTuple
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor

from cnncli.core.errors import DataError, StorageError
from cnncli.core.registry import datasets
from cnncli.data import cache
from cnncli.data.find import data_root
from cnncli.data.pictures import PictureData
from cnncli.data.sources import ArraySource
from cnncli.data.stamps import stamp

DIGITS = tuple(str(digit) for digit in range(10))
_IDX = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"


Opener = Callable[[Path, bool, bool], Any]
"""``(root, train, download)`` → torchvision's data set."""


def _open(name: str, files: str, opener: Opener) -> tuple[Any, Any]:
    """The training and the test split from the data folder, downloaded first when they are not there.

    Raises ``StorageError`` saying which ``files`` to place where when nothing can be downloaded.
    """
    root = data_root()
    try:
        return opener(root, True, False), opener(root, False, False)
    except (RuntimeError, ValueError, OSError, EOFError, UnpicklingError) as error:
        if "not found" not in str(error).lower():  # torchvision's word for a set that is not there
            cause = str(error).splitlines()[0]
            message = f"the files of {name} in '{root}' are damaged ({cause}); remove or replace {files}"
            raise DataError(message) from error
    try:
        root.mkdir(parents=True, exist_ok=True)
        return opener(root, True, True), opener(root, False, True)
    except (URLError, OSError, RuntimeError, EOFError) as error:
        raise StorageError(
            f"{name} is not in '{root}' and cannot be downloaded ({str(error).splitlines()[0]}); "
            f"place {files} in '{root}' or point CNNCLI_DATA at a folder that has them; "
            "'cnncli train digits' runs at once without any download"
        ) from error


class _Set(NamedTuple):
    """A set as torchvision reads it."""

    classes: tuple[str, ...]
    train: ArraySource
    test: ArraySource


def _published(what: str, files: str, read: Callable[[], _Set]) -> PictureData:
    """What ``read`` gives, or what it gave before: then nothing of torchvision, slow to import, is needed.

    ``files`` is a pattern of the files that are read, below the data folder: when they change they are read anew.
    """
    root = data_root()
    read = functools.cache(read)
    if not any(root.glob(files)):
        read()  # downloads them
    stamps = [(path.relative_to(root).as_posix(), *stamp(path)[1:]) for path in sorted(root.glob(files))]
    entry = cache.kept([what, stamps], lambda: _content(what, read()))
    if entry is None:
        return PictureData(*read())
    arrays = entry.arrays
    train, test = (
        ArraySource(arrays[f"{split}_pictures"].permute(0, 3, 1, 2), arrays[f"{split}_targets"])
        for split in ("train", "test")
    )
    return PictureData(entry.classes, train=train, test=test)


def _content(what: str, found: _Set) -> cache.Content:
    arrays = {}
    for split, source in (("train", found.train), ("test", found.test)):
        pictures = source.inputs.permute(0, 2, 3, 1)
        arrays[f"{split}_pictures"] = cache.Array(tuple(pictures.shape), pictures.dtype, pictures.split(4096))
        arrays[f"{split}_targets"] = cache.Array(tuple(source.targets.shape), torch.int64, [source.targets])
    return cache.Content(what, len(found.train) + len(found.test), arrays, found.classes)


def _array(images: Any, targets: Any) -> ArraySource:
    """Grey ``[N, H, W]`` or colour ``[N, H, W, 3]`` pictures as ``[N, C, H, W]``, the channels innermost in memory."""
    tensor: Tensor = torch.as_tensor(np.asarray(images))
    tensor = tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)
    return ArraySource(tensor, torch.as_tensor(np.asarray(targets)).long())


def _arrays(pair: tuple[Any, Any], classes: Sequence[str]) -> _Set:
    return _Set(tuple(classes), *(_array(split.data, split.targets) for split in pair))


@datasets.register("mnist")
def mnist() -> PictureData:
    """60,000 + 10,000 handwritten digits of 28×28 grey pixels."""

    def read() -> _Set:
        from torchvision.datasets import MNIST

        pair = _open("MNIST", f"MNIST/raw/{{{_IDX}}}", lambda r, t, d: MNIST(r, train=t, download=d))
        return _arrays(pair, DIGITS)

    return _published("mnist", "MNIST/raw/*-ubyte", read)


@datasets.register("fashion_mnist")
def fashion_mnist() -> PictureData:
    """60,000 + 10,000 pictures of clothes, 28×28 grey pixels, ten classes."""

    def read() -> _Set:
        from torchvision.datasets import FashionMNIST

        pair = _open(
            "FashionMNIST",
            f"FashionMNIST/raw/{{{_IDX}}}",
            lambda r, t, d: FashionMNIST(r, train=t, download=d),
        )
        return _arrays(pair, FashionMNIST.classes)

    return _published("fashion_mnist", "FashionMNIST/raw/*-ubyte", read)


@datasets.register("kmnist")
def kmnist() -> PictureData:
    """60,000 + 10,000 handwritten Japanese characters, 28×28 grey pixels, ten classes."""

    def read() -> _Set:
        from torchvision.datasets import KMNIST

        pair = _open("KMNIST", f"KMNIST/raw/{{{_IDX}}}", lambda r, t, d: KMNIST(r, train=t, download=d))
        return _arrays(pair, KMNIST.classes)

    return _published("kmnist", "KMNIST/raw/*-ubyte", read)


EmnistSplit = Literal["balanced", "byclass", "bymerge", "digits", "letters", "mnist"]


@datasets.register("emnist")
def emnist(split: EmnistSplit = "balanced") -> PictureData:
    """Handwritten letters and digits, 28×28 grey pixels; `split` chooses which."""

    def read() -> _Set:
        from torchvision.datasets import EMNIST

        pair = _open(
            "EMNIST",
            f"EMNIST/raw/emnist-{split}-{{train,test}}-{{images-idx3,labels-idx1}}-ubyte",
            lambda r, t, d: EMNIST(r, split=split, train=t, download=d),
        )
        train, test = (
            # the files hold every picture transposed; letters are numbered from 1
            _array(part.data.transpose(1, 2), part.targets - int(split == "letters"))
            for part in pair
        )
        return _Set(tuple(c for c in pair[0].classes if c != "N/A"), train, test)

    return _published(f"emnist {split}", f"EMNIST/raw/emnist-{split}-*-ubyte", read)


@datasets.register("cifar10")
def cifar10() -> PictureData:
    """50,000 + 10,000 colour photos of 32×32 pixels, ten classes."""

    def read() -> _Set:
        from torchvision.datasets import CIFAR10

        pair = _open(
            "CIFAR-10",
            "cifar-10-python.tar.gz (or the folder cifar-10-batches-py)",
            lambda r, t, d: CIFAR10(r, train=t, download=d),
        )
        # the names that PyTorch's tutorial prints
        return _arrays(pair, ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"))

    return _published("cifar10", "cifar-10-batches-py/*", read)


@datasets.register("cifar100")
def cifar100() -> PictureData:
    """50,000 + 10,000 colour photos of 32×32 pixels, a hundred classes."""

    def read() -> _Set:
        from torchvision.datasets import CIFAR100

        pair = _open(
            "CIFAR-100",
            "cifar-100-python.tar.gz (or the folder cifar-100-python)",
            lambda r, t, d: CIFAR100(r, train=t, download=d),
        )
        return _arrays(pair, pair[0].classes)

    return _published("cifar100", "cifar-100-python/*", read)


@datasets.register("svhn")
def svhn() -> PictureData:
    """73,257 + 26,032 house numbers from street photos, 32×32 colour pixels, ten digits."""

    def read() -> _Set:
        from torchvision.datasets import SVHN

        pair = _open(
            "SVHN",
            "train_32x32.mat and test_32x32.mat",
            lambda r, t, d: SVHN(r, split="train" if t else "test", download=d),
        )
        return _Set(DIGITS, *(_array(part.data.transpose(0, 2, 3, 1), part.labels) for part in pair))

    return _published("svhn", "*_32x32.mat", read)
