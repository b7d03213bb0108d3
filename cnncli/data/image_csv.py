"""Your own pictures, listed in a table: a path in every row, and beside it what is to be learned."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.notices import notice
from cnncli.core.numbers import Fraction
from cnncli.core.registry import datasets
from cnncli.core.slices import Slices
from cnncli.core.spec import Channels, DataSpec, Decode, Fit, Interpolation, Split, Wants
from cnncli.data.contract import Opened, Remembered, Track
from cnncli.data.csv_table import Delimiter
from cnncli.data.dialect import Name
from cnncli.data.file_pictures import ORDER, FilePictures
from cnncli.data.image_folder import Size, ValueRange, decoding
from cnncli.data.names import near_equal
from cnncli.data.paths import as_paths
from cnncli.data.picture_listing import Label, Listing, list_pictures
from cnncli.data.slicing import FOLDER, ITSELF, by_names, form_of, require_known, slices_of
from cnncli.data.sources import FileSource
from cnncli.data.table_file import Header


@datasets.register(
    "image_csv", traits={"one_file"}, places=("path", "root"), renamed={"file": "path", "path": "path_column"}
)
def image_csv(
    path: str,
    path_column: Name = "path",
    label: Label = "label",
    split_column: Name | None = None,
    root: str | None = None,
    header: Header = "auto",
    delimiter: Delimiter | None = None,
    encoding: str | None = None,
    image_size: Size = 224,
    resize: Size | None = None,
    fit: Fit = "crop",
    interpolation: Interpolation = "bilinear",
    channels: Channels = 3,
    value_range: ValueRange = None,
    test_fraction: Fraction = 0.0,
    group: Name | None = None,
) -> "ListedPictures":
    """Your own pictures by a table: its columns `path` and `label`, perhaps a `split_column` of train, val and test.

    The label is a class; for `task: regression` a number, and `label: [x, y]` are several; for `task: multilabel` names
    like `cat|dog`, perhaps none, and `label: [cat, dog]` are columns of 0 and 1. A column is named, or counted from 0;
    with `header: false` the first line names none. `path_column` is the one of the pictures' paths, which are relative
    to `root`, or to the table's own folder. Sizes are those of image_folder. Pictures with the same value in the column
    `group` stay on one side where cnncli makes the splits.
    """
    decode, seen = decoding(image_size, resize, fit, interpolation, channels, value_range)
    listing = list_pictures(path, path_column, label, split_column, root, delimiter, group, header, encoding)
    return ListedPictures(listing, decode, seen, test_fraction)


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

    def open(
        self,
        config: DatasetConfig,
        wants: Wants,
        track: Track,
        spec: DataSpec | None,
        remembered: Remembered | None = None,
    ) -> Opened:
        """Splits with int64 classes ``[N]``, float64 numbers ``[N, K]``, or a float32 1 for each label ``[N, K]``.

        Raises ``DataError``.
        """
        listing = self.listing
        listing.require_different()
        known = spec.classes if spec is not None and remembered is not None and remembered.elsewhere else None
        classes, targets = self._targets(wants, known)
        rows = {split: [row for row, part in enumerate(listing.parts) if part == split] for split in ORDER}
        parts = {split: self._source(split, own, targets) for split, own in rows.items() if own}
        order = [row for split in ORDER for row in rows[split]]
        groups = None if listing.groups is None else tuple(listing.groups[row] for row in order)
        named = listing.columns if wants == "numbers" else ()
        pictures = FilePictures(
            str(listing.table), listing.folder, parts, listing.names(order), classes, self.decode, self.seen,
            self.test_fraction, named, groups, lambda own, by: self._slices([order[row] for row in own], by),
        )  # fmt: skip
        opened = pictures.open(config, track, spec, remembered)
        if wants == "labels" and spec is None:
            self._require_labels(classes, opened.sources["train"].targets)
        return opened

    def _targets(self, wants: Wants, known: tuple[str, ...] | None) -> tuple[tuple[str, ...], Tensor]:
        """The names of classes or labels, which may be ``known`` already, and what is learned of each picture."""
        if known is None and wants != "numbers":  # later the network says what its classes are
            self.listing.refuse_measurements(wants)
        if wants == "classes":
            found = self.listing.classes()
            classes = self._classes(found) if known is None else known
            codes = self._codes(classes)
            return classes, torch.tensor([codes(row, name) for row, name in enumerate(found)])
        return self._labels(known) if wants == "labels" else ((), self.listing.numbers())

    def _slices(self, rows: list[int], by: str) -> Slices:
        """The pictures of these rows by the values of a column, or by the folders that they lie in."""
        cells, name = self.listing.cells, self.listing.table.name
        if by == FOLDER and FOLDER not in cells.columns:
            return by_names([posixpath.dirname(path) or ITSELF for path in self.listing.names(rows)], by, name)
        require_known(by, [*cells.columns, FOLDER], name)
        column = cells[by].iloc[rows]
        return slices_of(column, by, name, form_of(column))

    def _codes(self, classes: tuple[str, ...]) -> Callable[[int, str], int]:
        """The number of a row's class; raises ``DataError`` for one that is unknown."""
        numbers = {name: code for code, name in enumerate(classes)}

        def code(row: int, name: str) -> int:
            if name not in numbers:
                where = f"{self.listing.table}:{self.listing.labels.index[row]}"
                raise DataError(f"{where}: the network does not know '{name}'; {did_you_mean(name, list(classes))}")
            return numbers[name]

        return code

    def _classes(self, found: list[str]) -> tuple[str, ...]:
        """The classes of the training part, of each picture's; raises ``DataError`` for splits with others."""
        listing = self.listing
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
        return classes

    def _labels(self, known: tuple[str, ...] | None) -> tuple[tuple[str, ...], Tensor]:
        """The labels, and a 1 for each that a picture has, float32 ``[N, K]``; raises ``DataError`` for none at all."""
        classes, found = self.listing.label_sets()
        if not classes:
            raise DataError(f"{self.listing.table}: column '{self.listing.columns[0]}' names no label; fill it in")
        classes = known or classes
        code = self._codes(classes)
        targets = torch.zeros(len(found), len(classes))
        for row, names in enumerate(found):
            targets[row, [code(row, name) for name in names]] = 1
        return classes, targets

    def _require_labels(self, classes: tuple[str, ...], training: Tensor) -> None:
        lacking = [repr(name) for name, there in zip(classes, training.any(0).tolist(), strict=True) if not there]
        if lacking:
            raise DataError(
                f"{self.listing.table}: no training picture has the label {', '.join(lacking)}; "
                "add some, remove the label, or lower val_fraction and test_fraction"
            )

    def _source(self, part: str, rows: list[int], targets: Tensor) -> FileSource:
        """The pictures of one split; raises ``DataError`` for files that are not there."""
        paths = tuple(self.listing.paths[row] for row in rows)
        if absent := [row for row in rows if row in self.listing.files.absent]:
            first = absent[0]
            why = f"line {self.listing.labels.index[first]}{self.listing.files.absent[first]}"
            cause = f"{len(absent)} files are not there, first '{self.listing.paths[first]}' ({why})"
            raise DataError(f"{self.listing.table}: {part} split: {cause}; set dataset.root to the pictures' folder")
        return FileSource(as_paths(paths), targets[rows], self.decode)
