"""Your own pictures: one folder per class."""

from collections.abc import Mapping

import torch

from cnncli.core.errors import ConfigError
from cnncli.core.numbers import Fraction, Side, Value
from cnncli.core.registry import datasets
from cnncli.core.spec import Channels, Decode, Fit, Interpolation, Split
from cnncli.data.find import find_data
from cnncli.data.folders import read_folder
from cnncli.data.pictures import PictureData
from cnncli.data.sources import FileSource
from cnncli.data.splits import carve

Size = Side | tuple[Side, Side]  # of a square, or (height, width)
ValueRange = tuple[Value, Value] | None  # that become black and white, in files of more than 8 bits


@datasets.register("image_folder")
def image_folder(
    root: str,
    image_size: Size = 224,
    resize: Size | None = None,
    fit: Fit = "crop",
    interpolation: Interpolation = "bilinear",
    channels: Channels = 3,
    value_range: ValueRange = None,
    test_fraction: Fraction = 0.0,
) -> PictureData:
    """Your own pictures: `root/train/<class>/…` (and `val`, `test`), or `root/<class>/…` alone.

    Pictures are scaled and cut to `resize` (`image_size` unless given); the network sees the centre of `image_size`,
    training what random crops make of the rest. Without a `test` folder a seeded, stratified `test_fraction` of the
    pictures is set aside for testing. `value_range` are the values that become black and white in files of more than
    8 bits; unless given the training part decides. 4 `channels` keep transparency, more are those of .npy files.
    """
    decode, seen = decoding(image_size, resize, fit, interpolation, channels, value_range)
    parts = read_folder(find_data(root, "folder"))
    sources = {split: FileSource(part.paths, torch.tensor(part.labels), decode) for split, part in parts.items()}
    return picture_files(parts["train"].classes, sources, test_fraction, seen)


def picture_files(
    classes: tuple[str, ...], sources: Mapping[Split, FileSource], test_fraction: float, seen: tuple[int, int]
) -> PictureData:
    """The splits that there are; without one for the test, ``test_fraction`` of the training part is set aside."""
    train, test = sources["train"], sources.get("test")
    carved = test is None and test_fraction > 0
    if carved:
        kept, taken = carve(train.targets, test_fraction, seed=0, key="test_fraction")
        train, test = train.subset(kept), train.subset(taken)
    return PictureData(classes, train=train, val=sources.get("val"), test=test, seen=seen, test_carved=carved)


def decoding(
    image_size: Size,
    resize: Size | None,
    fit: Fit,
    interpolation: Interpolation,
    channels: Channels,
    value_range: ValueRange = None,
) -> tuple[Decode, tuple[int, int]]:
    """How files are decoded, and the (height, width) of it that a network sees."""
    seen, whole = _pair(image_size), _pair(resize or image_size)
    if whole[0] < seen[0] or whole[1] < seen[1]:
        raise ConfigError(f"dataset.resize {resize} is smaller than image_size {image_size}; raise it or leave it out")
    if value_range is not None and value_range[0] >= value_range[1]:
        raise ConfigError(f"dataset.value_range {list(value_range)}: the first value must be below the second")
    return Decode(whole, channels, fit, interpolation, value_range), seen


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
