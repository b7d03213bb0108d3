"""A small plot of a metric by epoch in the terminal: of Braille dots, or of stars where it has no such signs."""

import math
from collections.abc import Sequence

from cnncli.cli.console import print_lines, print_title, shows_signs, terminal
from cnncli.core.cells import padded
from cnncli.core.results import Values
from cnncli.runs.results import Monitored

HEIGHT, WIDEST = 5, 60  # lines, and columns without the scale
# of a Braille sign: the bits of its dots, [row][column]
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
Point = tuple[int, float]
"""An epoch and the metric's value."""


def print_curve(history: Sequence[Values], monitored: Monitored, best: int) -> None:
    """The monitored metric by epoch, and the ``best`` one; nothing where standard output is no terminal."""
    from cnncli.core.metrics import format_metric

    console, key = terminal(), monitored.metric
    points = [(int(record["epoch"]), record[key]) for record in history if key in record]
    values = [value for _, value in points if math.isfinite(value)]
    if not values or not console.is_terminal:
        return
    name = key.split("/")[1]
    labels = format_metric(name, min(values)), format_metric(name, max(values))
    if lines := plot(points, best, labels, console.width, ascii_only=not shows_signs(console)):
        found = f"best: {format_metric(name, monitored.value)}, epoch {best} is kept"
        print_title(f"{key.replace('/', ' ').replace('_', ' ')} by epoch ({found})")
        print_lines(console, lines)


def plot(points: Sequence[Point], best: int, labels: tuple[str, str], width: int, ascii_only: bool) -> list[str]:
    """Lines of at most ``width`` columns: the curve with the lowest and highest value at its side as ``labels``.

    Below it stand the first and the last epoch, and a mark where the ``best`` one is. Values that are none leave a
    gap. No lines where there are fewer than three values, or no room.
    """
    known = [(epoch, value) for epoch, value in points if math.isfinite(value)]
    low, high = labels
    margin = max(len(low), len(high))
    columns = min(width - margin - 2, WIDEST)
    if len(known) < 3 or columns < 10:
        return []
    across, down = (1, 1) if ascii_only else (2, 4)
    grid = _drawn(points, columns * across, HEIGHT * down)
    rows = _stars(grid) if ascii_only else _braille(grid, columns)
    bar, corner, line, mark = ("|", "+", "-", "^") if ascii_only else ("│", "└", "─", "▲")
    sides = [high, *[""] * (HEIGHT - 2), low] if low != high else ["", "", low, "", ""]
    found = [f"{padded(side, margin, right=True)} {bar}{row}".rstrip() for side, row in zip(sides, rows, strict=True)]
    axis = _axis(points, best, columns, mark)
    return [*found, f"{' ' * margin} {corner}{line * columns}", f"{' ' * (margin + 2)}{axis}"]


def _place(epoch: int, points: Sequence[Point], columns: int) -> int:
    """The column of an epoch."""
    first, last = points[0][0], points[-1][0]
    return round((epoch - first) / (last - first) * (columns - 1))


def _drawn(points: Sequence[Point], columns: int, rows: int) -> list[list[bool]]:
    """Dots ``[rows][columns]``, the highest value in the first row: a line from each value to the next."""
    values = [value for _, value in points if math.isfinite(value)]
    low, way = min(values), max(values) - min(values)
    grid = [[False] * columns for _ in range(rows)]

    def row(value: float) -> int:
        return rows - 1 - round((value - low) / way * (rows - 1)) if way else rows // 2

    before: tuple[int, int] | None = None
    for epoch, value in points:
        if not math.isfinite(value):
            before = None
            continue
        here = _place(epoch, points, columns), row(value)
        for column, height in _line(before or here, here):
            grid[height][column] = True
        before = here
    return grid


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots of a straight line, both ends included."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return [
        (round(start[0] + (end[0] - start[0]) * n / steps), round(start[1] + (end[1] - start[1]) * n / steps))
        for n in range(steps + 1)
    ]


def _stars(grid: list[list[bool]]) -> list[str]:
    return ["".join("*" if dot else " " for dot in row) for row in grid]


def _braille(grid: list[list[bool]], columns: int) -> list[str]:
    lines = []
    for top in range(0, len(grid), 4):
        signs = []
        for left in range(0, 2 * columns, 2):
            bits = sum(DOTS[y][x] for y in range(4) for x in range(2) if grid[top + y][left + x])
            signs.append(chr(0x2800 + bits) if bits else " ")
        lines.append("".join(signs))
    return lines


def _axis(points: Sequence[Point], best: int, columns: int, mark: str) -> str:
    """The best epoch with a mark where it is, and the first and the last one at the ends as far as there is room."""
    first, last = str(points[0][0]), str(points[-1][0])
    place, shown = _place(best, points, columns), f"{mark} {best}"
    if place + len(shown) > columns:
        place, shown = place - len(shown) + 1, f"{best} {mark}"
    line = [" "] * columns
    line[place : place + len(shown)] = shown
    if place > len(first):
        line[: len(first)] = first
    if place + len(shown) < columns - len(last):
        line[columns - len(last) :] = last
    return "".join(line).rstrip()
