"""Text by the columns that it takes in a terminal: CJK signs and emojis take two each."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from cnncli.core.graphemes import clusters


def padded(text: str, width: int, right: bool = False) -> str:
    """``text`` filled with spaces up to ``width`` columns, on its right side or, for numbers, on its left."""
    spaces = " " * (width - cell_len(text))
    return spaces + text if right else text + spaces


def fold(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns, broken between words; a word that is wider stays whole."""
    if cell_len(text) <= width:
        return [text]
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def widest_word(text: str) -> int:
    """The columns of the longest word."""
    return max(map(cell_len, text.split(" ")))


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, the rest an ellipsis; no sign is cut through."""
    if cell_len(text) <= width:
        return text
    signs = clusters(text)
    while signs and cell_len("".join(signs)) > width - 1:
        signs.pop()
    return f"{''.join(signs)}…"


def shortened_middle(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, an ellipsis in its middle: beginning and end of a path stay."""
    if cell_len(text) <= width:
        return text
    signs = clusters(text)
    start, end = signs[: len(signs) // 2], signs[len(signs) // 2 :]
    while cell_len("".join([*start, "…", *end])) > width and (start or end):
        (start.pop if cell_len("".join(start)) > cell_len("".join(end)) else lambda: end.pop(0))()
    return f"{''.join(start)}…{''.join(end)}"


def column_widths(natural: Sequence[int], least: Sequence[int], room: int) -> list[int] | None:
    """Widths that sum up to ``room`` at most, the widest columns narrowed first; None where ``least`` does not fit."""
    if sum(least) > room:
        return None
    widths = list(natural)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda number: (widths[number] > least[number], widths[number]))
        widths[widest] -= 1
    return widths


def stacked(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[tuple[str, list[str]]]:
    """Rows of a table that is too wide for ``width``: the first cell of each, and below it a line for every other."""
    label = max((cell_len(heading) for heading in headings[1:]), default=0)
    beside = label <= width // 2
    indent = label + 4 if beside else 4
    for row in rows:
        lines = []
        for heading, cell in zip(headings[1:], row[1:], strict=True):
            if not cell:
                continue
            folded = [" " * indent + line for line in fold(cell, max(width - indent, 1))]
            if beside:
                folded[0] = f"  {padded(heading, label)}  {folded[0].lstrip()}"
            else:
                lines.append(f"  {heading}")
            lines += folded
        yield row[0], lines
