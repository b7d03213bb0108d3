"""The picture of a learning-rate schedule."""

from collections.abc import Sequence
from typing import BinaryIO

from cnncli.runs.fonts import drawable, lettering
from cnncli.runs.panels import ACCENT, INK, MUTED
from cnncli.training.build import Experiment
from cnncli.training.outlook import rates

COLOURS = (INK, ACCENT, MUTED, "#4b7f52", "#7a5195")
DPI = 120


def draw_schedule(experiment: Experiment, file: BinaryIO) -> None:
    """The learning rate of each parameter group over steps and epochs, with the end of the warm-up."""
    from matplotlib.figure import Figure

    places, groups = rates(experiment)
    scheduler, steps = experiment.config.scheduler, experiment.steps_per_epoch
    epochs = experiment.config.train.epochs
    with lettering():
        figure = Figure(figsize=(7.5, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.spines[["right"]].set_visible(False)
        axes.grid(axis="x", color="#eeeeee")
        for number, values in enumerate(groups):
            label = f"group {number + 1}" if len(groups) > 1 else None
            axes.plot(places, values, color=COLOURS[number % len(COLOURS)], label=label)
        if scheduler.warmup_epochs:
            axes.axvline(min(scheduler.warmup_epochs, epochs), color=MUTED, linestyle=":", label="end of the warm-up")
        axes.set_xlim(0, epochs)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda rate, _: f"{rate:.3g}")
        axes.set(xlabel="epoch", ylabel="learning rate", title=drawable(_title(scheduler.name)))
        above = axes.secondary_xaxis("top", functions=(_times(steps), _times(1 / steps)))
        above.set_xlabel("step")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
        figure.savefig(file, dpi=DPI, format="png")


def _title(name: str) -> str:
    return f"{name}, as long as the metric gets better" if name == "plateau" else name


def _times(factor: float):  # type: ignore[no-untyped-def]  # matplotlib hands over arrays of any kind
    def scaled(values: Sequence[float]):  # type: ignore[no-untyped-def]
        return values * factor  # type: ignore[operator]

    return scaled
