"""Pictures of a run: learning curves, and what the result looks like."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, ACCENT, MUTED = "#1f4e79", "#c8511b", "#8a8a8a"


def _figure(width: float = 7.0, height: float = 4.2) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure  # the object itself: pyplot would look for a screen

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def draw_curves(history: list[dict[str, float]], path: Path) -> None:
    """Training and validation loss by epoch, with the lowest validation loss: after it overfitting begins."""
    figure, axes = _figure()
    epochs = [line["epoch"] for line in history]
    axes.plot(epochs, [line["train/loss"] for line in history], color=INK, label="training")
    if "val/loss" in history[-1]:
        losses = [line["val/loss"] for line in history]
        axes.plot(epochs, losses, color=ACCENT, label="validation")
        lowest = min(range(len(losses)), key=losses.__getitem__)
        axes.plot(epochs[lowest], losses[lowest], "o", color=ACCENT, label=f"lowest, epoch {int(epochs[lowest])}")
    if "baseline/loss" in history[-1]:
        axes.axhline(history[-1]["baseline/loss"], color=MUTED, linestyle="--", label="baseline")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def draw_forecast(
    history: list[float],
    values: list[float],
    interval: tuple[list[float], list[float]] | None,
    name: str,
    file: BinaryIO,
    form: str,
) -> None:
    """History, forecast and, if there is one, interval of one column, written to ``file`` in the form ``png``, …"""
    figure, axes = _figure(9.0, 4.2)
    start = len(history)
    axes.plot(range(1, start + 1), history, color=INK, label="known")
    ahead = range(start + 1, start + len(values) + 1)
    axes.plot([start, *ahead], [history[-1], *values], color=ACCENT, label="forecast")
    if interval is not None:
        axes.fill_between(ahead, *interval, color=ACCENT, alpha=0.2, linewidth=0, label="interval")
    axes.set(xlabel="step", ylabel=name)
    axes.legend(frameon=False)
    figure.savefig(file, dpi=120, format=form)
