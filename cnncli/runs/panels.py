"""How each part of a report is drawn: a function for each type of block, which knows no task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.core.intervals import wilson
from cnncli.core.results import (
    Block,
    CurveBlock,
    LinesBlock,
    MatrixBlock,
    Mistake,
    MistakesBlock,
    RatesBlock,
    ReliabilityBlock,
    ScatterBlock,
    TableBlock,
)
from cnncli.runs.fonts import drawable, shorten, width
from cnncli.runs.sample_picture import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

INK, ACCENT, MUTED = "#1f4e79", "#c8511b", "#8a8a8a"
MOST_LABELS = 20  # of a matrix, and of rates; of more classes those that are worst
MOST_CONFUSIONS = 15
LABEL, LABEL_ROOM = 8.0, 85.0  # points of a name, and of the room that it may take
MATRIX_WIDTH = 240.0  # points that the names below a matrix have together
MISTAKES_ACROSS, MISTAKE_ROOM = 4, 58.0  # pictures in a row; points of a name above one, at most
BEFORE_NAME = 30.0  # points of the word before a name, and of the gap to the next picture


@dataclass(frozen=True)
class Panel:
    """A part of the picture, drawn on a figure of its own; a ``wide`` one fills a row."""

    draw: Callable[["FigureBase"], None]
    wide: bool = False


def panels_of(block: Block, pictures: Mapping[int, Pixels]) -> list[Panel]:
    """The panels that a block gives, perhaps none; ``pictures`` are those of samples with a mistake."""
    if isinstance(block, MistakesBlock):
        shown = [one for one in block.mistakes if one.sample in pictures]
        return [Panel(partial(_mistakes, block.title, shown, pictures))] if shown else []
    return [Panel(partial(_on_axes, draw, block), wide) for draw, wide in _DRAWN.get(type(block), ()) if _fits(block)]


def in_order(blocks: Sequence[Block]) -> list[Block]:
    """The most telling parts first."""
    kinds = [*_DRAWN, MistakesBlock]
    return sorted((block for block in blocks if type(block) in kinds), key=lambda block: kinds.index(type(block)))


def plain_axes(figure: "FigureBase") -> "Axes":
    """Axes without a frame above and at the right."""
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _fits(block: Block) -> bool:
    """A table is drawn where its rows are steps along its first column."""
    return not isinstance(block, TableBlock) or (block.shape == "by_column" and len(block.rows) > 1)


def _on_axes(draw: Callable[[Any, "Axes"], None], block: Block, figure: "FigureBase") -> None:
    draw(block, plain_axes(figure))


def _matrix(block: MatrixBlock, axes: "Axes") -> None:
    if len(block.labels) > MOST_LABELS:
        _confusions(block, axes)
        return
    from matplotlib.colors import PowerNorm

    counts = np.array(block.counts)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))  # the root shows few mistakes, too
    names, places = [shorten(label, LABEL_ROOM, LABEL) for label in block.labels], range(len(block.labels))
    long = max(width(name, LABEL) for name in names) > MATRIX_WIDTH / len(names)
    axes.set_xticks(places, names, fontsize=LABEL, rotation=45 if long else 0, ha="right" if long else "center",
                    rotation_mode="anchor" if long else "default")  # fmt: skip
    axes.set_yticks(places, names, fontsize=LABEL)
    axes.tick_params(length=0)
    size = 9 if len(names) <= 12 else 6.5
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.4 else "black"
            axes.text(column, row, f"{count}", ha="center", va="center", fontsize=size, color=colour)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")


def _confusions(block: MatrixBlock, axes: "Axes") -> None:
    """Of many classes the pairs that are confused most often."""
    counts = np.array(block.counts)
    off = counts.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(place), len(counts)) for place in order if off.flat[place]]
    sizes = counts.sum(1)
    names = [
        f"{shorten(block.labels[true], LABEL_ROOM, LABEL)} → {shorten(block.labels[named], LABEL_ROOM, LABEL)}"
        for true, named in pairs
    ]
    shares = [off[pair] / sizes[pair[0]] for pair in pairs]
    axes.barh(range(len(pairs)), shares, color=INK)
    for place, (pair, share) in enumerate(zip(pairs, shares, strict=True)):
        axes.text(share, place, f" {off[pair]} of {sizes[pair[0]]}", va="center", fontsize=LABEL)
    axes.set_yticks(range(len(pairs)), names, fontsize=LABEL)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    title = "Most frequent confusions (true → predicted)" if pairs else "No confusions"
    axes.set(xlabel="fraction of the true class", title=title)


def _rates(block: RatesBlock, axes: "Axes") -> None:
    """Each rate as a dot on its interval; of many labels those with the lowest first rate."""
    first = block.rates[0]
    known = [i for i, of in enumerate(first.of) if of]
    many = len(known) > MOST_LABELS
    if many:
        known = sorted(known, key=lambda i: first.hits[i] / first.of[i])[:MOST_LABELS]
    for number, rate in enumerate(block.rates):
        chosen = [(place, i) for place, i in enumerate(known) if rate.of[i]]
        shares = np.array([rate.hits[i] / rate.of[i] for _, i in chosen])
        ends = np.array([wilson(rate.hits[i], rate.of[i]) for _, i in chosen]).reshape(-1, 2)
        heights = [place + 0.3 * (number - (len(block.rates) - 1) / 2) for place, _ in chosen]
        reach = np.abs(ends.T - shares)
        axes.errorbar(shares, heights, xerr=reach, fmt="o", markersize=4, color=(INK, ACCENT)[number % 2],
                      label=rate.heading, elinewidth=1.2, capsize=2)  # fmt: skip
    names = [f"{shorten(block.labels[i], LABEL_ROOM, LABEL)} ({first.of[i]})" for i in known]
    axes.set_yticks(range(len(known)), names, fontsize=LABEL)
    axes.set_ylim(len(known) - 0.5, -0.5)
    axes.set_xlim(right=1 + 0.02 * (1 - axes.get_xlim()[0]))
    axes.grid(axis="x", color="#e5e5e5")
    axes.set_axisbelow(True)
    if len(block.rates) > 1:
        axes.legend(frameon=False, fontsize=LABEL)
    what = " and ".join(rate.heading for rate in block.rates)
    lowest = f"the {MOST_LABELS} lowest of {len(block.labels)}" if many else "each class"
    axes.set(xlabel=f"{what}, with 95 % intervals", title=f"{what.capitalize()} of {lowest} (samples)")


def _reliability(block: ReliabilityBlock, axes: "Axes") -> None:
    """Frequency over probability, with intervals, and how many samples each point stands for."""
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--")
    shares = np.array([hits / of for hits, of in zip(block.hits, block.samples, strict=True)])
    ends = np.array([wilson(hits, of) for hits, of in zip(block.hits, block.samples, strict=True)]).reshape(-1, 2)
    total = max(sum(block.samples), 1)
    axes.bar(block.probability, [of / total for of in block.samples], width=0.03, color="#d9d9d9",
             label="fraction of the samples")  # fmt: skip
    axes.errorbar(block.probability, shares, yerr=np.abs(ends.T - shares), fmt="o", markersize=4, color=INK,
                  elinewidth=1, capsize=2, label="observed, with 95 % intervals")  # fmt: skip
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="predicted probability",
             ylabel=f"how often {drawable(block.event)}", title="Reliability")  # fmt: skip
    axes.legend(frameon=False, fontsize=LABEL, loc="upper left")


def _mistakes(title: str, shown: Sequence[Mistake], pictures: Mapping[int, Pixels], figure: "FigureBase") -> None:
    from matplotlib.figure import Figure, SubFigure

    rows = max(-(-len(shown) // MISTAKES_ACROSS), 2)  # few pictures stand at the top, too
    grid = list(figure.subplots(rows, MISTAKES_ACROSS, squeeze=False).flat)
    for axes in grid:
        axes.axis("off")
    assert isinstance(figure, Figure | SubFigure)  # what both have is not in the types of FigureBase
    room = min(MISTAKE_ROOM, figure.bbox.width / figure.dpi * 72 / MISTAKES_ACROSS - BEFORE_NAME)
    for axes, one in zip(grid, shown, strict=False):
        axes.imshow(pictures[one.sample], interpolation="nearest")
        true, predicted = (shorten(name, room, LABEL) for name in (one.true, one.predicted))
        axes.set_title(f"true: {true}\npred.: {predicted}\n{100 * one.probability:.1f} %", fontsize=LABEL)
    figure.suptitle(title, fontsize=12)


def _scatter(block: ScatterBlock, axes: "Axes") -> None:
    axes.plot(block.true, block.predicted, ".", color=INK, alpha=0.6)
    ends = [min(block.true), max(block.true)]
    axes.plot(ends, ends, color=MUTED, linestyle="--")
    name = shorten(block.target, 2 * LABEL_ROOM, 10)
    axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}", title="Predicted and true values")


def _errors(block: ScatterBlock, axes: "Axes") -> None:
    errors = np.array(block.predicted) - np.array(block.true)
    axes.hist(errors, bins=30, color=INK)
    axes.axvline(0, color=MUTED, linestyle="--")
    name = shorten(block.target, LABEL_ROOM, 10)
    axes.set(xlabel=f"error of {name} (predicted − true)", ylabel="samples", title="Errors")


def _curve(block: CurveBlock, axes: "Axes") -> None:
    axes.plot(block.x, block.y, color=INK)
    if block.diagonal:
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--")
    x, y = block.x_key.replace("_", " "), block.y_key.replace("_", " ")
    axes.set(xlabel=x, ylabel=y, title=drawable(block.title))


def _lines(block: LinesBlock, axes: "Axes") -> None:
    for number, line in enumerate(block.lines):
        steps = range(line.start, line.start + len(line.values))
        colour, style = INK if number == 0 else ACCENT, "-" if number < 2 else ":"
        axes.plot(steps, line.values, color=colour, linestyle=style, label=drawable(line.label))
    axes.set(xlabel=drawable(block.steps), ylabel=shorten(block.target, 2 * LABEL_ROOM, 10), title="Forecasts")
    axes.legend(frameon=False)


def _steps(block: TableBlock, axes: "Axes") -> None:
    """The columns of a table over its first one."""
    from matplotlib.ticker import MaxNLocator

    steps, *columns = zip(*block.rows, strict=True)
    for column, values in zip(block.columns[1:], columns, strict=True):
        axes.plot(steps, values, "o-", markersize=4, color=INK, label=drawable(column.heading))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.set(xlabel=drawable(block.columns[0].heading), title=drawable(block.title))


_DRAWN: dict[type, list[tuple[Callable[[Any, "Axes"], None], bool]]] = {
    MatrixBlock: [(_matrix, False)],
    RatesBlock: [(_rates, False)],
    ReliabilityBlock: [(_reliability, False)],
    CurveBlock: [(_curve, False)],
    ScatterBlock: [(_scatter, False), (_errors, False)],
    LinesBlock: [(_lines, True)],
    TableBlock: [(_steps, True)],
}
