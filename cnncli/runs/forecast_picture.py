"""The picture of a forecast."""

from typing import BinaryIO

from cnncli.runs.fonts import lettering, shorten
from cnncli.runs.panels import ACCENT, INK, plain_axes


def draw_forecast(
    history: list[float],
    values: list[float],
    interval: tuple[list[float], list[float]] | None,
    name: str,
    file: BinaryIO,
    form: str,
) -> None:
    """History, forecast and, if there is one, interval of one column, written to ``file`` in the form ``png``, …"""
    with lettering():
        from matplotlib.figure import Figure  # the object itself: pyplot would look for a screen

        figure = Figure(figsize=(9.0, 4.2), layout="constrained")
        axes = plain_axes(figure)
        start = len(history)
        axes.plot(range(1, start + 1), history, color=INK, label="known")
        ahead = range(start + 1, start + len(values) + 1)
        axes.plot([start, *ahead], [history[-1], *values], color=ACCENT, label="forecast")
        if interval is not None:
            axes.fill_between(ahead, *interval, color=ACCENT, alpha=0.2, linewidth=0, label="interval")
        axes.set(xlabel="step", ylabel=shorten(name, 250, 10))
        axes.legend(frameon=False)
        figure.savefig(file, dpi=120, format=form)
