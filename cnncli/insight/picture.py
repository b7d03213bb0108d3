"""A comparison as a picture: points with intervals."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.core.errors import ConfigError
from cnncli.insight.comparison import Comparison, Summary
from cnncli.runs.fonts import lettering, shorten
from cnncli.runs.panels import ACCENT, INK, LABEL, MUTED
from cnncli.scoring.measures import POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM = 150.0  # points of a name
NEAR = 2.0  # times as far as the runs reach
FORMS = ("png", "svg", "pdf")


def form_of(path: Path) -> str:
    """The form that a file's ending names; raises ``ConfigError`` for another one."""
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMS:
        raise ConfigError(f"--picture {path}: ends in none of .{', .'.join(FORMS)}; name it {path.stem}.png")
    return form


def drawn(found: Comparison, form: str) -> bytes:
    """The picture as a file of this form."""
    with lettering():
        file = BytesIO()
        figure_of(found).savefig(file, format=form, dpi=150)
    return file.getvalue()


def figure_of(found: Comparison) -> "Figure":
    """The headline of each row with its interval, and its difference from the first; made inside ``lettering``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tests = any(found.headline in each.tests for each in found.compared)
    height = 1.3 + 0.42 * (len(found.rows) + len(_near(found)))
    figure = Figure(figsize=(9.0 if tests else 5.5, height), layout="constrained")
    FigureCanvasAgg(figure)
    left, *right = figure.subplots(1, 1 + tests, squeeze=False, sharey=True)[0]
    _values(found, left)
    if right:
        _differences(found, right[0])
    return figure


def _values(found: Comparison, axes: "Axes") -> None:
    """Each row's headline: the runs as small points, their mean with its interval."""
    factor = 100 if found.headline in POINTS else 1
    names = []
    for place, row in enumerate(found.rows):
        names.append(shorten(row.argument, ROOM, LABEL))
        if found.headline not in row.metrics:
            continue
        summary = row.metrics[found.headline]
        if len(summary.values) > 1:
            axes.plot([factor * value for value in summary.values], [place + 0.17] * len(summary.values), ".",
                      color=MUTED, markersize=4)  # fmt: skip
        reach = None
        if summary.interval is not None:
            ends = summary.interval.low, summary.interval.high
            reach = [[max(factor * (summary.mean - ends[0]), 0.0)], [max(factor * (ends[1] - summary.mean), 0.0)]]
        axes.errorbar([factor * summary.mean], [place], xerr=reach, fmt="o", markersize=5, color=INK, capsize=3)
    for name, value in _near(found):
        axes.plot([factor * value], [len(names)], "D", color=MUTED, markersize=4)
        names.append(shorten(name if name == "baseline" else f"baseline: {name}", ROOM, LABEL))
    axes.set_yticks(range(len(names)), names, fontsize=LABEL)
    axes.set_ylim(len(names) - 0.5, -0.5)
    unit = ", %" if factor == 100 else ""
    where = {"val": "validation", "test": "test"}.get(found.split, found.split)
    _plain(axes, f"{found.headline.replace('_', ' ')} on {where}{unit}, with 95 % intervals")


def _near(found: Comparison) -> list[tuple[str, float]]:
    """The baseline to beat, unless it is so far off that nothing could be told of the runs beside it."""
    summaries = [row.metrics[found.headline] for row in found.rows if found.headline in row.metrics]
    ends = [end for each in summaries for end in (*each.values, *_ends(each))]
    low, high = min(ends), max(ends)
    reach = NEAR * (high - low)
    return [(name, value) for name, value in found.rows[0].baselines[:1] if low - reach <= value <= high + reach]


def _ends(summary: Summary) -> tuple[float, ...]:
    return () if summary.interval is None else (summary.interval.low, summary.interval.high)


def _differences(found: Comparison, axes: "Axes") -> None:
    """The difference of each row from the first; filled where it is distinguishable."""
    factor = 100 if found.headline in POINTS else 1
    axes.axvline(0, color=MUTED, linestyle="--", linewidth=1)
    for place, each in enumerate(found.compared, 1):
        test = each.tests.get(found.headline)
        if test is None:
            continue
        reach = [[max(factor * (test.difference - test.low), 0.0)], [max(factor * (test.high - test.difference), 0.0)]]
        told = test.answer in ("better", "worse")
        axes.errorbar([factor * test.difference], [place], xerr=reach, fmt="o", markersize=5, capsize=3,
                      color=ACCENT if told else INK, markerfacecolor=ACCENT if told else "white")  # fmt: skip
    axes.tick_params(axis="y", length=0, labelleft=False)
    unit = " (points)" if factor == 100 else ""
    _plain(axes, f"difference from {shorten(found.rows[0].argument, ROOM, LABEL)}{unit}; filled: p < 0.05")


def _plain(axes: "Axes", label: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.set_xlabel(label, fontsize=LABEL)
    axes.tick_params(axis="x", labelsize=LABEL)
