"""PyTorch's losses by name, and how logits and class numbers are turned into what each of them takes.

Left out are the losses of other problems: pairs and triplets (cosine_embedding, margin_ranking, triplet_margin),
sequences (ctc), and those that need more than outputs and targets (gaussian_nll, multilabel_margin).
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.numbers import Fraction, NonNegative
from cnncli.core.plugins import refusals
from cnncli.core.registry import losses
from cnncli.core.targets import Shares
from cnncli.tasks.protocol import Targets

Form = Callable[[Tensor, Targets], tuple[Tensor, Tensor]]
"""``(logits [N, K], targets)`` → the two tensors that a loss is called with."""


def _as_they_are(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    return logits, targets.values if isinstance(targets, Shares) else targets


def _log_probabilities(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    return _as_they_are(F.log_softmax(logits, dim=1), targets)


def _one_hot(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    if isinstance(targets, Shares):
        return logits, targets.values
    return logits, F.one_hot(targets, logits.shape[1]).to(logits.dtype)


def _probabilities_one_hot(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    logits, one_hot = _one_hot(logits, targets)
    return F.softmax(logits, dim=1), one_hot


def _log_probabilities_one_hot(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    logits, one_hot = _one_hot(logits, targets)
    return F.log_softmax(logits, dim=1), one_hot


def _sigmoid_one_hot(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    logits, one_hot = _one_hot(logits, targets)
    return torch.sigmoid(logits), one_hot


def _signed(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    logits, one_hot = _one_hot(logits, targets)
    return logits, one_hot.mul(2).sub(1)


def _distances(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    logits, signs = _signed(logits, targets)
    return F.softplus(-logits), signs  # a distance: positive, and small for the right class


class FocalLoss(nn.Module):
    """``-w_y (1 - p_y)^gamma log p_y``, averaged over samples: easy samples weigh little (Lin et al. 2017).

    Takes logits and the share of each class, both ``[N, K]``; ``weight`` is ``[K]``.
    """

    def __init__(self, gamma: NonNegative = 2.0, weight: Tensor | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.weight: Tensor | None
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, shares: Tensor) -> Tensor:
        logs = F.log_softmax(logits, dim=1)
        # a probability of exactly one has no slope for gamma below one
        terms = -((1 - logs.exp()).clamp_min(torch.finfo(logs.dtype).tiny) ** self.gamma) * logs
        if self.weight is not None:
            terms = terms * self.weight
        return (terms * shares).sum(1).mean()


class AsymmetricLoss(nn.Module):
    """Binary cross-entropy in which easy absent classes weigh little, averaged over samples and classes.

    ``-(1 - p)^gamma_pos log p`` of a class that is there, ``-q^gamma_neg log(1 - q)`` with ``q = max(p - clip, 0)`` of
    one that is not (Ridnik et al. 2021, "Asymmetric Loss for Multi-Label Classification"; 4, 0 and 0.05 as there).
    Takes logits and the share of each class, both ``[N, K]``.
    """

    def __init__(self, gamma_neg: NonNegative = 4.0, gamma_pos: NonNegative = 0.0, clip: Fraction = 0.05) -> None:
        super().__init__()
        self.gamma_neg, self.gamma_pos, self.clip = gamma_neg, gamma_pos, clip

    def forward(self, logits: Tensor, shares: Tensor) -> Tensor:
        tiny = torch.finfo(logits.dtype).tiny  # a power below one has no slope at zero
        present = (-logits).sigmoid().clamp_min(tiny) ** self.gamma_pos * F.logsigmoid(logits)
        shifted = (logits.sigmoid() - self.clip).clamp_min(tiny)
        # 1 - q by way of the logit where nothing is taken off: it never rounds to zero
        kept = torch.log1p(-shifted) if self.clip else F.logsigmoid(-logits)
        absent = shifted**self.gamma_neg * kept
        return -(shares * present + (1 - shares) * absent).mean()


_kl_div = partial(nn.KLDivLoss, reduction="batchmean")  # 'mean' divides by the classes too, and warns about it

_WEIGHS = ("class_weights",)
_DIVIDES = ("class_weights", "divides_by_weights")  # its mean is one over the weights, not over the samples
_NUMBERS_ONLY = ("class_numbers_only",)  # cannot be computed for mixed samples
_FOR_NUMBERS = ("numbers",)
_YES_NO = ("yes_no",)
_LABELS = ("labels",)  # a yes or no for every class

_LOSSES: dict[str, tuple[Callable[..., nn.Module], Form, tuple[str, ...], str]] = {
    "cross_entropy": (nn.CrossEntropyLoss, _as_they_are, (*_DIVIDES, "characters"),
                      "softmax and negative log-likelihood: the usual one"),
    "focal": (FocalLoss, _one_hot, _WEIGHS, "cross-entropy in which easy samples weigh little (Lin et al. 2017)"),
    "nll": (nn.NLLLoss, _log_probabilities, (*_DIVIDES, *_NUMBERS_ONLY),
            "negative log-likelihood of the log-softmax"),
    "multi_margin": (nn.MultiMarginLoss, _as_they_are, (*_WEIGHS, *_NUMBERS_ONLY),
                     "hinge loss over all classes (a multi-class SVM)"),
    "mse": (nn.MSELoss, _probabilities_one_hot, _FOR_NUMBERS,
            "squared error; for classes, of the probabilities (Brier score)"),
    "l1": (nn.L1Loss, _probabilities_one_hot, _FOR_NUMBERS, "absolute error; for classes, of the probabilities"),
    "smooth_l1": (nn.SmoothL1Loss, _probabilities_one_hot, _FOR_NUMBERS,
                  "squared below beta, absolute above; of the probabilities"),
    "huber": (nn.HuberLoss, _probabilities_one_hot, _FOR_NUMBERS,
              "squared below delta, linear above; of the probabilities"),
    "bce": (nn.BCELoss, _sigmoid_one_hot, (), "binary cross-entropy of sigmoids, one class against the rest"),
    "bce_with_logits": (nn.BCEWithLogitsLoss, _one_hot, (*_YES_NO, *_LABELS, "pos_weight"),
                        "the same as bce, numerically safer"),
    "kl_div": (_kl_div, _log_probabilities_one_hot, (), "Kullback-Leibler divergence from the one-hot targets"),
    "poisson_nll": (nn.PoissonNLLLoss, _one_hot, (), "negative log-likelihood of Poisson rates"),
    "soft_margin": (nn.SoftMarginLoss, _signed, (*_YES_NO, "signed"),
                    "logistic loss of signed targets, one class against the rest"),
    "hinge_embedding": (nn.HingeEmbeddingLoss, _distances, _NUMBERS_ONLY,
                        "hinge loss of softplus(-logit) as a distance"),
    "asymmetric": (AsymmetricLoss, _one_hot, _LABELS,
                   "bce in which easy absent classes weigh little (Ridnik et al. 2021)"),
    "multilabel_soft_margin": (nn.MultiLabelSoftMarginLoss, _one_hot, _LABELS,
                               "one-against-the-rest, averaged over classes"),
}  # fmt: skip

FORMS: dict[str, Form] = {}
"""How classification feeds each loss; one of a plug-in's own gets logits and class numbers as they are."""

# batches are averaged by cnncli, class weights come from loss.class_weights, and the rest is deprecated
_HIDDEN = ("reduction", "size_average", "reduce", "weight", "pos_weight", "ignore_index")

for _name, (_class, _form, _traits, _description) in _LOSSES.items():
    losses.add(_name, _class, description=_description, hidden=_HIDDEN, traits=_traits)
    FORMS[_name] = _form


def form_of(name: str) -> Form:
    """How the loss called ``name`` is fed."""
    return FORMS.get(name, _as_they_are)


def plain_loss(task: str, loss: LossConfig, trait: str, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """The training loss of a task whose outputs and targets fit a loss as they are, and the one for evaluation.

    Raises ``ConfigError`` for a loss of PyTorch's without the ``trait``; one of a plug-in's own is taken as it is.
    """
    entry = losses.get(loss.name)
    if loss.name in FORMS and trait not in entry.traits:
        fitting = [name for name in FORMS if trait in losses.get(name).traits]
        raise ConfigError(f"{loss.name} is not for {task}; use {' or '.join(fitting)}")
    plain = {key: value for key, value in loss.args.items() if key != "label_smoothing"}
    with refusals(f"loss {loss.name}"):
        if loss.name in FORMS:  # some values are refused only when it is computed
            entry.factory(**loss.args)(torch.zeros(2, 1), torch.zeros(2, 1))
        return entry.factory(**loss.args).to(device), entry.factory(**plain).to(device)


def check_class_weights(loss: LossConfig, classes: tuple[str, ...], trait: str) -> None:
    """Raise ``ConfigError`` where class weights are asked for that the loss, without the ``trait``, or data lack."""
    if loss.class_weights is None:
        return
    if trait not in losses.get(loss.name).traits:
        weighing = [name for name in losses if trait in losses.get(name).traits]
        raise ConfigError(f"loss.class_weights: {loss.name} takes none; use {', '.join(weighing)}")
    for name in loss.class_weights if isinstance(loss.class_weights, dict) else ():
        if name not in classes:
            raise ConfigError(f"loss.class_weights: no class '{name}'; {did_you_mean(name, classes)}")


def refuse_class_weights(loss: LossConfig, cause: str) -> None:
    """Raise ``ConfigError`` with the ``cause`` where class weights are asked for."""
    if loss.class_weights is not None:
        raise ConfigError(f"loss.class_weights: {cause}; remove it")
