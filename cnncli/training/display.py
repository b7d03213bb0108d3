"""What a person sees while a run goes on: on standard error, plain lines when that is no terminal."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from cnncli.core.cells import fold
from cnncli.core.printable import printable
from cnncli.core.results import Values
from cnncli.tasks.protocol import Meter
from cnncli.training.bar import progress_bar
from cnncli.training.epoch_table import GAP, EpochTable, Shown, labelled
from cnncli.training.pace import Pace

REFRESH_SECONDS = 0.25  # how often the bar asks the device for a number
LABEL = 11  # columns of a row's name in the header


class _Progressing(Console):
    """A console that falls silent when its reader goes away: nobody who watches can stop a training run."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Display:
    """Header, progress bar, a line an epoch; ``quiet`` shows nothing but warnings."""

    def __init__(self, quiet: bool = False) -> None:
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self.console = _Progressing(stderr=True, highlight=False, emoji=False, color_system=None if plain else "auto")
        self.quiet, self.pace = quiet, Pace()
        notebook = self.console.is_jupyter
        self.has_width = notebook or sys.stderr.isatty()  # lines are made to fit; in a file they are whole
        self.has_bars = notebook or (self.has_width and not plain)
        self._table: EpochTable | None = None

    def line(self, text: str, *, start: str = "", end: str = "", indent: int = 0) -> None:
        """One line, whose ``start`` is bold and whose ``end`` green; names in it cannot steer the terminal.

        One that is too long is folded between words, and goes on below the column ``indent``.
        """
        if self.quiet:
            return
        room = self.console.width - indent if self.has_width else sys.maxsize
        first, *rest = fold(printable(text), room)
        line = Text.assemble((printable(start), "bold"), first, (printable(end), "bold green"))
        self.console.print(line, soft_wrap=True)  # a path that is wider than the terminal stays whole
        for more in rest:
            self.console.print(Text(" " * indent + more), soft_wrap=True)

    def warn(self, text: str) -> None:
        """A warning, shown even when quiet."""
        self.console.print(printable(f"warning: {text}"), markup=False, soft_wrap=True)

    def header(self, rows: dict[str, str]) -> None:
        """What is about to run, a row each."""
        for name, value in rows.items():
            self.line(value, start=f"{name:<{LABEL}}", indent=LABEL)

    def track(self, items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
        """Show progress over ``items``, of which there are ``total``."""
        if self.quiet or not self.has_bars:
            self.line(f"{what} …")
            yield from items
            return
        with progress_bar(self.console) as progress:
            bar = progress.add_task(printable(what), total=total, in_parts=True)
            for item in items:
                yield item
                progress.advance(bar)

    def train(
        self, items: Iterable[Any], total: int, done: int, epoch: tuple[int, int], meter: Meter, ranks: int = 1
    ) -> Iterator[Any]:
        """Show progress over the batches of an ``epoch``, the first of so many, and the seconds left for the run.

        The running metrics of several ``ranks`` are those of this one's samples.
        """
        number, epochs = epoch
        self.pace.begin(number, epochs, done / max(total, 1))
        what = f"epoch {number:>{len(str(epochs))}}/{epochs}"
        return self._batches(items, total, done, what, meter, ranks)

    def evaluate(self, items: Iterable[Any], total: int, what: str, meter: Meter) -> Iterator[Any]:
        """Show progress over the batches of an evaluation; of one within a run, the seconds left for the run."""
        self.pace.trained()
        return self._batches(items, total, 0, what, meter, 1)

    def _batches(
        self, items: Iterable[Any], total: int, done: int, what: str, meter: Meter, ranks: int
    ) -> Iterator[Any]:
        if self.quiet or not self.has_bars:
            yield from items
            return
        start, before, shown = time.perf_counter(), meter.samples, 0.0
        left = self.pace.left if self.pace.running else None

        def speed(now: float) -> float:
            return ranks * (meter.samples - before) / max(now - start, 1e-9)

        with progress_bar(self.console) as progress:
            bar = progress.add_task(what, total=total, completed=done, left=left)
            for item in items:
                yield item
                progress.advance(bar)
                now = time.perf_counter()
                if now - shown >= REFRESH_SECONDS:
                    shown = now
                    progress.update(bar, metrics=meter.running(), speed=speed(now))
            if meter.samples > before:  # the last that is seen of it tells all of it
                progress.update(bar, metrics=meter.running(), speed=speed(time.perf_counter()))

    def epoch(self, record: Values, shown: Shown, is_best: bool) -> None:
        """A finished epoch; a new best is marked. In a terminal a row of a table, else a line with all it tells."""
        self.pace.end()
        if not self.has_width:
            self.line(labelled(record, shown), end=f"{GAP}* best" if is_best else "")
            return
        if self._table is None:
            self._table = EpochTable(shown)
        headings, row, mark = self._table.row(record, self.console.width)
        for heading in headings:
            self.line("", start=heading)
        self.line(row, end=f"{GAP}{mark}" if is_best else "")
