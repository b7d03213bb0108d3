"""Where a table begins in its file: below Excel's ``sep=;``, and below a title, a date of export or a blank line."""

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from cnncli.data.cells import MISSING_BEFORE
from cnncli.data.dialect import BLANKS, LIKE_NUMBER, is_number, split_blanks

_DELIMITERS = (",", ";", "\t", "|")
_EARLY = 20  # rows in which a blank line can part a title from the table


def stated_delimiter(line: str) -> str | None:
    """The delimiter that a line ``sep=;`` states, as Excel writes and reads it; None for any other line."""
    match = re.fullmatch(r'("?)sep=(\\t|[^"\r\n])\1 *', line.rstrip("\r\n"), re.IGNORECASE)
    return None if match is None else {"\\t": "\t"}.get(match[2], match[2])


@dataclass(frozen=True)
class _Row:
    """A row that is not blank, the line that it begins in, and whether a blank one lies before it."""

    line: int
    cells: tuple[str, ...]
    after_blank: bool

    @property
    def filled(self) -> int:
        """How many cells there are up to the last that is not empty."""
        return max((n for n, cell in enumerate(self.cells, 1) if cell), default=0)


def _rows(lines: Sequence[str], delimiter: str) -> list[_Row]:
    if delimiter == BLANKS:
        lines, delimiter = [split_blanks(line) for line in lines], "\t"
    limit = csv.field_size_limit(2**31 - 1)
    rows, begins, blank = [], 1, False
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            if any(cells):
                rows.append(_Row(begins, cells, blank))
            blank, begins = not any(cells), reader.line_num + 1
    finally:
        csv.field_size_limit(limit)
    return rows


def line_with(names: Collection[str], lines: Sequence[str], delimiter: str | None) -> int | None:
    """The first line that has a cell for each of ``names``."""
    wanted = {normalize("NFC", name.strip()) for name in names}
    for each in (*_DELIMITERS, BLANKS) if delimiter is None else (delimiter,):
        for row in _rows(lines, each):
            if wanted <= {normalize("NFC", cell) for cell in row.cells}:
                return row.line
    return None


@dataclass(frozen=True)
class Begin:
    """The line that a table begins in, and whether it names the columns."""

    line: int
    names: bool


def find_begin(lines: Sequence[str], delimiter: str, found: bool) -> Begin | None:
    """Where the table begins below lines that are no part of it; None where it begins in the first that is not blank.

    ``found``: the delimiter is a guess, which such lines mislead. A table is the largest block of rows of one width.
    Lines above it are no part of it if its first row has names above numbers, or if the file could not be read else.
    """
    own = _rows(lines, delimiter)
    ragged = len({len(row.cells) for row in own}) > 1 or not all(own[0].cells) if own else False
    best: tuple[tuple[bool, int], Begin] | None = None
    for each in dict.fromkeys([delimiter, *_DELIMITERS]) if found else (delimiter,):
        rows = _rows(lines, each)
        block = _largest_block(rows)
        if len(block) < 2:
            continue
        head = _head(block)
        if head == rows[0]:
            if each == delimiter:
                return None
            continue
        below = [row for row in block if row.line > head.line]
        numbers = _columns_of_numbers(below, len(head.cells))
        named = bool(numbers) and not any(_like_number(head.cells[n]) for n in numbers)
        alone = rows[0].filled == 1 or head.after_blank
        score = named, len(below) * len(head.cells)
        if (named or (ragged and alone)) and (best is None or score > best[0]):
            best = score, Begin(head.line, named or not numbers)
    return None if best is None else best[1]


def _largest_block(rows: list[_Row]) -> list[_Row]:
    """The rows one after the other, of the same number of cells, two or more, that have the most cells together."""
    best: list[_Row] = []
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or len(rows[end].cells) != len(rows[start].cells):
            width = len(rows[start].cells)
            if width > 1 and (end - start) * width > sum(len(row.cells) for row in best):
                best = rows[start:end]
            start = end
    return best


def _head(block: list[_Row]) -> _Row:
    """The row that begins the table: the first that is as full as any, or names columns below a blank line."""
    full = max(row.filled for row in block)
    first = next(n for n, row in enumerate(block) if row.filled == full)
    for n, row in enumerate(block[first + 1 : _EARLY], first + 1):
        numbers = _columns_of_numbers(block[n + 1 :], full)
        if row.after_blank and numbers and all(map(_may_be_name, row.cells)):
            return row
    return block[first]


def _like_number(cell: str) -> bool:
    return is_number(cell) or LIKE_NUMBER.fullmatch(cell) is not None


def _may_be_name(cell: str) -> bool:
    """Whether a cell can hardly be a value: it has letters, no digits, and stands for no missing value."""
    return re.search(r"[^\W\d_]", cell) is not None and re.search(r"\d", cell) is None and cell not in MISSING_BEFORE


def _columns_of_numbers(rows: Sequence[_Row], width: int) -> list[int]:
    """The positions of the columns of which most cells are like numbers."""
    found = []
    for n in range(width):
        cells = [row.cells[n] for row in rows if len(row.cells) > n and row.cells[n]]
        if cells and 2 * sum(map(_like_number, cells)) > len(cells):
            found.append(n)
    return found
