"""What kept outputs tell beyond a run's report: when to abstain, and which samples are farthest off."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.core.metrics import format_metric
from cnncli.core.results import Block, Column, CurveBlock, MistakesBlock, TableBlock
from cnncli.runs.board_result import by_class, said, true, worst_mistakes
from cnncli.runs.outputs import Outputs

POINTS = 200  # of a curve that is drawn
FARTHEST = 12
RISK = "risk_coverage"


def derived_blocks(outputs: Outputs, known: Sequence[Block]) -> list[Block]:
    """Further blocks of the same types, as far as the outputs have what they need."""
    found: list[Block | None] = [risk_coverage(outputs), largest_errors(outputs)]
    if not any(isinstance(block, MistakesBlock) for block in known):
        found.append(_mistakes(outputs))
    return [block for block in found if block is not None]


def risk_coverage(outputs: Outputs) -> CurveBlock | None:
    """The error rate among the samples that the network is surest of, over their share (El-Yaniv & Wiener 2010).

    None where samples have no single class. Samples of equal confidence are taken together.
    """
    chosen = said(outputs)
    if chosen is None or outputs.target.dtype.kind == "b" or not len(outputs.ids):
        return None
    shares = by_class(outputs)
    assert shares is not None
    confidence = shares[chosen]
    wrong = (chosen != true(outputs)).any(1)
    order = np.argsort(-confidence, kind="stable")
    last = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))  # of those that are equal
    error = np.cumsum(wrong[order])[last] / (last + 1)
    picked = _thinned(len(last))
    x, y = (last[picked] + 1) / len(order), error[picked]
    return CurveBlock(RISK, "coverage", "error_rate", _floats(x), _floats(y), title="Risk and coverage")


def risk_sentence(curve: CurveBlock) -> str:
    """What the curve says, in words."""
    if curve.y[-1] == 0:
        return "There is no mistake, so that there is nothing to leave to people."
    half = next(place for place, share in enumerate(curve.x) if share >= 0.5 or share == curve.x[-1])
    return (
        f"If the network answers only the {100 * curve.x[half]:.0f} % of the samples of which it is surest, it is "
        f"wrong in {100 * curve.y[half]:.2g} % of them; if it answers all, in {100 * curve.y[-1]:.2g} %."
    )


def largest_errors(outputs: Outputs) -> TableBlock | None:
    """The samples whose numbers are farthest from the truth; None where no numbers are predicted."""
    if outputs.target.dtype.kind != "f" or not outputs.target.size or outputs.order:
        return None
    errors = (outputs.answer - outputs.target).reshape(len(outputs.ids), -1)
    spread = outputs.target.reshape(errors.shape).std(0)
    relative = np.abs(errors) / np.where(spread > 0, spread, 1.0)
    worst = np.argsort(-relative.max(1), kind="stable")[:FARTHEST]
    names = outputs.classes if len(outputs.classes) == errors.shape[1] else ("value",) * errors.shape[1]
    rows = []
    for place in worst.tolist():
        column = int(relative[place].argmax())
        value, answer = (float(each.reshape(errors.shape)[place, column]) for each in (outputs.target, outputs.answer))
        rows.append((str(place), names[column], value, answer, answer - value))
    columns = (
        Column("sample", "sample"), Column("target", "target"), Column("true", "true", ".5g"),
        Column("predicted", "predicted", ".5g"), Column("error", "error", "+.4g"),
    )  # fmt: skip
    return TableBlock("largest_errors", "Largest errors", columns, tuple(rows))


def hardest(outputs: Outputs, count: int) -> list[tuple[int, float]]:
    """Of a text the passages with the highest loss: number in the split, and mean loss of a character."""
    if not len(outputs.correct):
        return []
    order = np.argsort(-outputs.loss, kind="stable")[:count]
    return [(int(place), float(outputs.loss[place])) for place in order]


def _mistakes(outputs: Outputs) -> MistakesBlock | None:
    mistakes = tuple(worst_mistakes(outputs))
    chosen = said(outputs)
    if not mistakes or chosen is None:
        return None
    total = int((chosen != true(outputs)).any(1).sum())
    return MistakesBlock("mistakes", "Worst mistakes", mistakes, total)


def _thinned(count: int) -> NDArray[np.int64]:
    """At most so many places as a curve is drawn with, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(np.int64))


def _floats(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(map(float, values))


def metric_words(name: str, value: float) -> str:
    """A metric with its name, for a sentence."""
    return f"{name.replace('_', ' ')} {format_metric(name, value)}"
