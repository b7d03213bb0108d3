"""What is tried before a network: logistic and ridge regression and boosting by scikit-learn, and a trigram of text.

Each fit takes the training part and gives what answers for other samples. Inputs are float64 ``[N, D]``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Answer = Callable[["NDArray[Any]"], "NDArray[Any]"]
"""Inputs ``[N, D]`` → probabilities of all classes, or numbers, ``[N, K]``."""

STEPS = 1000  # of L-BFGS, at most: of scaled inputs a few dozen are enough
TREES = 100  # for each class, or one number; none is left out by early stopping, which would need samples of its own
SEEDS = 2**32  # of scikit-learn


def fit_logistic(inputs: "NDArray[Any]", targets: "NDArray[Any]", outputs: int, seed: int) -> Answer:
    """Logistic regression, C = 1: of class numbers ``[N]``, or of each of several labels ``[N, K]``."""
    from sklearn.linear_model import LogisticRegression

    def fit(wanted: "NDArray[Any]") -> Any:
        return LogisticRegression(max_iter=STEPS, random_state=seed % SEEDS).fit(inputs, wanted)

    if targets.ndim == 1:
        return _of_classes(fit(targets), outputs)
    labels = [column if column.min() == column.max() else fit(column) for column in (targets > 0.5).astype(int).T]
    return lambda asked: np.stack([_probability(label, asked) for label in labels], axis=1)


def _probability(label: Any, asked: "NDArray[Any]") -> "NDArray[Any]":
    """Of a label; one that is there always or never in the training part is an array of its values."""
    if isinstance(label, np.ndarray):
        return np.full(len(asked), float(label[0]))
    found: NDArray[Any] = label.predict_proba(asked)[:, 1]
    return found


def fit_boosting(inputs: "NDArray[Any]", targets: "NDArray[Any]", outputs: int, seed: int) -> Answer:
    """Histogram gradient boosting with scikit-learn's defaults: of class numbers ``[N]`` or of numbers ``[N, K]``."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings = {"max_iter": TREES, "early_stopping": False, "random_state": seed % SEEDS}
    if targets.ndim == 1:
        return _of_classes(HistGradientBoostingClassifier(**settings).fit(inputs, targets), outputs)
    each = [HistGradientBoostingRegressor(**settings).fit(inputs, column) for column in targets.T]
    return lambda asked: np.stack([model.predict(asked) for model in each], axis=1)


def _of_classes(model: Any, outputs: int) -> Answer:
    """Probabilities of all classes, of which the training part may lack some."""

    def answer(asked: "NDArray[Any]") -> "NDArray[Any]":
        found = np.zeros((len(asked), outputs))
        found[:, model.classes_] = model.predict_proba(asked)
        return found

    return answer


def fit_ridge(inputs: "NDArray[Any]", targets: "NDArray[Any]", outputs: int, seed: int) -> Answer:
    """Ridge regression, alpha = 1, of each of the numbers ``[N, K]``."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1.0).fit(inputs, targets)
    return lambda asked: model.predict(asked).reshape(len(asked), -1)


class Trigram:
    """The next character from the two before, by counts of a text ``[N]`` of ids below ``size``.

    Witten and Bell's smoothing: of a context that was seen n times, with d different characters after it, n / (n + d)
    of the probability is by its counts and d / (n + d) as the context one character shorter has it; one that was never
    seen leaves all to the shorter one. The shortest are the frequencies of characters, each count one higher.
    """

    def __init__(self, text: "NDArray[Any]", size: int) -> None:
        self.size = size
        counts = np.bincount(text, minlength=size) + 1.0
        self.unigram = counts / counts.sum()
        self.pairs = _Counts(text[:-1], text[1:], size)
        self.triples = _Counts(text[:-2] * size + text[1:-1], text[2:], size)

    def probabilities(self, inputs: "NDArray[Any]", targets: "NDArray[Any]") -> "NDArray[Any]":
        """Those of the characters ``targets`` that follow ``inputs``, both ``[N, T]``.

        The first of a block has one character before it, as for a network.
        """
        found = self.pairs.smoothed(inputs, targets, self.unigram[targets])
        contexts = inputs[:, :-1] * self.size + inputs[:, 1:]
        found[:, 1:] = self.triples.smoothed(contexts, targets[:, 1:], found[:, 1:])
        return found


class _Counts:
    """How often each character followed each context."""

    def __init__(self, contexts: "NDArray[Any]", following: "NDArray[Any]", size: int) -> None:
        self.size = size
        self.codes, self.counts = np.unique(contexts * size + following, return_counts=True)
        self.contexts, first, self.different = np.unique(self.codes // size, return_index=True, return_counts=True)
        self.seen = np.add.reduceat(self.counts, first) if len(first) else self.different

    def smoothed(self, contexts: "NDArray[Any]", following: "NDArray[Any]", lower: "NDArray[Any]") -> "NDArray[Any]":
        """The probabilities of characters after contexts, ``lower`` those after shorter ones."""
        count = _looked_up(contexts * self.size + following, self.codes, self.counts)
        seen = _looked_up(contexts, self.contexts, self.seen)
        different = _looked_up(contexts, self.contexts, self.different)
        found: NDArray[Any] = np.where(seen > 0, (count + different * lower) / np.maximum(seen + different, 1), lower)
        return found


def _looked_up(wanted: "NDArray[Any]", known: "NDArray[Any]", values: "NDArray[Any]") -> "NDArray[Any]":
    """The value of each wanted code; 0 of one that is not ``known``, which are in order."""
    if not len(known):
        return np.zeros(wanted.shape, dtype=np.int64)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    found: NDArray[Any] = np.where(known[place] == wanted, values[place], 0)
    return found
