"""Pictures of one's own, listed in a table: a path and a label in every row."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.numbers import Fraction
from cnncli.core.registry import datasets
from cnncli.core.spec import Decode, Fit, Interpolation
from cnncli.data.csv_table import Delimiter, read_table
from cnncli.data.find import find_data
from cnncli.data.image_folder import VAL_NAMES, Size, decoding, picture_files
from cnncli.data.pictures import PictureData
from cnncli.data.sources import FileSource

if TYPE_CHECKING:
    import pandas as pd

_PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test", **dict.fromkeys(VAL_NAMES, "val")}


@datasets.register("image_csv")
def image_csv(
    file: str,
    path: str = "path",
    label: str = "label",
    split_column: str | None = None,
    root: str | None = None,
    delimiter: Delimiter = ",",
    image_size: Size = 224,
    resize: Size | None = None,
    fit: Fit = "crop",
    interpolation: Interpolation = "bilinear",
    channels: Literal[1, 3] = 3,
    test_fraction: Fraction = 0.0,
) -> PictureData:
    """Your own pictures by a table: columns `path` and `label`, perhaps a `split_column` of train, val and test.

    Paths are relative to `root`, or to the table's own folder. Sizes are those of image_folder.
    """
    decode, seen = decoding(image_size, resize, fit, interpolation, channels)
    table = find_data(file)
    frame = read_table(table, True, delimiter)
    paths, labels, parts = read_listing(frame, table.name, path, label, split_column)
    folder = find_data(root, "folder") if root is not None else table.parent
    classes = tuple(sorted({name for name, part in zip(labels, parts, strict=True) if part == "train"}))
    if len(classes) < 2:
        raise DataError(f"{table}: column '{label}' names {len(classes)} classes to learn; two or more are needed")
    sources = {}
    for name in dict.fromkeys(parts):
        rows = [(folder / p, y) for p, y, part in zip(paths, labels, parts, strict=True) if part == name]
        sources[name] = _source(rows, classes, decode, f"{table}: {name} split")
    return picture_files(classes, sources, test_fraction, seen)


def read_listing(
    frame: "pd.DataFrame", name: str, path: str, label: str, split_column: str | None = None
) -> tuple[list[str], list[str], list[str]]:
    """The paths, labels and splits of a table, one of each a row; without a split column all are ``train``.

    Raises ``DataError`` for a missing column, an empty cell (with its line), or an unknown split.
    """
    columns: list[list[str]] = []
    lines = frame.index.tolist()
    for column in (path, label, *([split_column] if split_column else [])):
        if column not in frame.columns:
            raise DataError(f"{name}: has no column '{column}'; {did_you_mean(column, list(map(str, frame.columns)))}")
        cells = [str(cell).strip() for cell in frame[column]]
        if "" in cells:
            raise DataError(f"{name}:{lines[cells.index('')]}: column '{column}' is empty; fill it in")
        columns.append(cells)
    if split_column is None:
        return columns[0], columns[1], ["train"] * len(frame)
    for line, word in zip(lines, columns[2], strict=True):
        if word.lower() not in _PARTS:
            raise DataError(f"{name}:{line}: column '{split_column}' has '{word}'; write train, val or test")
    parts = [_PARTS[word.lower()] for word in columns[2]]
    if "train" not in parts:
        raise DataError(f"{name}: no row is of the train split; add some")
    return columns[0], columns[1], parts


def _source(rows: list[tuple[Path, str]], classes: tuple[str, ...], decode: Decode, what: str) -> FileSource:
    """The pictures of one split; raises ``DataError`` for files that are not there and for differing classes."""
    missing, extra = sorted(set(classes) - {y for _, y in rows}), sorted({y for _, y in rows} - set(classes))
    if missing or extra:
        raise DataError(f"{what}: its classes differ from the training part's (missing: {missing}, extra: {extra})")
    absent = [file for file, _ in rows if not os.path.isfile(file)]  # Path.is_file raises for odd names
    if absent:
        raise DataError(f"{what}: {len(absent)} files are not there, first '{absent[0]}'; set dataset.root")
    numbers = {name: number for number, name in enumerate(classes)}
    return FileSource(tuple(file for file, _ in rows), torch.tensor([numbers[y] for _, y in rows]), decode)
