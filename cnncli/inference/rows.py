"""Rows for people and programs: a table, CSV or JSON. The one place that writes them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from cnncli.core.cells import padded, shortened_middle, stacked
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.printable import json_text, printable

FORMATS = ("csv", "json", "jsonl", "table")
LEAST = 24  # columns that the first one of a table keeps where it is shortened
Row = Mapping[str, Any]


def check_format(form: str) -> None:
    """Raise ``ConfigError`` when there is no such format."""
    if form not in FORMATS:
        raise ConfigError(f"--format {form}: {did_you_mean(form, FORMATS)}")


def format_rows(
    rows: Sequence[Row], form: str, about: Row | None = None, columns: Sequence[str] = (), digits: str = ".7g",
    width: int | None = None, shorten: bool = False,
) -> str:  # fmt: skip
    """Rows with the same keys as text: ``csv`` with a header, a ``table`` for reading, ``json``, or ``jsonl``.

    JSON is a list of objects; with ``about`` it is one object that has them under ``rows``; ``jsonl`` is an object a
    line. ``columns`` name the
    header where there may be no rows, ``digits`` are those of floats in CSV: of float32, or with ``""`` all. A table
    keeps to the ``width`` of a terminal: where ``shorten`` allows it, by leaving out the middle of the few words of its
    first column that are too long.
    """
    check_format(form)
    if form == "json":
        content = list(map(dict, rows)) if about is None else {**about, "rows": list(map(dict, rows))}
        return json_text(content, indent=1) + "\n"
    if form == "jsonl":
        return json_lines(rows)
    header = list(columns or (rows[0] if rows else ()))
    if form == "csv":
        text = io.StringIO()
        cells = [[format_cell(row[name], digits) for name in header] for row in rows]
        csv.writer(text, lineterminator="\n").writerows([header, *cells])
        return text.getvalue()
    cells = [header, *([format_cell(row[name], ".5g") for name in header] for row in rows)]
    lines = [[printable(cell) for cell in line] for line in cells]
    return _table(_narrowed(lines, width) if shorten and width is not None else lines, width)


def _narrowed(lines: list[list[str]], width: int) -> list[list[str]]:
    """The cells with a first column that lets a line fit, where it keeps ``LEAST`` columns, and most of it stays."""
    others = sum(max(map(cell_len, column)) + 2 for column in list(zip(*lines, strict=True))[1:])
    room = width - others
    long = sum(cell_len(line[0]) > room for line in lines[1:])
    return (
        lines
        if room < LEAST or 2 * long > len(lines) - 1
        else [[shortened_middle(line[0], room), *line[1:]] for line in lines]
    )


def json_lines(rows: Iterable[Row]) -> str:
    """Every row as a JSON object in a line of its own."""
    return "".join(json_text(dict(row), indent=None) + "\n" for row in rows)


def format_cell(value: Any, digits: str = ".7g") -> str:
    """A value as text, floats with so many digits."""
    if value is None:
        return ""
    return f"{value:{digits}}" if isinstance(value, float) else str(value)


def _table(lines: Sequence[Sequence[str]], width: int | None) -> str:
    """Columns of equal width, separated by two spaces; of at most ``width`` where nothing in it is longer.

    What does not fit stands below the first column, or else a line for every cell.
    """
    aligned = _aligned(lines)
    if width is not None and max(map(cell_len, aligned)) > width:
        below = [f"  {line}" for line in _aligned([line[1:] for line in lines])]
        if max(map(cell_len, below)) <= width:
            aligned = [line for pair in zip((line[0] for line in lines), below, strict=True) for line in pair]
        else:
            aligned = [line for head, cells in stacked(lines[0], lines[1:], width) for line in (head, *cells)]
    return "".join(line.rstrip() + "\n" for line in aligned)


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(padded, line, widths)) for line in lines]
