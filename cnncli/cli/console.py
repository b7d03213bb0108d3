"""Tables for people, tab-separated lines in a pipe, one JSON object for programs."""

import sys
from collections.abc import Collection
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cnncli.core.printable import json_text, printable


def say(line: str) -> None:
    """A line, or several, on standard output, in which names cannot steer a terminal."""
    print(printable(line, keep="\n"))


def warn(line: str) -> None:
    """The same on standard error."""
    print(printable(line), file=sys.stderr)


def print_text(text: str, flush: bool = False) -> None:
    """A text on standard output as it is; what could steer a terminal reaches none."""
    print(printable(text, keep="\n\t") if sys.stdout.isatty() else text, end="", flush=flush)


def print_json(value: Any) -> None:
    """One JSON object."""
    print(json_text(value, indent=2))


def print_table(
    title: str, columns: list[str], rows: list[list[str]], left: int = 1, words: Collection[str] = ()
) -> None:
    """A table; the first ``left`` columns and those in ``words`` hold words, the others numbers.

    Tab-separated in a pipe.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        for row in [*([[title]] if title else []), columns, *rows]:
            print("\t".join(map(printable, row)))
        return
    table = Table(title=printable(title), title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(
            printable(column), justify="left" if number < left or column in words else "right", overflow="fold"
        )
    for row in rows:
        table.add_row(*map(printable, row))
    console.print(table)
