"""Your own pictures: one folder per class."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError, did_you_mean
from cnncli.core.numbers import Fraction, Side, Value
from cnncli.core.registry import datasets
from cnncli.core.slices import Slices
from cnncli.core.spec import Channels, DataSpec, Decode, Fit, Interpolation, Split, Wants
from cnncli.data.contract import Opened, Remembered, Track
from cnncli.data.file_pictures import ORDER, FilePictures
from cnncli.data.find import find_data
from cnncli.data.folders import Part, read_folder
from cnncli.data.names import compile_pattern
from cnncli.data.slicing import FOLDER, ITSELF, by_names, require_known
from cnncli.data.sources import FileSource

Size = Side | tuple[Side, Side]  # of a square, or (height, width)
ValueRange = tuple[Value, Value] | None  # that become black and white, in files of more than 8 bits


@datasets.register("image_folder", places=("path",), renamed={"root": "path"})
def image_folder(
    path: str,
    image_size: Size = 224,
    resize: Size | None = None,
    fit: Fit = "crop",
    interpolation: Interpolation = "bilinear",
    channels: Channels = 3,
    value_range: ValueRange = None,
    test_fraction: Fraction = 0.0,
    group: str | None = None,
) -> "PictureFolder":
    """Your own pictures: `path/train/<class>/…` (and `val`, `test`), or `path/<class>/…` alone.

    Pictures are scaled and cut to `resize` (`image_size` unless given); the network sees the centre of `image_size`,
    training what random crops make of the rest. Without a `test` folder a seeded, stratified `test_fraction` of the
    pictures is set aside for testing. `value_range` are the values that become black and white in files of more than
    8 bits; unless given the training part decides. 4 `channels` keep transparency, more are those of .npy files.
    `group` is a regular expression: pictures with the same first group in their path stay on one side where cnncli
    makes the splits.
    """
    decode, seen = decoding(image_size, resize, fit, interpolation, channels, value_range)
    compiled = None if group is None else compile_pattern("dataset.group", group)
    return PictureFolder(find_data(path, "folder"), decode, seen, test_fraction, compiled)


@dataclass(frozen=True)
class PictureFolder:
    """A folder of class folders, read when it is opened; ``group`` finds in a path what is kept together."""

    root: Path
    decode: Decode
    seen: tuple[int, int]
    test_fraction: float
    group: "re.Pattern[str] | None" = None
    offers: ClassVar[tuple[Wants, ...]] = ("classes",)

    def open(
        self,
        config: DatasetConfig,
        wants: Wants,
        track: Track,
        spec: DataSpec | None,
        remembered: Remembered | None = None,
    ) -> Opened:
        """Splits of pictures with int64 classes ``[N]``; raises ``DataError`` for a folder that cannot be learned."""
        if spec is not None and remembered is not None and remembered.elsewhere:
            folder, classes = read_folder(self.root, strict=False, to_judge=True), spec.classes
            self._require_known(folder, classes)
        else:
            folder = read_folder(self.root)
            classes = folder["train"].classes
        parts = {split: folder[split] for split in ORDER if split in folder and folder[split].paths}
        codes = {name: code for code, name in enumerate(classes)}
        sources = {
            split: FileSource(
                part.paths, torch.tensor([codes[part.classes[label]] for label in part.labels]), self.decode
            )
            for split, part in parts.items()
        }
        names = tuple(name for part in parts.values() for name in part.names)
        groups = None if self.group is None else tuple(self._group_of(name) for name in names)
        above = 1 if any(part.folder == self.root for part in parts.values()) else 2  # the class; the split and it
        pictures = FilePictures(
            str(self.root), self.root, sources, names, classes, self.decode, self.seen, self.test_fraction, (), groups,
            lambda rows, by: self._slices([names[row].split("/")[above:-1] for row in rows], by),
        )  # fmt: skip
        return pictures.open(config, track, spec, remembered)

    def _require_known(self, folder: dict[Split, Part], classes: tuple[str, ...]) -> None:
        there = sorted({name for part in folder.values() for name in part.classes})
        if unknown := [name for name in there if name not in classes]:
            raise DataError(
                f"{self.root}: the network does not know the class '{unknown[0]}'; "
                f"{did_you_mean(unknown[0], list(classes))}"
            )
        if not any(part.paths for part in folder.values()):
            raise DataError(f"{self.root}: has no pictures in class folders; name a folder with one for each class")

    def _slices(self, below: list[list[str]], by: str) -> Slices:
        """Pictures by the folder below their class that they lie in; raises ``DataError`` where there is none."""
        require_known(by, [FOLDER], str(self.root))
        if not any(below):
            raise DataError(
                f"{self.root}: all pictures lie in the class folders themselves, so that there are no folders to slice "
                "by; put them into folders below the classes, or list them in a table (dataset.name: image_csv) with "
                "a column for it"
            )
        return by_names(["/".join(folders) or ITSELF for folders in below], by, str(self.root))

    def _group_of(self, name: str) -> str:
        assert self.group is not None
        match = self.group.search(name)
        if match is None:
            raise DataError(f"{self.root}: dataset.group '{self.group.pattern}' finds nothing in '{name}'; change it")
        return match[1] or ""


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
