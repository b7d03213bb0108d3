"""The progress bar: what stands beside it by how wide the terminal is, and it takes the width that is left."""

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from cnncli.training.epoch_table import FRACTIONS, GAP, NUMBER, PER_CENT, clock, short_metric
from cnncli.training.notebook import NotebookProgress

LEAST = 10  # columns of the bar, or a quarter of the terminal where that is more

Left = Callable[[float], float | None]
"""Seconds left by the share that is done; None where they are not known."""


def progress_bar(console: Console) -> Progress:
    """A bar over the whole width, in a notebook one of its own; ``add_task`` puts a task into it."""
    if console.is_jupyter:
        return NotebookProgress(_Beside(console), console=console, auto_refresh=False)
    columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), _Beside(console)
    return Progress(*columns, console=console, transient=True, expand=True)


class _Beside(ProgressColumn):
    """What stands right of the bar: count, metrics, speed, seconds so far and seconds left, as far as they fit.

    Metrics and speed are in the task's fields ``metrics`` and ``speed``, and ``left`` tells the seconds.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(Column(no_wrap=True))
        self.console = console

    def render(self, task: Task) -> Text:
        """The parts in a fixed order, chosen by what matters most."""
        total = int(task.total or 0)
        parts = {"count": f"{int(task.completed):>{len(str(total))}}/{total}"}
        if task.fields.get("in_parts"):  # of many samples each: their number says nothing
            parts["count"] = f"{task.percentage:>3.0f} %"
        metrics: Mapping[str, float] = task.fields.get("metrics") or {}
        for name, value in metrics.items():
            width = PER_CENT if name in FRACTIONS else NUMBER
            parts[name] = f"{name.replace('_', ' ')} {short_metric(name, value):>{width}}"
        if speed := task.fields.get("speed"):
            parts["speed"] = f"{speed:>7,.0f}/s"
        parts["passed"] = clock(task.elapsed or 0.0)
        parts["left"] = f"{_left(task)} left"
        order = ["left", *reversed(list(metrics)), "count", "speed", "passed"]
        width = self.console.width
        room = width - Text(task.description).cell_len - 2 - max(LEAST, width // 4)
        chosen = _chosen([key for key in order if key in parts], parts, room)
        return Text(GAP.join(text for key, text in parts.items() if key in chosen))


def _left(task: Task) -> str:
    tell: Left | None = task.fields.get("left")
    share = task.completed / task.total if task.total else 0.0
    seconds = task.time_remaining if tell is None else tell(share)
    return "-:--" if seconds is None else clock(seconds)


def _chosen(order: Sequence[str], parts: Mapping[str, str], room: int) -> set[str]:
    """The first ones that fit into ``room``."""
    chosen: set[str] = set()
    for key in order:
        room -= len(parts[key]) + (len(GAP) if chosen else 0)
        if room < 0 and chosen:
            break
        chosen.add(key)
    return chosen
