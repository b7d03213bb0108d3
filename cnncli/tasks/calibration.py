"""Whether probabilities mean what they say, and from which confidence on a network should answer at all.

Everything is fitted on the validation part and kept in the checkpoint as plain numbers.
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from cnncli.core.numbers import Probability
from cnncli.core.results import Mistake, MistakesBlock, ReliabilityBlock

BINS = 15  # of the calibration error, as in Guo et al. 2017
MISTAKES_NEEDED = 5  # on validation: of a network that makes none, confidence cannot be judged
TEMPERATURES = (0.2, 20.0)
MISTAKES_SHOWN = 12  # the most confident
MAX_LEVELS = 1_000  # of confidence, between which a threshold is looked for


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Risk:
    """What happens if a network answers only where its confidence is at least ``confidence[i]``, in rising order.

    ``error[i]`` is the share of wrong answers among those it gives, ``answered[i]`` the share of samples that it
    answers (El-Yaniv and Wiener 2010).
    """

    confidence: list[Probability]
    error: list[Probability]
    answered: list[Probability]

    def __post_init__(self) -> None:
        if not len(self.confidence) == len(self.error) == len(self.answered):
            raise ValueError("confidence, error and answered must have the same length")


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """The T for which ``softmax(logits / T)`` has the least cross-entropy (Guo et al. 2017); 1 where it cannot be told.

    ``logits`` are ``[N, K]`` of samples that were not trained on, ``targets`` their class numbers ``[N]``.
    """
    logits = logits.double()
    if int((logits.argmax(1) != targets).sum()) < MISTAKES_NEEDED:
        return 1.0
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return F.cross_entropy(logits / math.exp(log_temperature), targets).item()

    low, high = (math.log(bound) for bound in TEMPERATURES)
    return math.exp(float(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def calibration_error(probabilities: Tensor, targets: Tensor) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy, over 15 bins of confidence.

    ``probabilities`` are ``[N, K]``, ``targets`` class numbers ``[N]`` (Naeini et al. 2015, Guo et al. 2017).
    """
    confidence, predicted = probabilities.double().max(1)
    surplus = confidence - (predicted == targets).double()
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    return torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, surplus).abs().sum().item() / max(len(targets), 1)


def reliability(probabilities: Tensor, came_true: Tensor, event: str) -> ReliabilityBlock:
    """How often what had a probability, float ``[N]``, came true, bool ``[N]``, in the bins of 1/15 that occur."""
    bins = (probabilities.double() * BINS).ceil().long().clamp(1, BINS) - 1
    samples = torch.bincount(bins, minlength=BINS)
    hits = torch.bincount(bins[came_true], minlength=BINS)
    sums = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, probabilities.double())
    occur = samples > 0
    means = (sums[occur] / samples[occur]).tolist()
    return ReliabilityBlock(
        "reliability", event, tuple(means), tuple(hits[occur].tolist()), tuple(samples[occur].tolist())
    )


def confident_mistakes(
    classes: tuple[str, ...], predicted: Tensor, probabilities: Tensor, targets: Tensor
) -> MistakesBlock:
    """The wrong answers with the highest probability of the predicted class.

    ``predicted`` and ``targets`` are class numbers ``[N]``, ``probabilities`` those of the predicted class ``[N]``.
    """
    wrong = (predicted != targets).nonzero()[:, 0]
    order = probabilities[wrong].argsort(descending=True, stable=True)
    mistakes = tuple(
        Mistake(i, classes[int(targets[i])], classes[int(predicted[i])], float(probabilities[i]))
        for i in wrong[order][:MISTAKES_SHOWN].tolist()
    )
    return MistakesBlock("mistakes", "Most confident mistakes", mistakes, len(wrong))


def risk_levels(probabilities: Tensor, targets: Tensor) -> Risk:
    """The risk of answering at each confidence that occurs: ``probabilities`` are ``[N, K]``, ``targets`` ``[N]``."""
    confidence, predicted = (values.cpu().numpy() for values in probabilities.double().max(1))
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence, wrong = confidence[order], (predicted != targets.cpu().numpy())[order]
    # samples of equal confidence are answered together: the last of them counts
    ends = np.flatnonzero(np.append(np.diff(sorted_confidence) != 0, True))
    if len(ends) > MAX_LEVELS:
        ends = ends[np.linspace(0, len(ends) - 1, MAX_LEVELS).round().astype(int)]
    mistakes = wrong.cumsum()[ends]
    return Risk(
        confidence=sorted_confidence[ends][::-1].clip(0, 1).tolist(),
        error=(mistakes / (ends + 1))[::-1].tolist(),
        answered=((ends + 1) / len(order))[::-1].tolist(),
    )


def threshold_for(risk: Risk, max_error: float) -> tuple[float, float]:
    """The least confidence from which on the error stays within ``max_error``, and the share that is answered.

    2, which no probability reaches, and nothing answered, where no confidence is enough.
    """
    for confidence, error, answered in zip(risk.confidence, risk.error, risk.answered, strict=True):
        if error <= max_error:
            return confidence, answered
    return 2.0, 0.0


def report(logits: Tensor, targets: Tensor, temperature: float) -> dict[str, Any]:
    """The calibration error of logits ``[N, K]`` as they are and divided by ``temperature``."""
    return {
        "temperature": temperature,
        "error_before": calibration_error(logits.softmax(1), targets),
        "error_after": calibration_error((logits / temperature).softmax(1), targets),
    }


def why_none(risk: Risk | None, samples: int) -> str:
    """Why there is no temperature, by what validation with so many ``samples`` has shown."""
    if not samples:
        return "no temperature: it is fitted on validation, and there was none"
    if risk is None:
        return "no temperature: it is fitted without --tta"
    mistakes = round(risk.error[0] * samples * risk.answered[0])  # at the least confidence all are answered
    if mistakes < MISTAKES_NEEDED:
        few = f"{mistakes} {'mistake' if mistakes == 1 else 'mistakes'} in {samples:,} validation samples"
        return f"no temperature is fitted: {few}, and it takes at least {MISTAKES_NEEDED}"
    return "the temperature is 1"


def in_words(found: dict[str, Any], none: str) -> str:
    """A ``report`` in a sentence, with why there is ``none`` where the temperature is 1."""
    before, after, temperature = found["error_before"], found["error_after"], found["temperature"]
    if temperature == 1:
        return f"calibration error {before:.4f} ({none})"
    return f"calibration error {before:.4f}, with probabilities at temperature {temperature:.3f}: {after:.4f}"
