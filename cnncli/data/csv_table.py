"""Tables in CSV files: read with the line of every row, so that a fault can be found."""

import sys
from collections.abc import Iterator, Sequence
from csv import Error as CsvError
from csv import reader
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

from pydantic import Field

from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.numbers import Fraction
from cnncli.core.registry import datasets
from cnncli.data.columns import LINE
from cnncli.data.find import find_data
from cnncli.data.tables import TableData

if TYPE_CHECKING:
    import pandas as pd

Delimiter = Annotated[str, Field(pattern=r'^[^"\r\n ]$')]


@datasets.register("csv")
def csv(
    file: str,
    target: str | int | list[str],
    features: list[str] | None = None,
    categorical: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    header: bool = True,
    delimiter: Delimiter = ",",
    missing: Literal["error", "drop", "fill"] = "error",
    split_column: str | None = None,
    test_fraction: Fraction = 0.2,
) -> TableData:
    """Your own table in a CSV file: `target` is the column to learn, by name or position (-1: the last).

    Columns of numbers are standardised, columns of texts (and those in `categorical`) become a 0/1 input for each
    text. Test is the part that `split_column` (train, val or test in every row) says, else a fixed `test_fraction`.
    """
    path = find_data(file)
    frame = read_table(path, header, delimiter)
    name, columns = path.name, list(frame.columns)
    targets = _target_names(target, columns, name)
    told = [] if split_column is None else [split_column]
    for known in (*told, *ignore, *(features or ())):
        _require(known, columns, name)
    left_out = {*targets, *told, *ignore}
    chosen = [column for column in columns if column not in left_out] if features is None else features
    if wrong := [column for column in chosen if column in left_out]:
        raise DataError(f"{name}: '{wrong[0]}' is among the features and also the target, split or ignored; choose one")
    if not chosen:
        raise DataError(
            f"{name}: no feature column is left of {', '.join(columns)}; are delimiter '{delimiter}' and ignore right?"
        )
    for known in categorical:
        _require(known, chosen, name, "feature")
    return TableData(
        frame, targets, tuple(dict.fromkeys(chosen)), frozenset(categorical), split_column, test_fraction, missing,
        name=name,
    )  # fmt: skip


def read_table(source: Path | Literal["-"], header: bool = True, delimiter: str = ",") -> "pd.DataFrame":
    """Every cell of a CSV file as text, ``[N rows, columns]``; the index holds line numbers. ``-``: standard input.

    Raises ``DataError`` in one line for a file that is no table.
    """
    import pandas as pd

    name = "standard input" if source == "-" else Path(source).name
    try:
        rows = _read(source, delimiter)
    except (UnicodeDecodeError, CsvError, IsADirectoryError) as error:
        cause = (
            "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        )
        raise DataError(f"{name}: cannot be read as CSV ({cause}); save it as CSV in UTF-8") from error
    if not rows:
        raise DataError(f"{name}: is empty; a table with rows is needed")
    first_line, first = rows[0]
    columns = [cell.strip() for cell in first] if header else [str(number) for number in range(len(first))]
    if header:
        _check_header(columns, f"{name}:{first_line}")
        rows = rows[1:]
    if not rows:
        raise DataError(f"{name}: has a header but no rows; add some, or set header: false")
    for line, row in rows:
        if len(row) != len(columns):
            raise DataError(
                f"{name}:{line}: has {len(row)} values where {len(columns)} columns are expected; fix the line"
            )
    return pd.DataFrame(
        [row for _, row in rows], columns=columns, index=pd.Index([line for line, _ in rows], name=LINE), dtype=object
    )


def _read(source: Path | Literal["-"], delimiter: str) -> list[tuple[int, list[str]]]:
    if source == "-":
        stream = TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
        try:
            return list(_numbered(stream, delimiter))
        finally:
            stream.detach()  # or standard input is closed with it
    with Path(source).open(encoding="utf-8-sig", newline="") as file:
        return list(_numbered(file, delimiter))


def _numbered(stream: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not empty, and the line that it begins in."""
    rows = reader(stream, delimiter=delimiter, strict=True)
    begins = 1
    for row in rows:
        if row:
            yield begins, row
        begins = rows.line_num + 1


def _check_header(columns: Sequence[str], where: str) -> None:
    for number, column in enumerate(columns, 1):
        if not column:
            raise DataError(f"{where}: column {number} has no name; name it, or set header: false")
        if columns.index(column) != number - 1:
            raise DataError(f"{where}: two columns are called '{column}'; rename one")


def _target_names(target: str | int | list[str], columns: Sequence[str], name: str) -> tuple[str, ...]:
    if isinstance(target, int):
        if not -len(columns) <= target < len(columns):
            raise DataError(
                f"{name}: there is no column {target} among {len(columns)}; count from 0, or -1 for the last"
            )
        return (columns[target],)
    targets = [target] if isinstance(target, str) else target
    if not targets or len(set(targets)) < len(targets):
        raise DataError(f"{name}: target names {len(targets)} columns, some twice or none; name each target once")
    for known in targets:
        _require(known, columns, name, "target column")
    return tuple(targets)


def _require(column: str, columns: Sequence[str], name: str, what: str = "column") -> None:
    if column not in columns:
        raise DataError(f"{name}: there is no {what} '{column}'; {did_you_mean(column, columns)}")
