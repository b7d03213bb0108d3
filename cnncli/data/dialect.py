"""What can be told from the first lines of a table: what parts its cells, and whether the first line names them."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import normalize

from cnncli.core.errors import DataError
from cnncli.core.notices import notice

BLANKS = " "  # a run of them
_CANDIDATES = (",", ";", "\t", "|", BLANKS)  # of several that fit equally well the first
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|NaN|inf)")
LIKE_NUMBER = re.compile(r"[-+−]?[\d.,' ]*\d[\d.,' ]*%?")
SAMPLE = 200  # lines that are looked at
EMPTY = "(empty)"  # what the column behind the last delimiter of every line is called
Name = str | int  # a column by its name or its position, -1 for the last
INDEX = "index"  # what a column of row names is called, where it has no name


def is_number(cell: str) -> bool:
    """Whether a cell is a number in the form that programs write."""
    return _NUMBER.fullmatch(cell.strip()) is not None


def split_blanks(line: str) -> str:
    """A line with one tab in place of every run of blanks outside quotes."""
    return "\t".join(re.findall(r'"[^"]*"|\S+', line))


def parse(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of some lines, as well as they can be told; blank lines are left out."""
    if delimiter == BLANKS:
        lines, delimiter = [split_blanks(line) for line in lines], "\t"
    limit = csv.field_size_limit(2**31 - 1)
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row and (len(row) > 1 or row[0].strip())]
    finally:
        csv.field_size_limit(limit)


def sniff_delimiter(lines: Sequence[str]) -> str:
    """What parts the cells: most lines have as many as the first, and more of them are numbers than otherwise."""
    best, best_score = ",", (0.0, 0.0)
    for delimiter in _CANDIDATES:
        rows = parse(lines, delimiter)
        if not rows or len(rows[0]) < 2:
            continue
        rows = ended_alike(rows)
        same = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        cells = [cell for row in rows[1:] or rows for cell in row]
        score = (round(same, 1), sum(LIKE_NUMBER.fullmatch(cell.strip()) is not None for cell in cells) / len(cells))
        if same > 0.5 and score > best_score:
            best, best_score = delimiter, score
    return best


@dataclass(frozen=True)
class Head:
    """The names of a table's columns, and whether its first line has them.

    ``drop`` are the positions of columns that hold nothing to learn from: an index, or the end of every line.
    """

    names: tuple[str, ...]
    header: bool
    drop: tuple[int, ...] = ()


def ended_alike(rows: list[list[str]]) -> list[list[str]]:
    """The rows, the first with an empty cell at its end where all others end with one more delimiter than it."""
    first, below = rows[0], rows[1:]
    if below and all(len(row) == len(first) + 1 and not row[-1].strip() for row in below):
        return [[*first, ""], *below]
    return rows


def at_position(names: Sequence[str], position: int, table: str) -> str:
    """The column at a position, -1 for the last; raises ``DataError`` where there is none."""
    if not -len(names) <= position < len(names):
        cause = f"there is no column {position} among {len(names)}"
        raise DataError(f"{table}: {cause}; count from 0, or -1 for the last")
    return names[position]


def read_head(rows: list[list[str]], header: bool | str, where: str) -> Head:
    """The columns of a table whose first rows are given; raises ``DataError`` where names are missing or in doubt."""
    first, below = [normalize("NFC", cell.strip()) for cell in rows[0]], rows[1:]
    if header is False:
        drop = _empty_end(first, below, where)
        return Head(tuple(str(number) for number in range(len(first))), False, tuple(drop))
    if header != "auto" or not below:
        return _named(first, below, where)
    if first in ([str(n) for n in range(len(first))], [str(n) for n in range(1, len(first) + 1)]) and len(first) > 1:
        return _named(first, below, where)  # as pandas writes a table without names
    line = where.rpartition(":")[2]
    numeric = [n for n in range(len(first)) if _holds_numbers(below, n)]
    if numeric and all(is_number(first[n]) for n in numeric):
        raise DataError(f"{where}: line {line} is numbers; set header: false (or header: true if they are names)")
    if not numeric and len(below) > 2 * len(first) and _recurs(first, below):
        cause = f"line {line} is like the lines below it"
        raise DataError(f"{where}: {cause}; set header: false (or header: true if it holds the names)")
    return _named(first, below, where)


def _empty_end(first: list[str], below: list[list[str]], where: str) -> list[int]:
    """The position of the last column where it is empty because every line ends with a delimiter."""
    width = len(first)
    if width < 2 or first[-1] or any(row[-1].strip() for row in below if len(row) == width):
        return []
    notice("empty_column", f"{where}: every line ends with a delimiter; the empty column is left out")
    return [width - 1]


def _holds_numbers(rows: list[list[str]], column: int) -> bool:
    cells = [row[column].strip() for row in rows if len(row) > column and row[column].strip()]
    return bool(cells) and 2 * sum(map(is_number, cells)) > len(cells)


def _recurs(first: list[str], rows: list[list[str]]) -> bool:
    return all(any(len(row) > n and row[n].strip() == cell for row in rows) for n, cell in enumerate(first))


def _named(first: list[str], below: list[list[str]], where: str) -> Head:
    names, drop = list(first), _empty_end(first, below, where)
    if drop:
        names[-1] = EMPTY
    if len(names) > 1 and not names[0]:
        counted = [row[0].strip() for row in below if len(row) == len(names)]
        if counted in ([str(n) for n in range(len(counted))], [str(n + 1) for n in range(len(counted))]):
            drop.append(0)
            notice("index_column", f"{where}: column 1 has no name and counts the rows; it is left out")
        names[0] = INDEX if INDEX not in names else ""
    for number, column in enumerate(names, 1):
        if not column:
            raise DataError(f"{where}: column {number} has no name; name it, or set header: false")
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise DataError(f"{where}: two columns are called '{twice}'; rename one")
    return Head(tuple(names), True, tuple(drop))
