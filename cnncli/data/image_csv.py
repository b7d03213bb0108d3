"""Your own pictures, listed in a table: a path in every row, and beside it what is to be learned."""

import os
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.core.numbers import Fraction
from cnncli.core.registry import datasets
from cnncli.core.spec import Channels, DataSpec, Decode, Fit, Interpolation, Split, Wants
from cnncli.data.columns import MAX_NAMES, is_numeric, numbers, refuse
from cnncli.data.contract import Opened, Track
from cnncli.data.csv_table import Delimiter, read_table
from cnncli.data.find import find_data
from cnncli.data.image_folder import Size, ValueRange, decoding, picture_files
from cnncli.data.listed_files import Files, find_files
from cnncli.data.names import near_equal, nfc
from cnncli.data.picture_table import FLAGS, cells_of, parts_of, require_column
from cnncli.data.sources import FileSource

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

BETWEEN = "|"  # the labels of a picture
PICTURES_EACH = 10  # of a number, on average, where it is one of many that are classes

Label = str | Annotated[list[str], Field(min_length=1)]


@datasets.register("image_csv")
def image_csv(
    file: str,
    path: str = "path",
    label: Label = "label",
    split_column: str | None = None,
    root: str | None = None,
    delimiter: Delimiter = ",",
    image_size: Size = 224,
    resize: Size | None = None,
    fit: Fit = "crop",
    interpolation: Interpolation = "bilinear",
    channels: Channels = 3,
    value_range: ValueRange = None,
    test_fraction: Fraction = 0.0,
) -> "ListedPictures":
    """Your own pictures by a table: columns `path` and `label`, perhaps a `split_column` of train, val and test.

    The label is a class; for `task: regression` a number, and `label: [x, y]` are several; for `task: multilabel` names
    like `cat|dog`, perhaps none, and `label: [cat, dog]` are columns of 0 and 1. Paths are relative to `root`, or to
    the table's own folder. Sizes are those of image_folder.
    """
    decode, seen = decoding(image_size, resize, fit, interpolation, channels, value_range)
    return ListedPictures(list_pictures(file, path, label, split_column, root, delimiter), decode, seen, test_fraction)


@dataclass(frozen=True, eq=False)
class Listing:
    """The rows ``[N]`` of a table of pictures: the file and the split of each, and the columns that are learned."""

    table: Path
    folder: Path
    files: Files
    parts: list[Split]
    labels: "pd.DataFrame"

    @property
    def paths(self) -> list[Path]:
        """The file of each row."""
        return self.files.paths

    def names(self, rows: list[int]) -> tuple[str, ...]:
        """The paths of rows as seen from the pictures' folder, with ``/``, in Unicode's composed form (NFC)."""
        return tuple(nfc(os.path.relpath(self.paths[row], self.folder).replace(os.sep, "/")) for row in rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that are learned."""
        return tuple(self.labels.columns)

    @property
    def offers(self) -> tuple[Wants, ...]:
        """Several columns are no classes; columns of 0 and 1, and names joined by ``|``, are labels."""
        numeric: tuple[Wants, ...] = ("numbers",) if is_numeric(self.labels.iloc[:, 0]) else ()
        if len(self.columns) > 1:  # of flags one wrong cell is found later, with its line
            if self._are_flags.all() and self._one_each():
                return ("labels", "classes", *numeric)
            return ("labels", *numeric) if 2 * self._are_flags.sum() >= self._are_flags.size else ("numbers",)
        if self.labels.iloc[:, 0].str.contains(BETWEEN, regex=False).any():
            return ("labels",)
        return ("classes", *numeric, "labels")

    @property
    def _are_flags(self) -> "NDArray[np.bool_]":
        cells: NDArray[np.bool_] = self.labels.apply(lambda c: c.str.lower().isin(list(FLAGS))).to_numpy(dtype=bool)
        return cells

    def _one_each(self) -> bool:
        """Whether each picture has exactly one of the labels that the columns stand for."""
        return all(len(names) == 1 for names in self.label_sets()[1])

    def classes(self) -> list[str]:
        """The class of each picture; raises ``DataError`` for an empty cell, and for measurements."""
        if len(self.columns) > 1:
            return [names[0] for names in self.label_sets()[1]]
        (column,) = self.columns
        cells = cells_of(self.labels, column, self.table.name)
        for line, cell in zip(self.labels.index.tolist(), cells, strict=True):
            if cell.lower() == "nan":  # as pandas writes what is missing
                raise DataError(f"{self.table.name}:{line}: column '{column}' has '{cell}', no label; fill it in")
        values, bad = numbers(self.labels[column])
        distinct = np.unique(values)
        if not bad.any() and not np.isnan(values).any():
            many = len(distinct) > MAX_NAMES and len(distinct) * PICTURES_EACH > len(values)
            if many or (distinct % 1).any():
                raise DataError(
                    f"{self.table.name}: column '{column}' has {len(distinct)} different numbers, which are no "
                    "classes; set task: regression"
                )
        return cells

    def numbers(self) -> Tensor:
        """The numbers of each picture, float64 ``[N, K]``; raises ``DataError`` with the line of what is none."""
        found = []
        for column in self.columns:
            values, bad = numbers(self.labels[column])
            refuse(self.labels[column], bad, self.table.name, "has {} where a number is learned; fix it")
            refuse(self.labels[column], np.isnan(values), self.table.name, "has no number to learn; fill it in")
            found.append(values)
        return torch.from_numpy(np.stack(found, axis=1))

    def label_sets(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """All labels, and those of each picture, perhaps none; raises ``DataError`` for a cell that tells nothing.

        Several columns, or one that holds nothing but 0 and 1, are a label each; else a cell has their names.
        """
        if len(self.columns) > 1 or self._are_flags.all():
            flags = [self._flags(column) for column in self.columns]
            return self.columns, [tuple(compress(self.columns, row)) for row in zip(*flags, strict=True)]
        found = [
            tuple(sorted({name.strip() for name in cell.split(BETWEEN)} - {""})) for cell in self.labels.iloc[:, 0]
        ]
        return tuple(sorted({name for names in found for name in names})), found

    def _flags(self, column: str) -> list[bool]:
        """Whether each picture has the label that a column of 0 and 1 stands for."""
        flags = [FLAGS.get(cell.lower()) for cell in self.labels[column]]
        if None in flags:
            row = flags.index(None)
            where, cell = f"{self.table.name}:{self.labels.index[row]}", self.labels[column].iloc[row]
            raise DataError(f"{where}: column '{column}' has '{cell}' where 0 or 1 says whether it is there; fix it")
        return [bool(flag) for flag in flags]

    def described(self, wants: Wants) -> list[tuple[str, tuple[str, ...]]]:
        """What each picture is called for a task that ``wants`` this, and as what it is counted."""
        if wants not in self.offers:
            learned = f"{', '.join(self.columns)} can be learned as {' or '.join(self.offers)}"
            raise DataError(f"{self.table.name}: {learned}, the task wants {wants}; set another task")
        if wants == "numbers":
            shown = [", ".join(f"{value:.7g}" for value in row) for row in self.numbers().tolist()]
            return [(text, (", ".join(self.columns),)) for text in shown]
        if wants == "labels":
            return [(BETWEEN.join(names) or "(none)", names) for names in self.label_sets()[1]]
        return [(name, (name,)) for name in self.classes()]


@dataclass(frozen=True, eq=False)
class ListedPictures:
    """The pictures of a table: what their labels mean is what the task wants."""

    listing: Listing
    decode: Decode
    seen: tuple[int, int]
    test_fraction: float

    @property
    def offers(self) -> tuple[Wants, ...]:
        """What the columns can be learned as."""
        return self.listing.offers

    def open(self, config: DatasetConfig, wants: Wants, track: Track, spec: DataSpec | None) -> Opened:
        """Splits with int64 classes ``[N]``, float64 numbers ``[N, K]``, or a float32 1 for each label ``[N, K]``.

        Raises ``DataError``.
        """
        classes, targets = self._targets(wants)
        sources = {part: self._source(part, targets) for part in dict.fromkeys(self.listing.parts)}
        data = picture_files(classes, sources, self.test_fraction, self.seen)
        named = self.listing.columns if wants == "numbers" else ()
        opened = replace(data, numbers=named).open(config, wants, track, spec)
        if wants == "labels" and spec is None:
            self._require_labels(classes, opened.sources["train"].targets)
        return opened

    def _targets(self, wants: Wants) -> tuple[tuple[str, ...], Tensor]:
        """The names of classes or labels, and what is learned of each picture."""
        if wants == "classes":
            return self._classes()
        return self._labels() if wants == "labels" else ((), self.listing.numbers())

    def _classes(self) -> tuple[tuple[str, ...], Tensor]:
        """The classes of the training part, and each picture's; raises ``DataError`` for splits with others."""
        listing, found = self.listing, self.listing.classes()
        by_part: dict[Split, set[str]] = {part: set() for part in listing.parts}
        for name, part in zip(found, listing.parts, strict=True):
            by_part[part].add(name)
        classes = tuple(sorted(by_part["train"]))
        if len(classes) < 2:
            column = listing.columns[0]
            cause = f"column '{column}' names {len(classes)} classes to learn; two or more are needed"
            raise DataError(f"{listing.table}: {cause}")
        for part, names in by_part.items():
            missing, extra = sorted(set(classes) - names), sorted(names - set(classes))
            if missing or extra:
                cause = f"its classes differ from the training part's (missing: {missing}, extra: {extra})"
                raise DataError(f"{listing.table}: {part} split: {cause}")
        for one, other in near_equal(classes):
            cause = f"the classes '{one}' and '{other}' are written almost alike; are they one?"
            notice("similar_classes", f"{listing.table}: {cause}")
        codes = {name: code for code, name in enumerate(classes)}
        return classes, torch.tensor([codes[name] for name in found])

    def _labels(self) -> tuple[tuple[str, ...], Tensor]:
        """The labels, and a 1 for each that a picture has, float32 ``[N, K]``; raises ``DataError`` for none at all."""
        classes, found = self.listing.label_sets()
        if not classes:
            raise DataError(f"{self.listing.table}: column '{self.listing.columns[0]}' names no label; fill it in")
        codes = {name: code for code, name in enumerate(classes)}
        targets = torch.zeros(len(found), len(classes))
        for row, names in enumerate(found):
            targets[row, [codes[name] for name in names]] = 1
        return classes, targets

    def _require_labels(self, classes: tuple[str, ...], training: Tensor) -> None:
        lacking = [repr(name) for name, there in zip(classes, training.any(0).tolist(), strict=True) if not there]
        if lacking:
            raise DataError(
                f"{self.listing.table}: no training picture has the label {', '.join(lacking)}; "
                "add some, remove the label, or lower val_fraction and test_fraction"
            )

    def _source(self, part: Split, targets: Tensor) -> FileSource:
        """The pictures of one split; raises ``DataError`` for files that are not there."""
        rows = [row for row, name in enumerate(self.listing.parts) if name == part]
        paths = tuple(self.listing.paths[row] for row in rows)
        if absent := [row for row in rows if row in self.listing.files.absent]:
            first = absent[0]
            why = f"line {self.listing.labels.index[first]}{self.listing.files.absent[first]}"
            cause = f"{len(absent)} files are not there, first '{self.listing.paths[first]}' ({why})"
            raise DataError(f"{self.listing.table}: {part} split: {cause}; set dataset.root to the pictures' folder")
        return FileSource(paths, targets[rows], self.decode)


def list_pictures(
    file: str, path: str, label: Label, split_column: str | None, root: str | None, delimiter: str
) -> Listing:
    """Read the table; without a split column all rows are ``train``.

    Raises ``DataError`` for a missing column, a row without a path (with its line), or an unknown split.
    """
    table = find_data(file)
    frame = read_table(table, True, delimiter)
    folder = find_data(root, "folder") if root is not None else table.parent
    require_column(frame, path, table.name, "path")
    columns = [label] if isinstance(label, str) else label
    for column in columns:
        require_column(frame, column, table.name, "label")
        if columns.count(column) > 1:
            raise DataError(f"{table.name}: label names column '{column}' twice; name it once")
    files = find_files(cells_of(frame, path, table.name), folder, table.name)
    labels = frame[columns].apply(lambda cells: cells.str.strip().str.normalize("NFC"))
    return Listing(table, folder, files, parts_of(frame, split_column, table.name), labels)
