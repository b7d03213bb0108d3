"""Tables for people, tab-separated lines in a pipe, one JSON object for programs."""

import os
import stat
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cnncli.core.printable import json_on, json_text, printable, shown_on

# rich's SIMPLE_HEAD in ASCII, for encodings without box-drawing characters
_PLAIN_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def say(line: str) -> None:
    """A line, or several, on standard output, in which names cannot steer a terminal."""
    print(printable(line, keep="\n"))


def warn(line: str) -> None:
    """The same on standard error."""
    print(printable(line), file=sys.stderr)


def print_text(text: str, flush: bool = False, json: bool = False) -> None:
    """A text on standard output as it is; what could steer a terminal reaches none.

    Of a text that is ``json`` no character is lost, whatever the encoding.
    """
    if json:
        text = json_on(sys.stdout, text)
    print(printable(text, keep="\n\t") if sys.stdout.isatty() else text, end="", flush=flush)


def print_config(text: str) -> None:
    """A config on standard output; in UTF-8 where that is a file, for so configs are read again."""
    if not _is_file(sys.stdout):
        print_text(text)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "as_stored"))


def _is_file(stream: Any) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # a stream in memory, or none at all
        return False


def print_json(value: Any) -> None:
    """One JSON object."""
    print(json_on(sys.stdout, json_text(value, indent=2)))


def print_table(title: str, columns: list[str], rows: list[list[str]], left: int = 1) -> None:
    """A table; the first ``left`` columns hold words, the others numbers. Tab-separated in a pipe."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        for row in [*([[title]] if title else []), columns, *rows]:
            print("\t".join(map(printable, row)))
        return
    head = _PLAIN_HEAD if console.options.ascii_only else box.SIMPLE_HEAD
    table = Table(title=_cell(title), title_justify="left", box=head, title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(_cell(column), justify="left" if number < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def _cell(text: str) -> str:
    """``text`` as the terminal will show it, so that what is aligned has the width that is counted."""
    return shown_on(sys.stdout, printable(text))
