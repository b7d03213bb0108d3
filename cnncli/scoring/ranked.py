"""Areas under curves for any weights of the samples: they need the samples in the order of their scores."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnncli.scoring.statistics import Array

AT_ONCE = 2_000_000  # weights in order at a time


@dataclass(frozen=True, eq=False)
class Ranked:
    """``names`` are the areas that are wanted; of several labels (``[N, K]``) their mean over those that occur."""

    names: tuple[str, ...]
    scores: Array
    truth: NDArray[np.bool_]

    def values(self, weights: Array) -> dict[str, Array]:
        """The areas ``[B]`` for weights ``[B, N]``; nan where a label does not occur, or always does."""
        rows = max(AT_ONCE // max(weights.shape[1], 1), 1)
        chunks = [weights[begin : begin + rows] for begin in range(0, len(weights), rows)]
        found = np.concatenate([self._areas(chunk) for chunk in chunks], axis=1)
        return dict(zip(self.names, found, strict=True))

    def _areas(self, weights: Array) -> Array:
        """``[names, B]``."""
        by_label = np.stack(
            [_area(weights, *pair, self.names) for pair in zip(self.scores.T, self.truth.T, strict=True)]
        )
        known = np.isfinite(by_label)
        counted = known.sum(0)
        empty = np.nan if self.scores.shape[1] == 1 else 0.0
        total = np.where(known, by_label, 0.0).sum(0)
        result: Array = np.where(counted > 0, total / np.maximum(counted, 1), empty)
        return result

    @cached_property
    def influences(self) -> dict[str, Array]:
        """By how much each sample's weight changes the areas, ``[N]`` each; they add up to 0."""
        by_label = [_slopes(*pair, self.names) for pair in zip(self.scores.T, self.truth.T, strict=True)]
        known = [slopes for slopes in by_label if slopes is not None]
        if not known:
            return {name: np.zeros(len(self.scores)) for name in self.names}
        mean: Array = np.mean(known, axis=0)
        return dict(zip(self.names, mean, strict=True))


def ranked_positive(scores: Array, truth: NDArray[np.bool_]) -> tuple[Ranked, ...]:
    """Of one positive class; nothing where only one class occurs."""
    if not truth.any() or truth.all():
        return ()
    return (Ranked(("roc_auc", "average_precision"), scores[:, None], truth[:, None]),)


def ranked_labels(scores: Array, truth: NDArray[np.bool_]) -> tuple[Ranked, ...]:
    """Of several labels."""
    return (Ranked(("mean_average_precision",), scores, truth),)


def _area(weights: Array, scores: Array, truth: NDArray[np.bool_], names: tuple[str, ...]) -> Array:
    """The areas ``[names, B]`` of one label: equal scores are one step of the curve."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores = scores[order]
    begins = np.flatnonzero(np.r_[True, sorted_scores[1:] != sorted_scores[:-1]])
    ordered = weights[:, order]
    rising = np.add.reduceat(np.where(truth[order], ordered, 0.0), begins, axis=1)
    falling = np.add.reduceat(np.where(truth[order], 0.0, ordered), begins, axis=1)
    positive, negative = rising.sum(1), falling.sum(1)
    hits, misses = rising.cumsum(1), falling.cumsum(1)
    found = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for name in names:
            if name == "roc_auc":
                found.append((falling * (hits - rising / 2)).sum(1) / (positive * negative))
            else:
                found.append((rising * np.where(rising > 0, hits / (hits + misses), 0.0)).sum(1) / positive)
    return np.stack(found)


def _slopes(scores: Array, truth: NDArray[np.bool_], names: tuple[str, ...]) -> Array | None:
    """The influences ``[names, N]`` of one label; None where the areas are not known.

    That of the area under the ROC curve is DeLong's (DeLong, DeLong & Clarke-Pearson 1988). Average precision is the
    mean over positive samples of the precision ``hits / said`` from their score on; its slope has what a sample adds
    itself, and what it changes in the precision of all that have the same or a lower score.
    """
    positive = int(truth.sum())
    if positive == 0 or ("roc_auc" in names and positive == len(truth)):
        return None
    found = []
    for name in names:
        if name == "roc_auc":
            found.append(_placements(scores, truth))
            continue
        ordered, own = np.sort(scores), np.sort(scores[truth])
        said = len(scores) - np.searchsorted(ordered, scores, "left")
        hits = positive - np.searchsorted(own, scores, "left")
        precision, order = hits / said, np.argsort(scores, kind="stable")
        last = np.searchsorted(ordered, scores, "right") - 1  # of equal scores all count
        below = [np.cumsum((truth * part)[order])[last] for part in (1 / said, hits / said**2)]
        mean = precision[truth].mean()
        found.append((truth * (precision - mean + below[0]) - below[1]) / positive)
    return np.stack(found)


def _placements(scores: Array, truth: NDArray[np.bool_]) -> Array:
    """DeLong's components ``[N]``, centred and divided by how many samples of their side there are."""
    found = np.zeros(len(scores))
    for side in (truth, ~truth):
        others, own = np.sort(scores[~side]), scores[side]
        below = (np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")) / 2 / len(others)
        share = below if side is truth else 1 - below
        found[side] = (share - share.mean()) / len(own)
    return found
