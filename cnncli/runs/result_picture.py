"""One picture of what a run has reached, put together from the parts of its report."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cnncli.core.results import SplitReport
from cnncli.runs.fonts import drawable, lettering, shorten
from cnncli.runs.panels import INK, LABEL_ROOM, MUTED, Panel, in_order, panels_of, plain_axes
from cnncli.runs.sample_picture import Pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure, FigureBase

WIDTH, HEIGHT, DPI = 5.6, 4.8, 110  # inches of a panel
FLAT = 3.6  # inches of the height of a wide one


def draw_result(report: SplitReport, file: Path | BinaryIO, pictures: Mapping[int, Pixels]) -> None:
    """The parts of a report that can be drawn, else the baselines beside what was reached; written to ``file`` as PNG.

    ``pictures`` are those of samples that were predicted wrong, by their numbers in the split.
    """
    with lettering():
        result_figure(report, pictures).savefig(file, dpi=DPI, format="png")


def result_figure(report: SplitReport, pictures: Mapping[int, Pixels]) -> "Figure":
    """What ``draw_result`` writes; to be made and saved inside ``lettering``."""
    from matplotlib.figure import Figure  # the object itself: pyplot would look for a screen
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    panels = [panel for block in in_order(report.blocks) for panel in panels_of(block, pictures)]
    rows = _rows(panels or [Panel(partial(_baselines, report), wide=True)])
    heights = [FLAT if row[0].wide else HEIGHT for row in rows]
    across = max(len(row) for row in rows)
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(WIDTH * max(across, 1.4), sum(heights) + 0.4), layout=layout)
    figure.suptitle(_headline(report), x=0.01, ha="left", fontsize=12)
    parts = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, row in zip(parts, rows, strict=True):
        places = part.subfigures(1, 1 if row[0].wide else across, squeeze=False)[0]
        for place, panel in zip(places, row, strict=False):
            panel.draw(place)
    return figure


def _rows(panels: list[Panel]) -> list[list[Panel]]:
    """Wide panels in rows of their own, first; the others side by side, three in a row where there are three."""
    narrow = [panel for panel in panels if not panel.wide]
    across = 3 if len(narrow) in (3, 5, 6) else 2
    return [[panel] for panel in panels if panel.wide] + [narrow[i : i + across] for i in range(0, len(narrow), across)]


def _headline(report: SplitReport) -> str:
    baseline = report.baselines[0]
    beside = drawable(str(baseline))
    name = report.headline
    return (
        f"{report.split}, {report.samples:,} samples: {name.replace('_', ' ')} {report.metrics[name]:.4g};  "
        f"baseline, {beside}: {baseline.metrics[name]:.4g}"
    )


def _baselines(report: SplitReport, figure: "FigureBase") -> None:
    """What was reached, and what needs no network, as bars."""
    axes, name = plain_axes(figure), report.headline
    known = [baseline for baseline in report.baselines if name in baseline.metrics]
    values = [report.metrics[name], *(baseline.metrics[name] for baseline in known)]
    axes.barh(range(len(values)), values, color=[INK, *[MUTED] * len(known)])
    names = ["this network", *(shorten(str(baseline), 2 * LABEL_ROOM, 10) for baseline in known)]
    axes.set_yticks(range(len(values)), names)
    for place, value in enumerate(values):
        axes.text(value, place, f" {value:.4g}", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.12)
    better = "lower is better" if report.lower_is_better else "higher is better"
    axes.set(xlabel=f"{name.replace('_', ' ')} on {report.split} ({better})")
