"""Pictures of a run: learning curves, and what the result looks like."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cnncli.core.results import Block, CurveBlock, LinesBlock, ScatterBlock

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


def draw_result(blocks: Sequence[Block], path: Path) -> bool:
    """The first block that can be drawn; False, and no file, when there is none."""
    for block in blocks:
        draw = _DRAWN.get(type(block))
        if draw is not None:
            figure, axes = _figure(*((9.0, 4.2) if isinstance(block, LinesBlock) else (5.0, 4.8)))
            draw(block, axes)
            figure.savefig(path, dpi=120)
            return True
    return False


def _scatter(block: ScatterBlock, axes: "Axes") -> None:
    axes.plot(block.true, block.predicted, ".", color=INK, alpha=0.6)
    ends = [min(block.true), max(block.true)]
    axes.plot(ends, ends, color=MUTED, linestyle="--")
    axes.set(xlabel=f"true {block.target}", ylabel=f"predicted {block.target}")


def _curve(block: CurveBlock, axes: "Axes") -> None:
    axes.plot(block.x, block.y, color=INK)
    if block.diagonal:
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--")
    axes.set(xlabel=block.x_key.replace("_", " "), ylabel=block.y_key.replace("_", " "))


def _lines(block: LinesBlock, axes: "Axes") -> None:
    for number, line in enumerate(block.lines):
        steps = range(line.start, line.start + len(line.values))
        colour, style = INK if number == 0 else ACCENT, "-" if number < 2 else ":"
        axes.plot(steps, line.values, color=colour, linestyle=style, label=line.label)
    axes.set(xlabel=block.steps, ylabel=block.target)
    axes.legend(frameon=False)


_DRAWN: dict[type, Callable[[Any, "Axes"], None]] = {ScatterBlock: _scatter, CurveBlock: _curve, LinesBlock: _lines}


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
