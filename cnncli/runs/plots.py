"""Pictures of a run: learning curves, and what the result looks like."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    """Training and validation loss by epoch, with the lowest validation loss: behind it overfitting begins."""
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


def draw_result(report: dict[str, Any], path: Path) -> bool:
    """What the report's details show; False, and no file, when they hold nothing to draw."""
    for key, draw in (("points", _points), ("roc", _roc), ("forecasts", _backtest)):
        if key in report:
            figure, axes = _figure(*((5.0, 4.8) if key != "forecasts" else (9.0, 4.2)))
            draw(report[key], axes)
            figure.savefig(path, dpi=120)
            return True
    return False


def _points(points: dict[str, Any], axes: "Axes") -> None:
    axes.plot(points["true"], points["predicted"], ".", color=INK, alpha=0.6)
    ends = [min(points["true"]), max(points["true"])]
    axes.plot(ends, ends, color=MUTED, linestyle="--")
    axes.set(xlabel=f"true {points['target']}", ylabel=f"predicted {points['target']}")


def _roc(curve: dict[str, Any], axes: "Axes") -> None:
    axes.plot(curve["false_positive_rate"], curve["true_positive_rate"], color=INK)
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")


def _backtest(forecasts: dict[str, Any], axes: "Axes") -> None:
    true, one_step, last = forecasts["true"], forecasts["one_step"], forecasts["last"]
    axes.plot(range(1, len(true) + 1), true, color=INK, label="true")
    axes.plot(range(1, len(one_step) + 1), one_step, color=ACCENT, label="one step ahead")
    axes.plot(range(len(true) - len(last) + 1, len(true) + 1), last, color=ACCENT, linestyle=":", label="last window")
    axes.set(xlabel="step of the test part", ylabel=forecasts["target"])
    axes.legend(frameon=False)


def draw_forecast(
    history: list[float], values: list[float], interval: tuple[list[float], list[float]] | None, name: str, path: Path
) -> None:
    """History, forecast and, if there is one, interval of one column; raises ``OSError`` when it cannot be written."""
    figure, axes = _figure(9.0, 4.2)
    start = len(history)
    axes.plot(range(1, start + 1), history, color=INK, label="known")
    ahead = range(start + 1, start + len(values) + 1)
    axes.plot([start, *ahead], [history[-1], *values], color=ACCENT, label="forecast")
    if interval is not None:
        axes.fill_between(ahead, *interval, color=ACCENT, alpha=0.2, linewidth=0, label="interval")
    axes.set(xlabel="step", ylabel=name)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
