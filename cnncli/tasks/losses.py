"""PyTorch's losses by name, and how logits and class numbers are turned into what each of them takes.

Left out are the losses of other problems: pairs and triplets (cosine_embedding, margin_ranking, triplet_margin),
sequences (ctc), and those that need more than outputs and targets (gaussian_nll, multilabel_margin).
"""

from collections.abc import Callable, Collection
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.numbers import NonNegative
from cnncli.core.plugins import refusals
from cnncli.core.registry import losses

Form = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""``(logits [N, K], targets [N])`` → the two tensors that a loss is called with."""


def _as_they_are(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return logits, targets


def _log_probabilities(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return F.log_softmax(logits, dim=1), targets


def _one_hot(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if targets.ndim == 2:  # shares of each class already
        return logits, targets
    return logits, F.one_hot(targets, logits.shape[1]).to(logits.dtype)


def _probabilities_one_hot(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits, one_hot = _one_hot(logits, targets)
    return F.softmax(logits, dim=1), one_hot


def _log_probabilities_one_hot(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits, one_hot = _one_hot(logits, targets)
    return F.log_softmax(logits, dim=1), one_hot


def _sigmoid_one_hot(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits, one_hot = _one_hot(logits, targets)
    return torch.sigmoid(logits), one_hot


def _signed(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits, one_hot = _one_hot(logits, targets)
    return logits, one_hot.mul(2).sub(1)


def _distances(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits, signs = _signed(logits, targets)
    return F.softplus(-logits), signs  # a distance: positive, and small for the right class


class FocalLoss(nn.Module):
    """``-w_y (1 - p_y)^gamma log p_y``, averaged over samples: easy samples weigh little (Lin et al. 2017).

    Takes logits ``[N, K]`` and class numbers ``[N]``, or shares of each class ``[N, K]``; ``weight`` is ``[K]``.
    """

    def __init__(self, gamma: NonNegative = 2.0, weight: Tensor | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.weight: Tensor | None
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        logs = F.log_softmax(logits, dim=1)
        # a probability of exactly one has no slope for gamma below one
        terms = -((1 - logs.exp()).clamp_min(torch.finfo(logs.dtype).tiny) ** self.gamma) * logs
        if self.weight is not None:
            terms = terms * self.weight
        _, shares = _one_hot(logits, targets)
        return (terms * shares).sum(1).mean()


_kl_div = partial(nn.KLDivLoss, reduction="batchmean")  # 'mean' divides by the classes too, and warns about it

_LOSSES: dict[str, tuple[Callable[..., nn.Module], Form, str]] = {
    "cross_entropy": (nn.CrossEntropyLoss, _as_they_are, "softmax and negative log-likelihood: the usual one"),
    "focal": (FocalLoss, _as_they_are, "cross-entropy in which easy samples weigh little (Lin et al. 2017)"),
    "nll": (nn.NLLLoss, _log_probabilities, "negative log-likelihood of the log-softmax"),
    "multi_margin": (nn.MultiMarginLoss, _as_they_are, "hinge loss over all classes (a multi-class SVM)"),
    "mse": (nn.MSELoss, _probabilities_one_hot, "squared error; for classes, of the probabilities (Brier score)"),
    "l1": (nn.L1Loss, _probabilities_one_hot, "absolute error; for classes, of the probabilities"),
    "smooth_l1": (nn.SmoothL1Loss, _probabilities_one_hot, "squared below beta, absolute above; of the probabilities"),
    "huber": (nn.HuberLoss, _probabilities_one_hot, "squared below delta, linear above; of the probabilities"),
    "bce": (nn.BCELoss, _sigmoid_one_hot, "binary cross-entropy of sigmoids, one class against the rest"),
    "bce_with_logits": (nn.BCEWithLogitsLoss, _one_hot, "the same as bce, numerically safer"),
    "kl_div": (_kl_div, _log_probabilities_one_hot, "Kullback-Leibler divergence from the one-hot targets"),
    "poisson_nll": (nn.PoissonNLLLoss, _one_hot, "negative log-likelihood of Poisson rates"),
    "soft_margin": (nn.SoftMarginLoss, _signed, "logistic loss of signed targets, one class against the rest"),
    "hinge_embedding": (nn.HingeEmbeddingLoss, _distances, "hinge loss of softplus(-logit) as a distance"),
    "multilabel_soft_margin": (nn.MultiLabelSoftMarginLoss, _one_hot, "one-against-the-rest, averaged over classes"),
}  # fmt: skip

CLASS_NUMBERS_ONLY = ("nll", "multi_margin", "hinge_embedding")
"""Losses that cannot be computed for mixed samples."""

FORMS: dict[str, Form] = {}
"""How classification feeds each loss; one of a plug-in's own gets logits and class numbers as they are."""

# batches are averaged by cnncli, class weights come from loss.class_weights, and the rest is deprecated
_HIDDEN = ("reduction", "size_average", "reduce", "weight", "pos_weight", "ignore_index")

for _name, (_class, _form, _description) in _LOSSES.items():
    losses.add(_name, _class, description=_description, hidden=_HIDDEN)
    FORMS[_name] = _form


def form_of(name: str) -> Form:
    """How the loss called ``name`` is fed."""
    return FORMS.get(name, _as_they_are)


def plain_loss(task: str, loss: LossConfig, allowed: Collection[str]) -> tuple[nn.Module, nn.Module]:
    """The training loss of a task whose outputs and targets fit a loss as they are, and the one for evaluation.

    Raises ``ConfigError`` for a loss of PyTorch's that is not ``allowed``; one of a plug-in's own is.
    """
    if loss.name not in allowed and loss.name in FORMS:
        raise ConfigError(f"{loss.name} is not for {task}; use {' or '.join(allowed)}")
    if loss.class_weights is not None and "bce_with_logits" not in allowed:
        raise ConfigError(f"loss.class_weights: {task} has no classes; remove it")
    plain = {key: value for key, value in loss.args.items() if key != "label_smoothing"}
    with refusals(f"loss {loss.name}"):
        factory = losses.get(loss.name).factory
        if loss.name in allowed:  # some values are refused only when it is computed
            factory(**loss.args)(torch.zeros(2, 1), torch.zeros(2, 1))
        return factory(**loss.args), factory(**plain)
