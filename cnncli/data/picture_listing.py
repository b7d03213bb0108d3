"""The table of a set of pictures: the file of each row, and what its columns can be learned as."""

import os
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from cnncli.core.errors import DataError
from cnncli.core.spec import Split, Wants
from cnncli.data.columns import MAX_NAMES, is_numeric, numbers, refuse
from cnncli.data.dialect import Name
from cnncli.data.find import find_data
from cnncli.data.listed_files import Files, find_files
from cnncli.data.names import nfc
from cnncli.data.picture_table import FLAGS, cells_of, column_name, parts_of, require_column
from cnncli.data.table_file import Header, read_texts

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

BETWEEN = "|"  # the labels of a picture
PICTURES_EACH = 10  # of a number, on average, where it is one of many that are classes

Label = Name | Annotated[list[Name], Field(min_length=1)]


@dataclass(frozen=True, eq=False)
class Listing:
    """The rows ``[N]`` of a table of pictures: the file and the split of each, and the columns that are learned."""

    table: Path
    folder: Path
    files: Files
    parts: list[Split]
    labels: "pd.DataFrame"
    cells: "pd.DataFrame"  # all columns, as texts
    groups: tuple[str, ...] | None = None

    @property
    def paths(self) -> list[Path]:
        """The file of each row."""
        return self.files.paths

    def names(self, rows: list[int]) -> tuple[str, ...]:
        """The paths of rows as seen from the pictures' folder, with ``/``, in Unicode's composed form (NFC)."""
        return tuple(nfc(os.path.relpath(self.paths[row], self.folder).replace(os.sep, "/")) for row in rows)

    def require_different(self) -> None:
        """Raise ``DataError`` for a picture that is listed twice, with both lines."""
        lines: dict[str, int] = {}
        for line, path in zip(self.labels.index.tolist(), self.paths, strict=True):
            first = lines.setdefault(os.path.normpath(path), line)
            if first != line:
                raise DataError(f"{self.table}:{line}: '{path}' is in line {first} as well; remove one of the two")

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
        """The class of each picture; raises ``DataError`` for an empty cell."""
        if len(self.columns) > 1:
            return [names[0] for names in self.label_sets()[1]]
        (column,) = self.columns
        cells = cells_of(self.labels, column, self.table.name)
        for line, cell in zip(self.labels.index.tolist(), cells, strict=True):
            if cell.lower() == "nan":  # as pandas writes what is missing
                raise DataError(f"{self.table.name}:{line}: column '{column}' has '{cell}', no label; fill it in")
        return cells

    def refuse_measurements(self, wanted: Wants) -> None:
        """Raise ``DataError`` for a single column of numbers that are no names of ``wanted`` (classes or labels)."""
        column = self.columns[0]
        values, bad = numbers(self.labels[column])
        if len(self.columns) > 1 or bad.any() or np.isnan(values).any():
            return
        distinct = np.unique(values)
        many = len(distinct) > MAX_NAMES and len(distinct) * PICTURES_EACH > len(values)
        if many or (distinct % 1).any():
            raise DataError(
                f"{self.table.name}: column '{column}' has {len(distinct)} different numbers, which are no {wanted}; "
                "set task: regression"
            )

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
        """All labels, and those of each picture, perhaps none.

        Several columns, or one that holds nothing but 0 and 1, are a label each; else a cell has their names. Raises
        ``DataError`` for a cell that tells nothing.
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
        self.refuse_measurements(wants)
        if wants == "labels":
            return [(BETWEEN.join(names) or "(none)", names) for names in self.label_sets()[1]]
        return [(name, (name,)) for name in self.classes()]


def list_pictures(
    file: str,
    path: Name,
    label: Label,
    split_column: Name | None,
    root: str | None,
    delimiter: str | None,
    group: Name | None = None,
    header: Header = "auto",
    encoding: str | None = None,
) -> Listing:
    """Read the table; without a split column all rows are ``train``.

    Raises ``DataError`` for a missing column, a row without a path (with its line), or an unknown split.
    """
    table = find_data(file)
    labelled = label if isinstance(label, list) else [label]
    named = [nfc(given) for given in (path, *labelled) if isinstance(given, str)]
    frame = read_texts(table, header, delimiter, encoding=encoding, names=named)
    path, *columns = (column_name(frame, given, table.name) for given in (path, *labelled))
    split, grouped = (
        None if given is None else column_name(frame, given, table.name) for given in (split_column, group)
    )
    folder = find_data(root, "folder") if root is not None else table.parent
    require_column(frame, path, table.name, "path_column")
    for column in columns:
        require_column(frame, column, table.name, "label")
        if columns.count(column) > 1:
            raise DataError(f"{table.name}: label names column '{column}' twice; name it once")
    files = find_files(cells_of(frame, path, table.name), folder, table.name)
    labels = frame[columns].apply(lambda cells: cells.str.strip().str.normalize("NFC"))
    groups = None
    if grouped is not None:
        require_column(frame, grouped, table.name, "group")
        groups = tuple(cells_of(frame, grouped, table.name))
    return Listing(table, folder, files, parts_of(frame, split, table.name), labels, frame, groups)
