"""Names and tables as Markdown that shows them as they are, whatever signs are in them."""

from collections.abc import Sequence

from cnncli.core.printable import printable

MOST_NAMES = 100  # of classes or columns that are listed


def plain(text: object) -> str:
    """A name as a piece of one line of Markdown, in which nothing is a mark-up or HTML."""
    line = printable(" ".join(str(text).split()))
    for sign in "\\`*[]|~":
        line = line.replace(sign, f"\\{sign}")
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def listed(names: Sequence[str]) -> str:
    """Names in a row, at most so many of them."""
    more = f", … ({len(names):,} in all)" if len(names) > MOST_NAMES else ""
    return ", ".join(map(plain, names[:MOST_NAMES])) + more


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table whose first ``left`` columns hold words."""
    marks = ["---" if place < left else "--:" for place in range(len(columns))]
    lines = [list(map(plain, columns)), marks, *(list(map(plain, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
