"""Pictures of one's own: one folder per class."""

import os
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from cnncli.core.config import Fraction
from cnncli.core.errors import DataError
from cnncli.core.registry import datasets
from cnncli.data.raw import RawData, find_data
from cnncli.data.sources import FileSource
from cnncli.data.splits import stratified_split

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
Side = Annotated[int, Field(ge=1, le=4096)]  # pixels
VAL_NAMES = ("val", "valid", "validation")


@datasets.register("image_folder")
def image_folder(
    root: str, image_size: Side | tuple[Side, Side] = 224, channels: Literal[1, 3] = 3, test_fraction: Fraction = 0.0
) -> RawData:
    """Your own pictures: `root/train/<class>/…` (and `val`, `test`), or `root/<class>/…` alone.

    Without a `test` folder a seeded, stratified `test_fraction` of the pictures is set aside for testing.
    Hidden files and folders, and files that are not pictures by their extension, are passed over.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    folder = find_data(root, "folder")
    parts = {name: folder / name for name in ("train", *VAL_NAMES, "test") if (folder / name).is_dir()}
    if "train" not in parts:
        if parts:
            raise DataError(f"{folder}: has {', '.join(sorted(parts))} but no train folder; add one")
        parts = {"train": folder}
    classes = _class_names(parts["train"])
    sources = {
        "val" if name in VAL_NAMES else name: _read_split(path, classes, size, channels) for name, path in parts.items()
    }
    train, test = sources["train"], sources.get("test")
    if test is None and test_fraction > 0:
        kept, taken = stratified_split(train.targets, test_fraction, seed=0)
        train, test = train.subset(kept), train.subset(taken)
    return RawData(classes, train=train, val=sources.get("val"), test=test)


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")))
    if len(names) < 2:
        raise DataError(
            f"{folder}: has {len(names)} class folders; one folder for each of two or more classes is needed"
        )
    return names


def _read_split(folder: Path, classes: tuple[str, ...], size: tuple[int, int], channels: int) -> FileSource:
    """The pictures of one split, labelled by the name of their class folder, sorted by path."""
    found = _class_names(folder)
    if found != classes:
        missing, extra = sorted(set(classes) - set(found)), sorted(set(found) - set(classes))
        raise DataError(f"{folder}: its classes differ from the training part's (missing: {missing}, extra: {extra})")
    paths: list[Path] = []
    targets: list[int] = []
    for label, name in enumerate(classes):
        pictures = sorted(_pictures(folder / name))
        if not pictures:
            raise DataError(f"{folder / name}: no pictures in this class folder; add some or remove the folder")
        paths += pictures
        targets += [label] * len(pictures)
    return FileSource(tuple(paths), torch.tensor(targets), size, channels)


def _pictures(folder: Path) -> list[Path]:
    """Every picture below ``folder``; symbolic links to folders are not followed, so no loop is endless."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, f) for f in files if not f.startswith(".") and Path(f).suffix.lower() in EXTENSIONS]
    return found
