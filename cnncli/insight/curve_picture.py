"""The picture of a learning curve."""

from typing import BinaryIO

import numpy as np

from cnncli.core.metrics import format_metric
from cnncli.insight.learning_curve import FACTOR, Curve
from cnncli.runs.fonts import drawable, lettering
from cnncli.runs.panels import ACCENT, INK, MUTED

DPI = 120


def draw_learning_curve(curve: Curve, file: BinaryIO) -> None:
    """Each run as a dot, the power law with its interval, and where twice the data would lead."""
    from matplotlib.figure import Figure

    with lettering():
        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        for number, (samples, values) in enumerate(curve.values.items()):
            label = "runs, one for each seed" if number == 0 else None
            axes.plot([samples] * len(values), values, "o", color=INK, alpha=0.6, markersize=4, label=label)
        if curve.law is not None:
            sizes = np.geomspace(min(curve.values), FACTOR * curve.largest, 60)
            told = [curve.metric_of(curve.law.at(size)) for size in sizes]
            axes.plot(sizes, [each.value for each in told], color=INK, label="power law")
            axes.fill_between(sizes, [each.low for each in told], [each.high for each in told], color=INK, alpha=0.15,
                              linewidth=0, label="95 % interval")  # fmt: skip
            axes.axvline(FACTOR * curve.largest, color=MUTED, linestyle=":", label="twice the data")
        if curve.check is not None:
            told_last = curve.metric_of(curve.check)
            spans = [[told_last.value - told_last.low], [told_last.high - told_last.value]]
            axes.errorbar([curve.largest * 1.04], [told_last.value], np.abs(spans), fmt="s", color=ACCENT, markersize=4,
                          capsize=3, label="predicted from the smaller sizes")  # fmt: skip
        axes.set_xscale("log")
        ticks = [*curve.values, FACTOR * curve.largest]
        axes.set_xticks(ticks, [f"{size:,}" for size in ticks], rotation=30, ha="right")
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter(lambda value, _: format_metric(curve.name, value))
        axes.set(xlabel="training samples", ylabel=drawable(curve.metric.replace("_", " ")))
        axes.grid(axis="y", color="#eeeeee")
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(file, dpi=DPI, format="png")
