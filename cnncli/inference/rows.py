"""Rows for people and programs: a table, CSV or JSON. The one place that writes them."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.printable import json_text, printable

FORMATS = ("csv", "json", "table")
Row = Mapping[str, Any]


def check_format(form: str) -> None:
    """Raise ``ConfigError`` when there is no such format."""
    if form not in FORMATS:
        raise ConfigError(f"--format {form}: {did_you_mean(form, FORMATS)}")


def format_rows(
    rows: Sequence[Row], form: str, about: Row | None = None, columns: Sequence[str] = (), digits: str = ".7g"
) -> str:
    """Rows with the same keys as text: ``csv`` with a header, a ``table`` for reading, or ``json``.

    JSON is a list of objects; with ``about`` it is one object that has them under ``rows``. ``columns`` name the
    header where there may be no rows, ``digits`` are those of floats in CSV: of float32, or with ``""`` all.
    """
    check_format(form)
    if form == "json":
        content = list(map(dict, rows)) if about is None else {**about, "rows": list(map(dict, rows))}
        return json_text(content, indent=1) + "\n"
    header = list(columns or (rows[0] if rows else ()))
    if form == "csv":
        text = io.StringIO()
        cells = [[format_cell(row[name], digits) for name in header] for row in rows]
        csv.writer(text, lineterminator="\n").writerows([header, *cells])
        return text.getvalue()
    cells = [header, *([format_cell(row[name], ".5g") for name in header] for row in rows)]
    return _table([[printable(cell) for cell in line] for line in cells])


def format_cell(value: Any, digits: str = ".7g") -> str:
    """A value as text, floats with so many digits."""
    if value is None:
        return ""
    return f"{value:{digits}}" if isinstance(value, float) else str(value)


def _table(lines: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, separated by two spaces; a Chinese character is as wide as two letters."""
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(set_cell_size(cell, width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(line.rstrip() + "\n" for line in padded)
