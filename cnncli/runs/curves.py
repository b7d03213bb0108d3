"""The picture of how training went."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from cnncli.core.results import Values
from cnncli.runs.fonts import drawable, lettering
from cnncli.runs.panels import ACCENT, INK, MUTED
from cnncli.runs.reading import Reading, read_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 25  # epochs that are marked one by one
WIDTH, HEIGHT, LOW, DPI = 7.5, 2.6, 1.8, 120  # inches of a panel, and of the height of the learning rate's


@dataclass(frozen=True)
class Curves:
    """The records of all epochs, the one that was kept, the metric to show beside the loss, and steps of the first.

    ``tried``: what is used against overfitting already.
    """

    history: Sequence[Values]
    best_epoch: int
    metric: str
    steps: Sequence[Values]
    tried: Sequence[str] = ()
    simple_loss: float | None = None  # of a baseline that needs nothing fitted

    @property
    def reading(self) -> Reading:
        """What they say."""
        return read_curves(self.history, self.best_epoch, self.tried, self.simple_loss)


def draw_curves(curves: Curves, path: Path) -> None:
    """Loss, metric and learning rate over the epochs, with the best one, where overfitting begins, and what that means.

    A single epoch is drawn by its steps.
    """
    with lettering():
        curves_figure(curves).savefig(path, dpi=DPI)


def curves_figure(curves: Curves, told: bool = True, width: float = WIDTH) -> "Figure":
    """What ``draw_curves`` writes, with or without the sentence, so many inches wide; made inside ``lettering``."""
    from matplotlib.figure import Figure  # the object itself: pyplot would look for a screen

    by_step = len(curves.history) == 1 and len(curves.steps) > 1
    last = curves.history[-1]
    shown = [] if by_step else [name for name in (curves.metric,) if name != "loss" and _known(name, last)]
    heights = [*[HEIGHT] * (1 + len(shown)), LOW]
    figure = Figure(figsize=(width, sum(heights) + 0.3), layout="constrained")
    panels = list(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#eeeeee")
    if by_step:
        _draw_steps(curves, panels)
    else:
        _draw_epochs(curves, ["loss", *shown], panels)
    reading = curves.reading
    if told and reading.sentence is not None:
        figure.supxlabel(fill(drawable(reading.sentence), 105), fontsize=9, x=0.02, ha="left")
    return figure


def _known(name: str, record: Values) -> bool:
    return f"train/{name}" in record or f"val/{name}" in record


def _draw_epochs(curves: Curves, names: Sequence[str], panels: Sequence["Axes"]) -> None:
    from matplotlib.ticker import MaxNLocator

    history = curves.history
    epochs = [record["epoch"] for record in history]
    mark = "o" if len(epochs) <= FEW else ""
    for name, axes in zip(names, panels, strict=False):
        for split, words, colour in (("train", "training", INK), ("val", "validation", ACCENT)):
            known = [record for record in history if f"{split}/{name}" in record]
            values = [record[f"{split}/{name}"] for record in known]
            if values:
                axes.plot([record["epoch"] for record in known], values, color=colour, marker=mark, markersize=3,
                          label=words)  # fmt: skip
        _baseline(axes, name, history[-1])
        _mark(axes, curves.best_epoch, curves.reading, epochs[-1])
        axes.set_ylabel(name.replace("_", " "))
    panels[0].legend(frameon=False, fontsize=8)
    _rate(panels[-1], epochs, [record["lr"] for record in history], mark)
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panels[-1].set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)


def _draw_steps(curves: Curves, panels: Sequence["Axes"]) -> None:
    """The loss of each step of the only epoch, its running mean, and what validation gave after it."""
    from matplotlib.ticker import MaxNLocator

    steps = [record["step"] for record in curves.steps]
    losses = [record["loss"] for record in curves.steps]
    end, record = curves.history[0]["global_step"], curves.history[0]
    axes = panels[0]
    axes.plot(steps, losses, color=INK, alpha=0.3, linewidth=1, label="training, single steps")
    axes.plot(steps, _running_mean(losses), color=INK, label="training, running mean")
    if "val/loss" in record:
        axes.plot([end], [record["val/loss"]], "o", color=ACCENT, label="validation, after the epoch")
    _baseline(axes, "loss", record)
    name = curves.metric
    reached = f", validation {name.replace('_', ' ')} {record[f'val/{name}']:.4g}" if f"val/{name}" in record else ""
    axes.set(ylabel="loss", title=f"One epoch, {int(end):,} steps{reached}")
    axes.legend(frameon=False, fontsize=8)
    _rate(panels[1], steps, [one["lr"] for one in curves.steps], "")
    panels[1].set_xlabel("step")
    panels[1].xaxis.set_major_locator(MaxNLocator(integer=True))


def _running_mean(values: Sequence[float]) -> list[float]:
    """The mean of each value and its neighbours, a fortieth of all on each side, at least one."""
    reach = max(len(values) // 40, 1)
    parts = [values[max(i - reach, 0) : i + reach + 1] for i in range(len(values))]
    return [sum(part) / len(part) for part in parts]


def _baseline(axes: "Axes", name: str, record: Values) -> None:
    value = record.get(f"baseline/{name}")
    if value is not None:
        axes.axhline(value, color=MUTED, linestyle="--")
        axes.text(1, value, "baseline", transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=8,
                  color=MUTED)  # fmt: skip


def _mark(axes: "Axes", best: int, reading: Reading, last: float) -> None:
    """The epoch that was kept, and from where on the network overfits."""
    axes.axvline(best, color=MUTED, linestyle=":", label=f"best epoch ({best})")
    if reading.overfits_from is not None:
        since = f"overfitting since epoch {reading.overfits_from}"
        axes.axvspan(reading.overfits_from - 0.5, last + 0.5, color=ACCENT, alpha=0.1, linewidth=0, label=since)


def _rate(axes: "Axes", places: Sequence[float], rates: Sequence[float], mark: str) -> None:
    axes.plot(places, rates, color=INK, marker=mark, markersize=3)
    axes.yaxis.set_major_formatter(lambda rate, _: f"{rate:.3g}")  # not 1e-5 as a factor above the axis
    axes.set_ylim(bottom=0)
    axes.set_ylabel("learning rate")
