"""A confusion matrix in the terminal: its numbers, on colours by the share of each true class."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from cnncli.cli.console import print_lines, print_table, print_title, terminal
from cnncli.core.cells import padded, shortened
from cnncli.core.printable import printable
from cnncli.core.results import MatrixBlock

RIGHT, WRONG = ("green", (46, 125, 50)), ("red", (198, 40, 40))  # where there are few colours, and of a whole row
NARROWEST = 8  # columns of the names at the side; a third of the terminal where not all numbers fit anyway


def print_matrix(block: MatrixBlock) -> None:
    """The counts under the names of the classes, or under their numbers where the names are too wide.

    Where these are too wide as well, some columns at a time. Tab-separated in a pipe.
    """
    console = terminal()
    if not console.is_terminal:
        rows = [[label, *map(str, row)] for label, row in zip(block.labels, block.counts, strict=True)]
        print_table(block.title, ["", *block.labels], rows)
        return
    names = list(map(printable, block.labels))
    widths = [
        max(cell_len(name), *(len(str(row[number])) for row in block.counts)) for number, name in enumerate(names)
    ]
    side = max(map(cell_len, names))
    print_title(block.title)
    if side + sum(widths) + 2 * len(names) <= console.width:
        lines = _lines(block, names, names, [width + 1 for width in widths], range(len(names)))
        print_lines(console, lines)
        return
    for lines in _numbered(block, names, console.width):
        print_lines(console, lines)


def _numbered(block: MatrixBlock, names: Sequence[str], width: int) -> list[list[Text]]:
    """The matrix with the number of each class instead of its name, in blocks of columns that fit."""
    numbers = [str(number) for number in range(1, len(names) + 1)]
    digits = len(numbers[-1])
    widths = [max(len(numbers[n]), *(len(str(row[n])) for row in block.counts)) for n in range(len(names))]
    beside_all = width - sum(widths) - len(widths) - digits - 1
    most = beside_all if beside_all >= NARROWEST else max(NARROWEST, width // 3)
    sides = [f"{number:>{digits}} {shortened(name, most)}" for number, name in zip(numbers, names, strict=True)]
    room = width - max(map(cell_len, sides))
    blocks, chosen, used = [], list[int](), 0
    for column, needed in enumerate(widths):
        if chosen and used + needed + 1 > room:
            blocks.append(chosen)
            chosen, used = [], 0
        chosen = [*chosen, column]
        used += needed + 1
    return [_lines(block, sides, numbers, widths, columns) for columns in [*blocks, chosen]]


def _lines(
    block: MatrixBlock, sides: Sequence[str], headings: Sequence[str], widths: Sequence[int], columns: Sequence[int]
) -> list[Text]:
    """The headings of some columns, and every row below."""
    side, shades = max(map(cell_len, sides)), terminal().color_system not in ("standard", None)
    found = [Text(" " * side + "".join(f" {padded(headings[n], widths[n], right=True)}" for n in columns), "bold")]
    for number, (name, row) in enumerate(zip(sides, block.counts, strict=True)):
        line = Text(padded(name, side))
        for column in columns:
            style = _style(row[column], sum(row), column == number, shades)
            line.append(f" {row[column]:>{widths[column]}}", style)
        found.append(line)
    return found


def _style(count: int, total: int, right: bool, shades: bool) -> str:
    """Green for what is right, red for what is wrong, the brighter the more of the row it is; nothing for none."""
    if not count:
        return "dim"
    name, whole = RIGHT if right else WRONG
    if not shades:
        return f"bold white on {name}"
    strength = 0.25 + 0.75 * (count / total) ** 0.5
    red, green, blue = (round(strength * part) for part in whole)
    return f"bold white on rgb({red},{green},{blue})"
