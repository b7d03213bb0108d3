"""Your own pictures: one folder per class."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch

from cnncli.core.errors import ConfigError, DataError
from cnncli.core.numbers import Fraction, Side
from cnncli.core.registry import datasets
from cnncli.core.spec import Decode, Fit, Interpolation
from cnncli.data.decode import EXTENSIONS
from cnncli.data.find import find_data
from cnncli.data.pictures import PictureData
from cnncli.data.sources import FileSource
from cnncli.data.splits import carve

VAL_NAMES = ("val", "valid", "validation")


Size = Side | tuple[Side, Side]  # of a square, or (height, width)


@datasets.register("image_folder")
def image_folder(
    root: str,
    image_size: Size = 224,
    resize: Size | None = None,
    fit: Fit = "crop",
    interpolation: Interpolation = "bilinear",
    channels: Literal[1, 3] = 3,
    test_fraction: Fraction = 0.0,
) -> PictureData:
    """Your own pictures: `root/train/<class>/…` (and `val`, `test`), or `root/<class>/…` alone.

    Pictures are scaled and cut to `resize` (`image_size` unless given); the network sees the centre of `image_size`,
    training what random crops make of the rest. Without a `test` folder a seeded, stratified `test_fraction` of the
    pictures is set aside for testing. Hidden files and folders, and files that are not pictures by their extension,
    are passed over.
    """
    decode, seen = decoding(image_size, resize, fit, interpolation, channels)
    parts = split_folders(find_data(root, "folder"))
    classes = class_names(parts["train"])
    sources = {name: _read_split(path, classes, decode) for name, path in parts.items()}
    return picture_files(classes, sources, test_fraction, seen)


def picture_files(
    classes: tuple[str, ...], sources: Mapping[str, FileSource], test_fraction: float, seen: tuple[int, int]
) -> PictureData:
    """The splits that there are; without one for the test, ``test_fraction`` of the training part is set aside."""
    train, test = sources["train"], sources.get("test")
    if test is None and test_fraction > 0:
        kept, taken = carve(train.targets, test_fraction, seed=0)
        train, test = train.subset(kept), train.subset(taken)
    return PictureData(classes, train=train, val=sources.get("val"), test=test, seen=seen)


def decoding(
    image_size: Size, resize: Size | None, fit: Fit, interpolation: Interpolation, channels: Literal[1, 3]
) -> tuple[Decode, tuple[int, int]]:
    """How files are decoded, and the (height, width) of it that a network sees."""
    seen, whole = _pair(image_size), _pair(resize or image_size)
    if whole[0] < seen[0] or whole[1] < seen[1]:
        raise ConfigError(f"dataset.resize {resize} is smaller than image_size {image_size}; raise it or leave it out")
    return Decode(whole, channels, fit, interpolation), seen


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def split_folders(folder: Path) -> dict[str, Path]:
    """``train``, ``val`` and ``test`` → their folders; a folder without such parts is ``train`` itself.

    Raises ``DataError`` where there are parts but none to train on.
    """
    parts = {name: folder / name for name in ("train", *VAL_NAMES, "test") if (folder / name).is_dir()}
    if not parts:
        return {"train": folder}
    if "train" not in parts:
        raise DataError(f"{folder}: has {', '.join(sorted(parts))} but no train folder; add one")
    return {"val" if name in VAL_NAMES else name: path for name, path in parts.items()}


def class_names(folder: Path) -> tuple[str, ...]:
    """The class folders of a split, sorted; raises ``DataError`` for fewer than two."""
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")))
    if len(names) < 2:
        raise DataError(
            f"{folder}: has {len(names)} class folders; one folder for each of two or more classes is needed"
        )
    return names


def _read_split(folder: Path, classes: tuple[str, ...], decode: Decode) -> FileSource:
    """The pictures of one split, labelled by the name of their class folder, sorted by path."""
    found = class_names(folder)
    if found != classes:
        missing, extra = sorted(set(classes) - set(found)), sorted(set(found) - set(classes))
        raise DataError(f"{folder}: its classes differ from the training part's (missing: {missing}, extra: {extra})")
    paths: list[Path] = []
    targets: list[int] = []
    for label, name in enumerate(classes):
        pictures = sorted(
            find_pictures(folder / name), key=lambda path: path.parts
        )  # several times faster than without
        if not pictures:
            raise DataError(f"{folder / name}: no pictures in this class folder; add some or remove the folder")
        paths += pictures
        targets += [label] * len(pictures)
    return FileSource(tuple(paths), torch.tensor(targets), decode)


def find_pictures(folder: Path) -> list[Path]:
    """Every picture below ``folder``; symbolic links to folders are not followed, so no loop is endless."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        pictures = [f for f in files if not f.startswith(".") and os.path.splitext(f)[1].lower() in EXTENSIONS]
        found += [Path(parent, f) for f in pictures]
    return found
