"""Rows for people and programs: a table, CSV or JSON. The one place that writes them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from cnncli.core.cells import padded, stacked
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.printable import json_text, printable

FORMATS = ("csv", "json", "jsonl", "table")
Row = Mapping[str, Any]


def check_format(form: str) -> None:
    """Raise ``ConfigError`` when there is no such format."""
    if form not in FORMATS:
        raise ConfigError(f"--format {form}: {did_you_mean(form, FORMATS)}")


def format_rows(
    rows: Sequence[Row], form: str, about: Row | None = None, columns: Sequence[str] = (), digits: str = ".7g",
    width: int | None = None,
) -> str:  # fmt: skip
    """Rows with the same keys as text: ``csv`` with a header, a ``table`` for reading, ``json``, or ``jsonl``.

    JSON is a list of objects; with ``about`` it is one object that has them under ``rows``; ``jsonl`` is an object a
    line. ``columns`` name the
    header where there may be no rows, ``digits`` are those of floats in CSV: of float32, or with ``""`` all. A table
    keeps to the ``width`` of a terminal.
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
    return _table([[printable(cell) for cell in line] for line in cells], width)


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
