"""The blocks of a result as parts of a page: a function for each type of block, which knows no task."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnncli.core.intervals import wilson
from cnncli.core.results import (
    Block,
    CurveBlock,
    FactsBlock,
    LinesBlock,
    MatrixBlock,
    MistakesBlock,
    RatesBlock,
    ReliabilityBlock,
    ScatterBlock,
    TableBlock,
)
from cnncli.report.drawing import draw_panel
from cnncli.report.parts import Confusions, Part, Prose, Sheet
from cnncli.runs.panels import panels_of

MOST_LABELS = 60  # of a matrix; of a larger one only what is confused most often is shown
MOST_PAIRS = 15
MOST_ROWS = 200

WRONG, SURE, VALUES = "wrong", "sure", "values"
"""The sections that blocks belong to: what is right and wrong, how far to trust it, and predicted numbers."""


def parts_of(block: Block) -> list[Part]:
    """What a page shows of a block; mistakes are shown by those who have their pictures."""
    make = _SHOWN.get(type(block))
    return [] if make is None else list(make(block))


def section_of(block: Block) -> str:
    """Where a block belongs."""
    return _SECTIONS.get(type(block), WRONG)


def sheet_of(block: TableBlock) -> Sheet:
    """A table of a report as people read it; columns that are empty are left out."""
    shown = [n for n in range(len(block.columns)) if any(row[n] is not None for row in block.rows)]
    rows = tuple(tuple(_cell(row[n], block.columns[n].form) for n in shown) for row in block.rows[:MOST_ROWS])
    words = [all(isinstance(row[n], str) or row[n] is None for row in block.rows) for n in shown]
    left = next((place for place, is_text in enumerate(words) if not is_text), len(words))
    cut = len(block.rows) - len(rows)
    notes = (*block.notes, *([f"{cut:,} more rows are in cnncli eval --json."] if cut else []))
    return Sheet(block.title, tuple(block.columns[n].heading for n in shown), rows, max(left, 1), notes)


def _cell(value: Any, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def _table(block: TableBlock) -> list[Part]:
    return [*_drawn(block), sheet_of(block)]


def _drawn(block: Block) -> list[Part]:
    """The panels of a block, as a run's picture has them."""
    key = block.key or block.type
    title = getattr(block, "title", "") or key.replace("_", " ")
    name = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in key)
    return [draw_panel(title, panel, f"{name}{number}") for number, panel in enumerate(panels_of(block, {}))]


def _matrix(block: MatrixBlock) -> list[Part]:
    parts: list[Part] = []
    if len(block.labels) <= MOST_LABELS:
        parts.append(Confusions(block.title, block.labels, block.counts))
    return [*parts, *_pairs(block)]


def _pairs(block: MatrixBlock) -> list[Part]:
    """The classes that are confused most often."""
    counts = np.array(block.counts)
    sizes, off = counts.sum(1), counts.copy()
    np.fill_diagonal(off, 0)
    order = [divmod(int(place), len(counts)) for place in np.argsort(-off, axis=None, kind="stable")[:MOST_PAIRS]]
    rows = tuple(
        (block.labels[i], block.labels[j], str(off[i, j]), str(sizes[i]), f"{100 * off[i, j] / sizes[i]:.1f} %")
        for i, j in order
        if off[i, j]
    )
    if not rows:
        return [Prose(("No sample is confused with another class.",))]
    columns = ("true", "predicted", "how often", "of", "share")
    return [Sheet("Most frequent confusions", columns, rows, left=2)]


def _rates(block: RatesBlock) -> list[Part]:
    """Each class with its rates and their 95 % intervals."""
    columns = ["class", "samples"]
    for rate in block.rates:
        columns += [rate.heading, "95 % interval"]
    rows = []
    for place, label in enumerate(block.labels):
        cells = [label, f"{block.rates[0].of[place]:,}"]
        for rate in block.rates:
            hits, of = rate.hits[place], rate.of[place]
            low, high = wilson(hits, of) if of else (0.0, 1.0)
            cells += [f"{100 * hits / of:.1f} %", f"{100 * low:.1f} to {100 * high:.1f} %"] if of else ["", ""]
        rows.append(tuple(cells))
    return [Sheet("Each class", tuple(columns), tuple(rows)), *_drawn(block)]


def _facts(block: FactsBlock) -> list[Part]:
    text = block.text
    return [Prose((f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}",))]


def mistakes_sheet(block: MistakesBlock) -> Sheet:
    """Mistakes without their pictures."""
    rows = tuple((str(one.sample), one.true, one.predicted, f"{100 * one.probability:.1f} %") for one in block.mistakes)
    notes = (cut_note(block),) if cut_note(block) else ()
    return Sheet(block.title, ("sample", "true", "predicted", "probability"), rows, 3, notes)


def cut_note(block: MistakesBlock) -> str:
    """How many mistakes there are besides those that are shown."""
    return f"{len(block.mistakes)} of {block.total:,} mistakes." if block.total and block.mistakes else ""


_SHOWN: dict[type, Callable[[Any], Sequence[Part]]] = {
    TableBlock: _table,
    MatrixBlock: _matrix,
    RatesBlock: _rates,
    ReliabilityBlock: _drawn,
    CurveBlock: _drawn,
    ScatterBlock: _drawn,
    LinesBlock: _drawn,
    FactsBlock: _facts,
}
_SECTIONS: dict[type, str] = {
    ReliabilityBlock: SURE, CurveBlock: SURE, ScatterBlock: VALUES, LinesBlock: VALUES,
}  # fmt: skip
