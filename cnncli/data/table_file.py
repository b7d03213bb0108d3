"""Tables in files, read column by column: pandas reads the values, and what it would pass over is refused."""

import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.data import encodings
from cnncli.data.cells import LINE, texts
from cnncli.data.column_reader import ColumnReader
from cnncli.data.content import Content, is_utf8, regular_lines
from cnncli.data.dialect import (
    BLANKS,
    EMPTY,
    INDEX,
    SAMPLE,
    Head,
    ended_alike,
    parse,
    read_head,
    sniff_delimiter,
    split_blanks,
)
from cnncli.data.number_forms import shows_decimal_comma, tell_points_in_doubt
from cnncli.data.preamble import find_begin, line_with, stated_delimiter
from cnncli.data.workbooks import read_parquet

if TYPE_CHECKING:
    import pandas as pd

HeaderLine = Annotated[int, Field(ge=1)]
Header = bool | Literal["auto"] | HeaderLine
Every = Literal["every column"]
EVERY: Every = "every column"
_SHOWN = {"\t": "tab", BLANKS: "blanks"}


def read_texts(
    source: Path | Literal["-"],
    header: Header = "auto",
    delimiter: str | None = None,
    **further: Any,
) -> "pd.DataFrame":
    """The rows of ``open_table`` with every cell as text, ``""`` where it is empty: dtype object, ``[N, columns]``."""
    return open_table(source, header, delimiter, text=EVERY, **further).frame.fillna("")


def open_table(
    source: Path | Literal["-"],
    header: Header = "auto",
    delimiter: str | None = None,
    *,
    encoding: str | None = None,
    decimal: str | None = None,
    na_values: Collection[str] = (),
    text: Collection[str | int] | Every = (),
    footer: int = 0,
    names: Collection[str] = (),
    can_be_told: bool = True,
) -> "TableFile":
    """The rows of a table in a file (CSV, Parquet or Excel) or, for ``-``, from standard input.

    A column of plain numbers has a dtype of numbers, NaN where a cell is empty or one of ``na_values``. Any other
    column, and those named in ``text``, is of dtype object: texts as written, NaN where there is none. The index,
    called ``LINE``, holds line numbers; the last ``footer`` lines are no rows. Of a file with lines above its table
    ``header`` or ``names``, columns that there must be, tell where it begins; ``can_be_told`` whether a config can.
    Raises ``DataError`` in one line for a file that is no table.
    """
    name = "standard input" if source == "-" else Path(source).name
    suffix = "" if source == "-" else Path(source).suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            return TableFile(read_parquet(Path(source)))
        content = Content.of(source, suffix, name)
        return _Reading(content, name, header, delimiter, encoding, decimal, na_values, text, footer,
                        names, can_be_told).read()  # fmt: skip
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror or error}); name a table in a file") from error


@dataclass(frozen=True)
class TableFile:
    """The rows ``[N, columns]``, the delimiter and decimal sign, and the column of row names that had no name itself.

    ``header`` is the first line as names, ``plain`` says whether every line is a row whose cells need no quotes.
    """

    frame: "pd.DataFrame"
    delimiter: str = ","
    decimal: str | None = None
    unnamed: str | None = None
    plain: bool = False
    header: tuple[str, ...] = ()
    content: "Content | None" = None

    def lines(self) -> Iterator[str]:
        """Every row below the header as its line, where the table is ``plain``."""
        assert self.content is not None
        with io.TextIOWrapper(self.content.open(), encoding="utf-8-sig") as stream:
            yield from islice((line.rstrip("\n") for line in stream), 1 if self.header else 0, None)

    def rows(self) -> Iterator[list[str]]:
        """The cells of every row below the header, as they are written."""
        if self.content is None:  # Parquet
            columns = [texts(self.frame[name]).tolist() for name in self.frame.columns]
            yield from (["" if cell is None else cell for cell in row] for row in zip(*columns, strict=True))
        else:
            rows = self.content.rows(self.delimiter)
            yield from islice((row for _, row in rows), 1 if self.header else 0, None)

    @property
    def names(self) -> list[str]:
        """What the columns of ``rows`` are called."""
        return list(self.header) or [str(name) for name in self.frame.columns]


@dataclass
class _Reading:
    """One table on its way from bytes to columns."""

    content: Content
    name: str
    header: Header
    delimiter: str | None
    encoding: str | None
    decimal: str | None
    na_values: Collection[str]
    text: Collection[str | int] | Every
    footer: int
    names: Collection[str]
    can_be_told: bool

    def read(self) -> TableFile:
        self._as_utf8()
        if self.footer:
            self.content = self.content.without_last(self.footer)
        header = self._begin()
        delimiter = self._one_byte(self._delimiter(self._first_lines()))
        lines = self._first_lines()
        rows = parse(lines, delimiter)
        if not rows:
            raise DataError(f"{self.name}: is empty; a table with rows is needed")
        first = next((n for n, line in enumerate(lines, self.content.before + 1) if line.strip()), 1)
        rows = rows if header is False else ended_alike(rows)
        head = read_head(rows, header, f"{self.name}:{first}")
        index, plain = self._lines(delimiter, head)
        below = rows[1:] if head.header else rows
        cells = [[row[n].strip() for row in below if len(row) > n] for n in range(len(head.names))]
        decimal = self._decimal(cells, head.names)
        reader = ColumnReader(
            self.content, delimiter, head, tuple(self.na_values), decimal if delimiter != "," else None
        )
        alike = decimal == delimiter  # "1,5" in quotes: pandas' reader cannot tell the two
        frame = reader.frame(set(range(len(head.names))) if alike else self._texts(cells, head, reader), index)
        unnamed = INDEX if head.header and not rows[0][0].strip() and INDEX in frame.columns else None
        return TableFile(frame, delimiter, decimal, unnamed, plain, self._written(rows, head), self.content)

    def _begin(self) -> bool | str:
        """Leave out what lies above the table, and say whether its first line has names.

        Raises ``DataError`` where it is not sure what lies above.
        """
        header: bool | str = self.header if isinstance(self.header, bool | str) else True
        lines, given = self._first_lines(), None if isinstance(self.header, bool | str) else self.header
        stated = stated_delimiter(lines[0]) if lines and given != 1 else None
        if stated is not None:
            if self.delimiter is None:
                shown = _SHOWN.get(stated, f"'{stated}'")
                notice("delimiter", f"{self.name}: line 1 says that the cells are parted by {shown}; it is no row")
                self.delimiter = stated
            lines[0] = "\n"
        line = given
        if self.names and self.header is not False:
            line = self._line_of_names(lines, given) or given
        if line is not None:
            self.content = self.content.after(line - 1)
            return True
        self.content = self.content.after(int(stated is not None))
        self._refuse_preamble(lines)
        return header

    def _line_of_names(self, lines: list[str], given: int | None) -> int | None:
        """The line that has all ``names``; a notice says so where the config gives another, or none."""
        delimiter = self._told_delimiter()
        if given is not None and line_with(self.names, lines[given - 1 : given], delimiter):
            return given
        line = line_with(self.names, lines, delimiter)
        if line is not None and any(above.strip() for above in lines[: line - 1]):
            notice("preamble", f"{self.name}: line {line} names the columns; the lines above it are passed over")
        return line

    def _refuse_preamble(self, lines: list[str]) -> None:
        delimiter = self._told_delimiter()
        begin = find_begin(lines, delimiter or sniff_delimiter(lines), delimiter is None)
        if begin is None:
            return
        key = f"set dataset.header: {begin.line}, or " if begin.names and self.can_be_told else ""
        names = ", whose columns it names" if begin.names else ""
        raise DataError(
            f"{self.name}:{begin.line}: the table seems to begin in this line{names}; {key}remove the lines above it"
        )

    def _told_delimiter(self) -> str | None:
        return None if self.delimiter is None else {"\\t": "\t"}.get(self.delimiter, self.delimiter)

    def _written(self, rows: list[list[str]], head: Head) -> tuple[str, ...]:
        """The first line's names, as they are there."""
        return tuple(cell.strip() for cell in rows[0]) if head.header else ()

    def _one_byte(self, delimiter: str) -> str:
        """Make the delimiter one that pandas' reader takes: one byte, no run of blanks."""
        if delimiter == BLANKS:
            lines = self.content.whole().decode("utf-8-sig").splitlines()
            self.content = self.content.replaced("\n".join(map(split_blanks, lines)))
            return "\t"
        if not delimiter.isascii():
            self.content = self.content.replaced(self.content.whole().decode("utf-8-sig").replace(delimiter, "\x1f"))
            return "\x1f"
        return delimiter

    def _decimal(self, cells: list[list[str]], names: tuple[str, ...]) -> str | None:
        if self.decimal is not None:
            return self.decimal
        if not any("," in cell for column in cells for cell in column) or not any(map(shows_decimal_comma, cells)):
            tell_points_in_doubt(cells, names, self.name)
            return None
        notice("decimal", f"{self.name}: numbers have a decimal comma; set dataset.decimal: '.' if not")
        return ","

    def _as_utf8(self) -> None:
        """Turn a file of another encoding into bytes of UTF-8."""
        told = encodings.marked(self.content.head()[:4]) or self.encoding or "utf-8"
        told = told.lower().replace("_", "-")
        if told in ("utf-8", "utf8", "utf-8-sig") and is_utf8(self.content):
            return
        text = encodings.decode(self.content.whole(), self.encoding, self.name)
        self.content = self.content.replaced(text)

    def _first_lines(self) -> list[str]:
        head = self.content.head()
        encodings.require_text(head, self.name)
        return list(islice(io.StringIO(head.decode("utf-8-sig", "replace"), newline=""), SAMPLE))

    def _delimiter(self, lines: list[str]) -> str:
        if (told := self._told_delimiter()) is not None:
            return told
        found = sniff_delimiter(lines)
        if found != ",":
            shown = _SHOWN.get(found, f"'{found}'")
            notice("delimiter", f"{self.name}: the cells are parted by {shown}; set dataset.delimiter if not")
        return found

    def _texts(self, cells: list[list[str]], head: Head, reader: ColumnReader) -> set[int]:
        """The positions of the columns that are read as texts, as far as the first rows tell."""
        if self.text == EVERY:
            return set(range(len(head.names)))
        empty = {"", *self.na_values}
        found = {n for n, column in enumerate(cells) if not all(c in empty or reader.takes(c) for c in column)}
        kept = [n for n in range(len(head.names)) if n not in head.drop]
        for given in self.text:
            if isinstance(given, int):
                found |= {kept[given]} if -len(kept) <= given < len(kept) else set()
            elif given in head.names:
                found.add(head.names.index(given))
        return found

    def _lines(self, delimiter: str, head: Head) -> tuple["pd.Index[int]", bool]:
        """The line of every row below the header, and whether each is one line without quotes.

        Raises ``DataError`` for one of another length.
        """
        import pandas as pd

        count = regular_lines(self.content, delimiter.encode(), len(head.names))
        if count is not None:
            index: pd.Index[int] = pd.RangeIndex(1 + int(head.header), count + 1, name=LINE) + self.content.before
        else:
            numbers = np.fromiter(self._irregular(delimiter, head), dtype=np.int64)
            index = pd.Index(numbers[int(head.header) :], name=LINE)
        if not len(index):
            raise DataError(f"{self.name}: has a header but no rows; add some, or set header: false")
        return index, count is not None

    def _irregular(self, delimiter: str, head: Head) -> Iterator[int]:
        width, is_first = len(head.names), True
        for line, row in self.content.rows(delimiter):
            ends_before = is_first and len(row) == width - 1 and head.names[-1] == EMPTY
            if len(row) != width and not ends_before:
                raise DataError(
                    f"{self.name}:{line}: has {len(row)} values where {width} columns are expected; fix the line"
                )
            is_first = False
            yield line
