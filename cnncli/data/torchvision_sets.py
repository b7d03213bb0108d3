"""The published image sets that torchvision can download, decoded once into memory."""

from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor

from cnncli.core.errors import DataError, StorageError
from cnncli.core.registry import datasets
from cnncli.data.raw import RawData, data_root
from cnncli.data.sources import ArraySource

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
            "'cnncli train configs/digits.yaml' runs at once without any download"
        ) from error


def _array(images: Any, targets: Any) -> ArraySource:
    """Grey ``[N, H, W]`` or colour ``[N, H, W, 3]`` pictures as ``[N, C, H, W]``."""
    tensor: Tensor = torch.as_tensor(np.asarray(images))
    tensor = tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()
    return ArraySource(tensor, torch.as_tensor(np.asarray(targets)).long())


def _raw(pair: tuple[Any, Any], classes: Sequence[str]) -> RawData:
    train, test = (_array(split.data, split.targets) for split in pair)
    return RawData(tuple(classes), train=train, test=test)


@datasets.register("mnist")
def mnist() -> RawData:
    """60,000 + 10,000 handwritten digits of 28×28 grey pixels."""
    from torchvision.datasets import MNIST

    pair = _open("MNIST", f"MNIST/raw/{{{_IDX}}}", lambda r, t, d: MNIST(r, train=t, download=d))
    return _raw(pair, DIGITS)


@datasets.register("fashion_mnist")
def fashion_mnist() -> RawData:
    """60,000 + 10,000 pictures of clothes, 28×28 grey pixels, ten classes."""
    from torchvision.datasets import FashionMNIST

    pair = _open(
        "FashionMNIST",
        f"FashionMNIST/raw/{{{_IDX}}}",
        lambda r, t, d: FashionMNIST(r, train=t, download=d),
    )
    return _raw(pair, FashionMNIST.classes)


@datasets.register("kmnist")
def kmnist() -> RawData:
    """60,000 + 10,000 handwritten Japanese characters, 28×28 grey pixels, ten classes."""
    from torchvision.datasets import KMNIST

    pair = _open("KMNIST", f"KMNIST/raw/{{{_IDX}}}", lambda r, t, d: KMNIST(r, train=t, download=d))
    return _raw(pair, KMNIST.classes)


EmnistSplit = Literal["balanced", "byclass", "bymerge", "digits", "letters", "mnist"]


@datasets.register("emnist")
def emnist(split: EmnistSplit = "balanced") -> RawData:
    """Handwritten letters and digits, 28×28 grey pixels; `split` chooses which."""
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
    classes = [c for c in pair[0].classes if c != "N/A"]
    return RawData(tuple(classes), train=train, test=test)


@datasets.register("cifar10")
def cifar10() -> RawData:
    """50,000 + 10,000 colour photos of 32×32 pixels, ten classes."""
    from torchvision.datasets import CIFAR10

    pair = _open(
        "CIFAR-10",
        "cifar-10-python.tar.gz (or the folder cifar-10-batches-py)",
        lambda r, t, d: CIFAR10(r, train=t, download=d),
    )
    # the names that PyTorch's tutorial prints
    return _raw(pair, ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"))


@datasets.register("cifar100")
def cifar100() -> RawData:
    """50,000 + 10,000 colour photos of 32×32 pixels, a hundred classes."""
    from torchvision.datasets import CIFAR100

    pair = _open(
        "CIFAR-100",
        "cifar-100-python.tar.gz (or the folder cifar-100-python)",
        lambda r, t, d: CIFAR100(r, train=t, download=d),
    )
    return _raw(pair, pair[0].classes)


@datasets.register("svhn")
def svhn() -> RawData:
    """73,257 + 26,032 house numbers from street photos, 32×32 colour pixels, ten digits."""
    from torchvision.datasets import SVHN

    pair = _open(
        "SVHN",
        "train_32x32.mat and test_32x32.mat",
        lambda r, t, d: SVHN(r, split="train" if t else "test", download=d),
    )
    train, test = (ArraySource(torch.from_numpy(part.data), torch.from_numpy(part.labels).long()) for part in pair)
    return RawData(DIGITS, train=train, test=test)
