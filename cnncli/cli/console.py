"""Tables for people, tab-separated lines in a pipe, one JSON object for programs."""

import json
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def print_json(value: Any) -> None:
    """One JSON object."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(title: str, columns: list[str], rows: list[list[str]], left: int = 1) -> None:
    """A table; the first ``left`` columns hold words, the others numbers. Tab-separated in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        for row in [*([[title]] if title else []), columns, *rows]:
            print("\t".join(row))
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
