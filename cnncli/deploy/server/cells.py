"""Rows in JSON: objects of plain values, checked before anything is made of them."""

import math
from collections.abc import Collection
from typing import Any

from cnncli.core.errors import did_you_mean, one_line
from cnncli.deploy.server.limits import Refused

Cell = str | int | float | bool | None
Row = dict[str, Cell]

LONGEST = 10_000  # characters of a cell
LARGEST = 2**63  # of whole numbers
MAX_COLUMNS = 10_000


def check_rows(rows: list[Any], what: str, most: int) -> list[Row]:
    """The rows, which all have the same columns; raises ``Refused`` naming the first that is something else."""
    if not rows:
        raise Refused(422, "json", f"{what}: is empty; give at least one row")
    if len(rows) > most:
        raise Refused(413, "too_large", f"{what}: {len(rows):,} rows; send at most {most:,} in one request")
    first = rows[0]
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Refused(422, "json", f"{what}[{number}]: must be an object of columns and their values")
        if row.keys() != first.keys():
            other = min(row.keys() ^ first.keys())
            raise Refused(422, "json", f"{what}[{number}]: has other columns than the first row ('{_shown(other)}')")
        for name, value in row.items():
            _check_cell(f"{what}[{number}].{_shown(name)}", value)
    if not first or len(first) > MAX_COLUMNS:
        raise Refused(422, "json", f"{what}: rows of {len(first):,} columns; give 1 to {MAX_COLUMNS:,}")
    return rows


def refuse_unknown(rows: list[Row], what: str, known: Collection[str]) -> None:
    """Raise ``Refused`` for a column that is not ``known``."""
    for name in rows[0]:
        if name not in known:
            raise Refused(422, "json", f"{what}: unknown column '{_shown(name)}'; {did_you_mean(name, list(known))}")


def _check_cell(where: str, value: Any) -> None:
    """Raise ``Refused`` for what is no plain value of a sane size."""
    if isinstance(value, dict | list):
        raise Refused(422, "json", f"{where}: must be a number, a text, true, false or null")
    if isinstance(value, str) and len(value) > LONGEST:
        raise Refused(422, "json", f"{where}: has {len(value):,} characters; give at most {LONGEST:,}")
    too_large = (isinstance(value, int) and abs(value) > LARGEST) or (
        isinstance(value, float) and not math.isfinite(value)
    )
    if too_large:
        raise Refused(422, "json", f"{where}: is too large a number")


def _shown(name: str) -> str:
    return one_line(name)[:100]
