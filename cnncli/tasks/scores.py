"""What reviewers ask for beside accuracy: of probabilities and class numbers that are there already."""

from typing import Any

import torch
from torch import Tensor

from cnncli.core.results import Column, FactsBlock, TableBlock

SPECIFICITIES = (0.8, 0.9, 0.95, 0.99)  # at which the sensitivity is stated
TOP = 5  # classes among which the true one is looked for, where there are more than these


def top_k_accuracy(probabilities: Tensor, targets: Tensor, k: int) -> float:
    """How often the true class is among the ``k`` most probable ones; of equal ones the last class comes first.

    ``probabilities`` are ``[N, K]``, ``targets`` class numbers ``[N]``. As scikit-learn's ``top_k_accuracy_score``.
    """
    order = probabilities.flip(1).sort(dim=1, descending=True, stable=True).indices[:, :k]
    classes = probabilities.shape[1] - 1 - order
    return (classes == targets[:, None]).any(1).double().mean().item()


def negative_log_likelihood(probabilities: Tensor, targets: Tensor) -> float:
    """The mean of ``-log p`` of the true class, in nats, for probabilities float64 ``[N, K]``.

    As scikit-learn's ``log_loss``: a probability below the smallest step of the type counts as that.
    """
    smallest = torch.finfo(probabilities.dtype).eps
    own = probabilities.gather(1, targets[:, None])[:, 0]
    return -own.clamp(smallest, 1 - smallest).log().mean().item()


def brier_score(probabilities: Tensor, targets: Tensor) -> float:
    """The mean over samples of the squared distance of probabilities ``[N, K]`` and truth, summed over classes.

    From 0 to 2 (Brier 1950): scikit-learn's ``brier_score_loss`` with ``scale_by_half=False``.
    """
    truth = torch.nn.functional.one_hot(targets, probabilities.shape[1])
    return (probabilities.double() - truth).square().sum(1).mean().item()


def risk_coverage_area(confidence: Tensor, is_right: Tensor) -> float:
    """The mean share of wrong answers over all coverages: answers are given from the surest one on (AURC).

    ``confidence`` float ``[N]``, ``is_right`` bool ``[N]``. The mean over n = 1 … N of the error among the n surest
    (Geifman and El-Yaniv 2017); samples of equal confidence share their mean error, so that their order is none.
    """
    wrong = (~is_right).double()
    levels, place, counts = confidence.unique(return_inverse=True, return_counts=True)
    mean = torch.zeros(len(levels), dtype=torch.float64).index_add_(0, place, wrong) / counts
    errors = mean[place][confidence.argsort(descending=True)].cumsum(0)
    return float((errors / torch.arange(1, len(errors) + 1)).mean())


def matthews(confusion: Tensor) -> float:
    """Matthews' correlation of true and predicted classes from counts ``[K, K]``; 0 where one of them is constant.

    For several classes Gorodkin 2004, as scikit-learn's ``matthews_corrcoef``.
    """
    counts = confusion.double()
    true, predicted, n = counts.sum(1), counts.sum(0), counts.sum()
    both = counts.trace() * n - true @ predicted
    spread = (n * n - predicted @ predicted) * (n * n - true @ true)
    return (both / spread.sqrt()).item() if spread > 0 else 0.0


def kappa(confusion: Tensor) -> float | None:
    """Cohen's kappa (1960) from counts ``[K, K]``: agreement above chance; None where chance agrees always."""
    counts = confusion.double()
    n = counts.sum()
    expected = (counts.sum(1) @ counts.sum(0) / (n * n)).item()
    if expected >= 1:
        return None
    return ((counts.trace() / n).item() - expected) / (1 - expected)


def further(probabilities: Tensor, targets: Tensor, predicted: Tensor, confusion: Tensor) -> FactsBlock:
    """All of these for probabilities ``[N, K]``, true and predicted class numbers ``[N]``, and their counts."""
    wide = probabilities.double()
    confidence = wide.gather(1, predicted[:, None])[:, 0]
    values: dict[str, Any] = {
        "mcc": matthews(confusion),
        "kappa": kappa(confusion),
        "nll": negative_log_likelihood(wide, targets),
        "brier": brier_score(wide, targets),
        "aurc": risk_coverage_area(confidence, predicted == targets),
    }
    if probabilities.shape[1] > TOP:
        values = {f"top{TOP}_accuracy": top_k_accuracy(wide, targets, TOP), **values}
    return FactsBlock({name: value for name, value in values.items() if value is not None}, in_words(values), "scores")


def in_words(values: dict[str, Any]) -> str:
    """The values of ``further`` in a sentence."""
    parts = []
    if f"top{TOP}_accuracy" in values:
        parts.append(f"top-{TOP} accuracy {100 * values[f'top{TOP}_accuracy']:.2f} %")
    parts.append(f"Matthews' correlation {values['mcc']:.4f}")
    if values["kappa"] is not None:
        parts.append(f"Cohen's kappa {values['kappa']:.4f}")
    parts.append(f"negative log-likelihood {values['nll']:.4f}")
    parts.append(f"Brier score {values['brier']:.4f} (0 to 2)")
    parts.append(f"area under the risk–coverage curve {values['aurc']:.4f}")
    return ", ".join(parts)


def operating_points(scores: Tensor, truth: Tensor) -> TableBlock:
    """The best sensitivity at each stated specificity, and the threshold that gives it, on these very samples.

    ``scores`` are probabilities ``[N]`` of the positive class, ``truth`` bool ``[N]`` with both classes in it. There is
    no threshold where only saying yes to nothing is specific enough.
    """
    from sklearn.metrics import roc_curve

    false, true, thresholds = roc_curve(truth.numpy(), scores.numpy(), drop_intermediate=False)
    rows = []
    for wanted in SPECIFICITIES:
        last = int((1 - false >= wanted - 1e-12).nonzero()[0][-1])  # rates rise along the curve
        threshold = float(thresholds[last]) if last else None  # the first point says yes to nothing
        rows.append((wanted, float(true[last]), 1 - float(false[last]), threshold))
    columns = (Column("specificity", "specificity of at least", ".2f"), Column("sensitivity", "sensitivity", ".4f"),
               Column("reached", "specificity", ".4f"), Column("threshold", "threshold", ".4f"))  # fmt: skip
    note = "These thresholds are of this split's own samples; task.specificity=0.95 chooses one on validation."
    return TableBlock("operating_points", "Operating points", columns, tuple(rows), notes=(note,))
