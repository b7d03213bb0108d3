"""The bytes of a table: a file on the disk, or what was made of one."""

import codecs
import csv
import gzip
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Literal

import numpy as np

from cnncli.core.errors import DataError
from cnncli.data.workbooks import WORKBOOKS, workbook_as_csv

CHUNK = 2**22
_HEAD, _LONGEST_HEAD = 2**20, 2**26


@dataclass
class Content:
    """A file on the disk, or bytes that were made of one, from the byte ``start`` on; ``before`` lines lie above."""

    path: Path | None = None
    data: bytes = b""
    name: str = ""
    start: int = 0
    before: int = 0

    @classmethod
    def of(cls, source: Path | Literal["-"], suffix: str, name: str) -> "Content":
        if source == "-":
            return cls(data=sys.stdin.buffer.read(), name=name)
        if suffix in WORKBOOKS:
            return cls(data=workbook_as_csv(source), name=name)
        if suffix == ".gz":
            return cls(data=gzip.decompress(source.read_bytes()), name=name)
        return cls(source, name=name)

    def replaced(self, text: str) -> "Content":
        """Other bytes in its place."""
        return Content(data=text.encode(), name=self.name, before=self.before)

    def after(self, lines: int) -> "Content":
        """What lies below so many lines; raises ``DataError`` where nothing does."""
        for found in (self.head, self.whole):
            ends = list(islice(re.finditer(rb"\r\n?|\n", found()), lines))
            if len(ends) == lines:
                break
        else:
            raise DataError(f"{self.name}: ends before line {self.before + lines + 1}; correct dataset.header")
        return replace(self, start=self.start + ends[-1].end(), before=self.before + lines) if lines else self

    def without_last(self, lines: int) -> "Content":
        """The same bytes of UTF-8 without so many lines at the end; blank ones are not counted."""
        data = self.whole()
        for _ in range(lines):
            data = data.rstrip(b"\r\n")
            data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1]
        return Content(data=data, name=self.name, before=self.before)

    def open(self) -> IO[bytes]:
        file: IO[bytes] = io.BytesIO(self.data) if self.path is None else self.path.open("rb")
        file.seek(self.start)
        return file

    def whole(self) -> bytes:
        with self.open() as file:
            return file.read()

    def chunks(self) -> Iterator[bytes]:
        with self.open() as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def head(self) -> bytes:
        """At least two lines, where there are two."""
        with self.open() as file:
            content = file.read(_HEAD)
            while content.count(b"\n") < 2 and len(content) < _LONGEST_HEAD and (more := file.read(_HEAD)):
                content += more
            return content if not file.read(1) or b"\n" not in content else content[: content.rindex(b"\n") + 1]

    def rows(self, delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """Every row that is not blank, read strictly, and the line that it begins in."""
        limit, begins = csv.field_size_limit(2**31 - 1), self.before + 1
        with io.TextIOWrapper(self.open(), encoding="utf-8-sig", newline="") as stream:
            try:
                rows = csv.reader(stream, delimiter=delimiter, strict=True)
                for row in rows:
                    if len(row) > 1 or (row and (row[0].strip() or not row[0])):
                        yield begins, row
                    begins = self.before + rows.line_num + 1
            except csv.Error as error:
                cause = f"cannot be read as CSV ({error})"
                raise DataError(f"{self.name}:{begins}: {cause}; fix the quotes of this line") from error
            finally:
                csv.field_size_limit(limit)


def is_utf8(content: Content) -> bool:
    """Whether all its bytes are UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in content.chunks():
            if not chunk.isascii() or decoder.getstate()[0]:
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def regular_lines(content: Content, delimiter: bytes, width: int) -> int | None:
    """How many lines there are, where each is a row of so many cells without quotes; else None."""
    lines, carried, ends = 0, 0, True
    for chunk in content.chunks():
        if b'"' in chunk or b"\0" in chunk or chunk.count(b"\r") != chunk.count(b"\r\n") or b"\n\n" in chunk:
            return None
        values = np.frombuffer(chunk, np.uint8)
        newlines, cuts = np.flatnonzero(values == 10), np.flatnonzero(values == delimiter[0])
        before = np.searchsorted(cuts, newlines)
        counts = np.diff(before, prepend=0)
        if len(counts):
            counts[0] += carried
            if (counts != width - 1).any():
                return None
            carried = 0
        lines += len(newlines)
        carried += len(cuts) - (int(before[-1]) if len(before) else 0)
        ends = chunk.endswith(b"\n")
    if not ends and carried != width - 1:
        return None
    return lines + (not ends) if width > 1 else None
