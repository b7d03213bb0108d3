"""Further scores of classes from kept outputs, as ``tasks/scores.py`` reports them, for any weights of the samples."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import sparse

from cnncli.runs.outputs import Outputs
from cnncli.scoring.measures import Measures, Values
from cnncli.scoring.statistics import Array

TOP = 5
SCORES = (f"top{TOP}_accuracy", "mcc", "kappa", "nll", "brier")
"""All that they are called. The area under the risk–coverage curve is not among them: it is no function of sums."""
Agreement = Callable[[Array], tuple[Array, Array, Array]]


def with_scores(measured: Measures, outputs: Outputs) -> Measures:
    """``measured`` with the scores as further metrics, where the samples have one class each."""
    if outputs.target.dtype.kind != "i" or not len(outputs.target):
        return measured
    probabilities = _probabilities(outputs)
    own = np.take_along_axis(probabilities, outputs.target[:, None], axis=1)[:, 0]
    smallest = np.finfo(np.float64).eps
    columns = [-np.log(np.clip(own, smallest, 1 - smallest)), (probabilities**2).sum(1) - 2 * own + 1]
    top = probabilities.shape[1] > TOP
    if top:
        columns.append(_in_top(probabilities, outputs.target).astype(float))
    before = measured.parts.shape[1]
    agreement = _of_two if outputs.answer.ndim == 1 else _of_classes

    def of_sums(sums: Array) -> Values:
        found, count = measured.of_sums(sums[:, :before]), sums[:, 2]
        means = sums[:, before:] / np.where(count > 0, count, 1.0)[:, None]
        scores = {"nll": means[:, 0], "brier": means[:, 1], **_chance_corrected(count, *agreement(sums[:, :before]))}
        return found | scores | ({SCORES[0]: means[:, 2]} if top else {})

    further = sparse.csr_array(np.stack(columns, axis=1))
    return replace(measured, parts=sparse.csr_array(sparse.hstack([measured.parts, further])), of_sums=of_sums)


def _probabilities(outputs: Outputs) -> Array:
    """Those of all classes ``[N, K]``; of two classes the outputs have that of the positive one only."""
    if outputs.answer.ndim == 2:
        return outputs.answer.astype(np.float64)
    positive = outputs.classes.index(outputs.positive or "") if outputs.positive in outputs.classes else 1
    both = np.stack([1 - outputs.answer, outputs.answer], axis=1).astype(np.float64)
    return both if positive else both[:, ::-1]


def _in_top(probabilities: Array, target: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Array:
    """Whether the true class is among the ``TOP`` most probable; of equal ones the last class comes first."""
    order = np.argsort(-probabilities[:, ::-1], axis=1, kind="stable")[:, :TOP]
    found: Array = (probabilities.shape[1] - 1 - order == target[:, None]).any(1)
    return found


def _of_classes(sums: Array) -> tuple[Array, Array, Array]:
    """How many are right ``[B]``, and how many there are and are named of each class, ``[B, K]``."""
    _, support, said = np.split(sums[:, 4:], 3, axis=1)
    return sums[:, 3], support, said


def _of_two(sums: Array) -> tuple[Array, Array, Array]:
    count, right, _, named, were = sums[:, 2:7].T
    return right, np.stack([were, count - were], axis=1), np.stack([named, count - named], axis=1)


def _chance_corrected(count: Array, right: Array, true: Array, named: Array) -> Values:
    """Matthews' correlation (Gorodkin 2004) and Cohen's kappa (1960); nan where chance agrees always."""
    both = (true * named).sum(1)
    spread = (count**2 - (named**2).sum(1)) * (count**2 - (true**2).sum(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        mcc = np.where(spread > 0, (right * count - both) / np.sqrt(np.maximum(spread, 0)), 0.0)
        expected = both / count**2
        kappa = np.where(expected < 1, (right / count - expected) / (1 - expected), np.nan)
    return {"mcc": mcc, "kappa": kappa}
