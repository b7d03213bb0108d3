"""The metrics of a split from kept outputs, for any weights of its samples: they equal what the tasks report.

Most metrics are functions of sums over samples. What is summed is kept by unit, so that thousands of resamples are one
product of matrices. Areas under curves need the samples in the order of their scores.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cnncli.runs.outputs import Outputs
from cnncli.scoring.ranked import Ranked, ranked_labels, ranked_positive
from cnncli.scoring.statistics import Array
from cnncli.scoring.units import Units

Values = dict[str, Array]
MOST_ORDERED = 1_000  # units; of more, samples are not put into the order of their scores for each resample
Parts = sparse.csr_array
FRACTIONS = frozenset({"accuracy", "exact_match"})  # plain fractions of the samples
POINTS = FRACTIONS | {"balanced_accuracy", "macro_f1", "micro_f1", "f1", "precision", "recall", "roc_auc",
                      "average_precision", "mean_average_precision", "top5_accuracy"}  # fmt: skip
"""Metrics from 0 to 1, of which a hundredth is a point."""


@dataclass(frozen=True, eq=False)
class Measures:
    """What the metrics of one run on one split are made of.

    ``parts`` ``[N, F]`` are summed over samples; ``of_sums`` gives the metrics ``[B]`` of sums ``[B, F]``. ``ranked``
    are the areas under curves. ``hits`` ``[N]`` says of each sample whether it was answered right, where there is such
    a thing.
    """

    parts: sparse.csr_array
    of_sums: Callable[[Array], Values]
    ranked: tuple[Ranked, ...] = ()
    hits: NDArray[np.bool_] | None = None

    def values(self) -> dict[str, float]:
        """The metrics of the split as it is."""
        ones = np.ones((1, self.parts.shape[0]))
        found = {name: float(value[0]) for name, value in self.of_sums(ones @ self.parts).items()}
        for ranked in self.ranked:
            found |= {name: float(value[0]) for name, value in ranked.values(ones).items()}
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def by_unit(self, units: Units) -> sparse.csr_array:
        """The parts ``[units, F]``."""
        count = len(units.index)
        which = sparse.csr_array((np.ones(count), (units.index, np.arange(count))), shape=(units.count, count))
        return sparse.csr_array(which @ self.parts)

    def replicates(self, weights: Array, summed: sparse.csr_array, units: Units, names: frozenset[str]) -> Values:
        """The metrics ``[B]`` for weights ``[B, units]``; of the ranked ones those that ``names`` has."""
        found = self.of_sums(np.asarray((summed.T @ weights.T).T))
        for ranked in self.ranked:
            if names & set(ranked.names):
                found |= self._areas(ranked, weights, units)
        return found

    def _areas(self, ranked: Ranked, weights: Array, units: Units) -> Values:
        """The areas ``[B]``; of many units by their influences, which is then as good, and fast."""
        if units.count <= MOST_ORDERED:
            return ranked.values(weights[:, units.index])
        as_it_is = ranked.values(np.ones((1, len(units.index))))
        return {name: as_it_is[name] + weights @ units.sums(of) for name, of in ranked.influences.items()}

    def influences(self, summed: sparse.csr_array, units: Units) -> Values:
        """By how much each unit's weight changes the metrics, ``[units]`` each.

        They add up to 0, as every metric stays the same when all weights are doubled.
        """
        sums = np.asarray(summed.sum(0)).reshape(1, -1)
        size = np.where(sums == 0, 1.0, np.abs(sums)) * 1e-6
        steps = np.concatenate([sums + np.diag(size[0]), sums - np.diag(size[0])])
        width = sums.shape[1]
        found = {}
        for name, value in self.of_sums(steps).items():
            slope = (value[:width] - value[width:]) / (2 * size[0])
            found[name] = np.asarray(summed @ np.nan_to_num(slope))
        for ranked in self.ranked:
            found |= {name: units.sums(of) for name, of in ranked.influences.items()}
        return found


def measures(outputs: Outputs, reported: dict[str, float]) -> Measures:
    """What the kept outputs of a run are judged by; ``reported`` are the metrics that it told itself."""
    scales = {"mase": reported["mase"] / reported["mae"]} if _scaled(outputs, reported) else {}
    kind = outputs.target.dtype.kind
    if not len(outputs.target):
        return _of_loss(outputs)
    if kind == "b":
        return _labels(outputs)
    if kind == "i":
        return _binary(outputs) if outputs.answer.ndim == 1 else _classes(outputs)
    return _forecasts(outputs, scales) if outputs.order else _numbers(outputs)


def _scaled(outputs: Outputs, reported: dict[str, float]) -> bool:
    """Whether MASE is MAE over one number: for one target of one series."""
    one = outputs.target.ndim == 3 and outputs.target.shape[2] == 1 and not len(outputs.groups)
    series = {name.rpartition("@")[0] for name in outputs.ids.tolist()} if one else {"", "several"}
    return len(series) == 1 and "mase" in reported and reported.get("mae", 0.0) > 0


def _columns(outputs: Outputs, *columns: Any) -> sparse.csr_array:
    """Weight and loss, then columns ``[N]`` or ``[N, F]``."""
    known = [outputs.weight, outputs.loss * outputs.weight, *columns]
    return sparse.csr_array(sparse.hstack([sparse.csr_array(_upright(column)) for column in known]))


def _upright(column: Any) -> Any:
    return column if sparse.issparse(column) else np.asarray(column, dtype=float).reshape(len(column), -1)


def _over(above: Array, below: Array) -> Array:
    """``above / below``, 0 where there is nothing below."""
    result: Array = np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below != 0)
    return result


def _loss(sums: Array) -> Values:
    return {"loss": _over(sums[:, 1], sums[:, 0])}


def _of_loss(outputs: Outputs) -> Measures:
    """Text: nats, bits and perplexity; of what is not known, the loss."""

    def of_sums(sums: Array) -> Values:
        nats = _loss(sums)["loss"]
        if not len(outputs.correct):
            return {"loss": nats}
        return {"loss": nats, "bits_per_character": nats / math.log(2), "perplexity": np.exp(np.minimum(nats, 700.0))}

    return Measures(_columns(outputs), of_sums)


def _indicator(classes: NDArray[np.int64], where: NDArray[np.bool_], count: int) -> sparse.csr_array:
    """1 ``[N, K]`` in the column of each sample's class, of those ``where`` it is so."""
    rows = np.flatnonzero(where)
    return sparse.csr_array((np.ones(len(rows)), (rows, classes[rows])), shape=(len(classes), count))


def _classes(outputs: Outputs) -> Measures:
    target, predicted = outputs.target, outputs.answer.argmax(1)
    right, count = predicted == target, len(outputs.classes)
    every = np.ones(len(target), dtype=bool)
    parts = _columns(outputs, every, right, _indicator(target, right, count), _indicator(target, every, count),
                     _indicator(predicted, every, count))  # fmt: skip

    def of_sums(sums: Array) -> Values:
        hits, support, said = np.split(sums[:, 4:], 3, axis=1)
        occur, there = support > 0, support + said > 0
        recall, f1 = _over(hits, support), _over(2 * hits, support + said)
        return {
            **_loss(sums),
            "accuracy": _over(sums[:, 3], sums[:, 2]),
            "balanced_accuracy": _over(recall.sum(1), occur.sum(1)),
            "macro_f1": _over(f1.sum(1), there.sum(1)),
        }

    return Measures(parts, of_sums, hits=right)


def _binary(outputs: Outputs) -> Measures:
    positive = outputs.classes.index(outputs.positive) if outputs.positive in outputs.classes else 1
    truth = outputs.target == positive
    said = outputs.answer >= outputs.thresholds.astype(outputs.answer.dtype)[0]
    right = said == truth
    parts = _columns(outputs, np.ones(len(truth)), right, said & truth, said, truth)

    def of_sums(sums: Array) -> Values:
        count, correct, hits, named, were = sums[:, 2:].T
        return {
            **_loss(sums),
            "accuracy": _over(correct, count),
            "precision": _over(hits, named),
            "recall": _over(hits, were),
            "f1": _over(2 * hits, named + were),
        }

    return Measures(parts, of_sums, ranked_positive(outputs.answer, truth), right)


def _labels(outputs: Outputs) -> Measures:
    truth, said = outputs.target, outputs.answer >= outputs.thresholds
    right = (said == truth).all(1)
    parts = _columns(outputs, np.ones(len(truth)), right, said & truth, said, truth)

    def of_sums(sums: Array) -> Values:
        hits, named, were = np.split(sums[:, 4:], 3, axis=1)
        f1 = _over(2 * hits, named + were)
        return {
            **_loss(sums),
            "micro_f1": _over(2 * hits.sum(1), (named + were).sum(1)),
            "macro_f1": _over(np.where(were > 0, f1, 0.0).sum(1), (were > 0).sum(1)),
            "exact_match": _over(sums[:, 3], sums[:, 2]),
        }

    return Measures(parts, of_sums, ranked_labels(outputs.answer, truth), right)


def _numbers(outputs: Outputs) -> Measures:
    target = outputs.target.reshape(len(outputs.target), -1)
    error = outputs.answer.reshape(target.shape) - target
    deviation = target - target.mean(0)  # sums of squares of the raw values would cancel
    parts = _columns(outputs, np.ones(len(target)), np.abs(error), error**2, deviation, deviation**2)

    def of_sums(sums: Array) -> Values:
        count = sums[:, 2]
        absolute, squared, moved, moved_squared = np.split(sums[:, 3:], 4, axis=1)
        spread = moved_squared - _over(moved**2, count[:, None])
        alike = spread <= 1e-12 * moved_squared  # scikit-learn's rule then: 1 without any error, else 0
        r2 = np.where(alike, squared == 0, 1 - _over(squared, np.where(alike, 1.0, spread)))
        return {
            **_loss(sums),
            "mae": _over(absolute.mean(1), count),
            "rmse": np.sqrt(np.maximum(_over(squared.mean(1), count), 0.0)),
            "r2": np.where(count > 1, r2.mean(1), 0.0),
        }

    return Measures(parts, of_sums)


def _forecasts(outputs: Outputs, scales: dict[str, float]) -> Measures:
    target = outputs.target.reshape(len(outputs.target), -1)
    answer = outputs.answer.reshape(target.shape)
    error = np.abs(answer - target)
    percent = 2 * error / np.maximum(np.abs(answer) + np.abs(target), 1e-12)
    columns = (values.mean(1) for values in (error, error**2, percent))
    parts = _columns(outputs, np.ones(len(target)), *columns)

    def of_sums(sums: Array) -> Values:
        count, absolute, squared, percents = sums[:, 2:].T
        mae = _over(absolute, count)
        return {
            **_loss(sums),
            "mae": mae,
            "rmse": np.sqrt(np.maximum(_over(squared, count), 0.0)),
            "smape": _over(percents, count),
            **{name: mae * scale for name, scale in scales.items()},
        }

    return Measures(parts, of_sums)
