"""What a person sees while a run goes on: on standard error, plain lines when that is no terminal."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cnncli.core.printable import printable
from cnncli.core.results import Values
from cnncli.tasks.protocol import Meter

REFRESH_SECONDS = 0.25  # how often the bar asks the device for a number


class _Progressing(Console):
    """A console that falls silent when its reader goes away: nobody who watches can stop a training run."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Display:
    """Header, progress bar, a line an epoch; ``quiet`` shows nothing but warnings."""

    def __init__(self, quiet: bool = False) -> None:
        wraps = not sys.stderr.isatty()
        self.console = _Progressing(stderr=True, highlight=False, emoji=False, soft_wrap=wraps)
        self.quiet = quiet

    def line(self, text: str, *, start: str = "", end: str = "") -> None:
        """One line, whose ``start`` is bold and whose ``end`` green; names in it cannot steer the terminal."""
        if not self.quiet:
            parts = (printable(start), "bold"), printable(text), (printable(end), "bold green")
            self.console.print(Text.assemble(*parts))

    def warn(self, text: str) -> None:
        """A warning, shown even when quiet."""
        self.console.print(printable(f"warning: {text}"), markup=False)

    def header(self, rows: dict[str, str]) -> None:
        """What is about to run, a row each."""
        for name, value in rows.items():
            self.line(f" {value}", start=f"{name:<10}")

    def track(self, items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
        """Show progress over ``items``, of which there are ``total``."""
        if self.quiet or not self.console.is_terminal:
            self.line(f"{what} …")
            yield from items
            return
        with self._progress() as progress:
            bar = progress.add_task(printable(what), total=total, metrics="")
            for item in items:
                yield item
                progress.advance(bar)

    def batches(
        self, items: Iterable[Any], total: int, done: int, what: str, meter: Meter, ranks: int = 1
    ) -> Iterator[Any]:
        """Show progress over the batches of an epoch, with the running metrics and samples per second.

        Of several ``ranks`` the metrics are those of this one's samples.
        """
        if self.quiet or not self.console.is_terminal:
            yield from items
            return
        start, before, shown = time.perf_counter(), meter.samples, 0.0
        with self._progress() as progress:
            bar = progress.add_task(what, total=total, completed=done, metrics="")
            for item in items:
                yield item
                progress.advance(bar)
                now = time.perf_counter()
                if now - shown >= REFRESH_SECONDS:
                    shown = now
                    speed = ranks * (meter.samples - before) / (now - start)
                    text = f"{format_metrics(meter.running())}  {speed:,.0f}/s"
                    progress.update(bar, metrics=text)

    def epoch(self, record: Values, epochs: int, is_best: bool, headline: str, unit: str) -> None:
        """One line for a finished epoch of so many ``epochs``; a new best is marked. ``unit`` is that of the speed."""
        number = f"{int(record['epoch']):>{len(str(epochs))}}/{epochs}"
        parts = [f"epoch {number}"]
        for split in ("train", "val"):
            values = {key.split("/")[1]: v for key, v in record.items() if key.startswith(f"{split}/")}
            shown = {key: value for key, value in values.items() if key in ("loss", headline)}
            if shown:
                parts.append(f"{split} {format_metrics(shown)}")
        seconds = record["train_seconds"] + record["eval_seconds"]
        parts += [f"lr {record['lr']:.3g}", f"{record['samples_per_second']:,.0f} {unit}/s", f"{seconds:.1f} s"]
        self.line("  ".join(parts), end="  * best" if is_best else "")

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[metrics]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )


def format_metrics(values: dict[str, float]) -> str:
    """``loss 0.1234  accuracy 97.50 %``."""
    return "  ".join(f"{name} {format_metric(name, value)}" for name, value in values.items())


def format_metric(name: str, value: float) -> str:
    """A fraction as per cent, anything else with four decimals, or five digits where it is large."""
    if name in ("accuracy", "balanced_accuracy"):
        return f"{100 * value:.2f} %"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.5g}"
