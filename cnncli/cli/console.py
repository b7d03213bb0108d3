"""Tables for people, tab-separated lines in a pipe, one JSON object for programs."""

import os
import stat
import sys
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from cnncli.core.cells import column_widths, fold, stacked, widest_word
from cnncli.core.printable import json_on, json_text, printable, shown_on

# rich's SIMPLE_HEAD in ASCII, for encodings without box-drawing characters
_PLAIN_HEAD = "    \n    \n -- \n    \n    \n    \n    \n    \n"

if TYPE_CHECKING:  # the import takes a third of the time until a command begins
    from rich.console import Console
    from rich.text import Text

LABEL = 10  # columns of the name in a row


def say(line: str) -> None:
    """A line, or several, on standard output, in which names cannot steer a terminal."""
    print(printable(line, keep="\n"))


def tell(sentence: str, style: str = "") -> None:
    """A sentence, or several lines, on standard output; in a terminal they are folded between words."""
    console = terminal()
    if console.is_terminal:
        for line in sentence.split("\n"):
            print_lines(console, fold(printable(line), console.width), style)
    else:
        say(sentence)


def tell_row(name: str, value: str) -> None:
    """A name and what is told of it, which goes on below its own beginning where a terminal is too narrow."""
    width = terminal_width()
    lines = [value] if width is None else fold(printable(value), max(width - LABEL, 1))
    for number, line in enumerate(lines):
        say(f"{'' if number else name:<{LABEL}}{line}")


def warn(line: str) -> None:
    """The same on standard error."""
    print(printable(line), file=sys.stderr)


def say_first(line: str, quiet: bool = False) -> None:
    """The line that a command begins with, at once on standard error."""
    if not quiet:
        warn(line)
        sys.stderr.flush()


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


def print_table(title: str, columns: list[str], rows: list[list[str]], left: int | Collection[int] = 1) -> None:
    """A table; the columns ``left`` (so many first ones, or their numbers) hold words. Tab-separated in a pipe.

    It is folded between words, never inside one; where that does not fit, each row becomes lines of its own.
    """
    console = terminal()
    cells = [list(map(_cell, row)) for row in [columns, *rows]]
    if not console.is_terminal:
        for row in [*([[_cell(title)]] if title else []), *cells]:
            print("\t".join(row))
        return
    if title:
        print_title(title)
    by_column = list(zip(*cells, strict=True))
    natural = [max(map(cell_len, column)) for column in by_column]
    least = [max(map(widest_word, column)) for column in by_column]
    roomy = sum(natural) + 3 * len(columns) + 1 <= console.width
    widths = natural if roomy else column_widths(natural, least, console.width - 2 * (len(columns) - 1))
    if widths is None:
        for head, lines in stacked(cells[0], cells[1:], console.width):
            print_lines(console, [head], "bold")
            print_lines(console, lines)
        return
    words = range(left) if isinstance(left, int) else left
    padding = (0, 1) if roomy else (0, 1, 0, 0)
    from rich import box
    from rich.table import Table

    look = box.Box(_PLAIN_HEAD, ascii=True) if console.options.ascii_only else box.SIMPLE_HEAD
    table = Table(box=look, show_edge=roomy, pad_edge=roomy, padding=padding)
    for number, (column, width) in enumerate(zip(cells[0], widths, strict=True)):
        table.add_column(column, justify="left" if number in words else "right", width=width)
    for row in cells[1:]:
        table.add_row(*row)
    console.print(table)


def print_title(title: str) -> None:
    """The title of a table or plot in a terminal, after an empty line."""
    print()
    tell(title, "bold")


def terminal() -> "Console":
    """Standard output as rich knows it: what is printed there is taken as it is."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def shows_signs(console: "Console") -> bool:
    """Whether a terminal can be taken to show Braille and lines: by its encoding, and fonts of the Linux console."""
    return not console.options.ascii_only and os.environ.get("TERM") not in ("dumb", "linux")


def terminal_width() -> int | None:
    """The columns of the terminal that standard output is; None where it is none: then lines can be of any length."""
    console = terminal()
    return console.width if console.is_terminal else None


def print_lines(console: "Console", lines: "Iterable[str | Text]", style: str = "") -> None:
    """Lines as they are: one that is wider than the terminal stays whole, so that a path can be copied."""
    for line in lines:
        console.print(line, style=style, soft_wrap=True)


def _cell(text: str) -> str:
    """``text`` as the terminal will show it, so that what is aligned has the width that is counted."""
    return shown_on(sys.stdout, printable(text))
