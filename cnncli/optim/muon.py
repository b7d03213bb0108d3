"""Muon: momentum whose matrices are made orthogonal (Jordan et al. 2024, kellerjordan.github.io/posts/muon)."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.optim.adamw import adamw
from torch.optim.optimizer import ParamsT

from cnncli.core.numbers import Count, NonNegative, Positive, Probability
from cnncli.optim.untraced import Untraced

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of Jordan's Newton–Schulz step: singular values near 0 grow fast, those near 1 stay within 0.7…1.2."""
AT_ONCE = 2**22
"""Values of matrices that are orthogonalised together: the larger ones keep a device busy one at a time."""


class Muon(Untraced):
    """Orthogonalised Nesterov momentum for hidden matrices and filters, AdamW for everything else.

    Filters ``[out, in, h, w]`` count as matrices ``[out, in · h · w]``. A group says by ``orthogonal`` which of the two
    it is for; without that word matrices are orthogonalised, and vectors are AdamW's, at ``adam_lr``. With
    ``constant_norm`` every matrix is scaled to Frobenius norm √out in each step, for nets whose normalisation makes
    the size of their filters meaningless (cifar10-airbench).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Positive = 0.02,
        momentum: Probability = 0.95,
        weight_decay: NonNegative = 0.0,
        constant_norm: bool = False,
        steps: Count = 5,
        adam_lr: Positive = 1e-3,
        betas: tuple[float, float] = (0.9, 0.95),
    ) -> None:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas {betas} must be at least 0 and below 1")
        given: list[Any] = list(params) if isinstance(params, Iterable) else []
        groups = given if given and isinstance(given[0], dict) else divided([{"params": given}], is_matrix)
        for group in groups:
            rate = lr if group["orthogonal"] else adam_lr
            group["lr"] = rate * float(group.get("lr", lr)) / lr
        defaults = {
            "lr": lr, "momentum": momentum, "weight_decay": weight_decay, "constant_norm": constant_norm,
            "steps": steps, "betas": betas,
        }  # fmt: skip
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of all groups."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            learning = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not group["orthogonal"]:
                self._adam(learning, group)
                continue
            for equal in alike(learning):
                self._orthogonal(equal, group)
        return loss

    def _orthogonal(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """A step of matrices of one shape: on a GPU most of what a step of one takes is to ask for it."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        momenta = [self._moment(parameter, "momentum") for parameter in parameters]
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, gradients)
        directions = torch.stack(torch._foreach_add(gradients, momenta, alpha=group["momentum"]))
        if group["constant_norm"]:
            norms = torch.stack(torch._foreach_norm(parameters)).clamp_min(1e-12)
            torch._foreach_mul_(parameters, (len(parameters[0]) ** 0.5 / norms).unbind())
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        matrices = directions.flatten(2).squeeze(0)  # on a CPU the product of one pair is faster than that of a list
        updates = orthogonalized(matrices, group["steps"]).view_as(directions)
        torch._foreach_add_(parameters, _laid_out_as(parameters[0], updates).unbind(), alpha=-group["lr"])

    def _adam(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        first, second = ([self._moment(p, name) for p in parameters] for name in ("first", "second"))
        for parameter in parameters:  # a checkpoint brings the count on the CPU
            state, device = self.state[parameter], parameter.device  # a new count is made there: a copy would wait
            count = state["step"] if "step" in state else torch.zeros((), device=device)
            state["step"] = torch.as_tensor(count, dtype=torch.float32, device=device)
        (beta1, beta2), steps = group["betas"], [self.state[p]["step"] for p in parameters]
        adamw(
            parameters, [p.grad for p in parameters if p.grad is not None], first, second, [], steps,
            fused=True, amsgrad=False, beta1=beta1, beta2=beta2, lr=group["lr"],
            weight_decay=group["weight_decay"], eps=1e-8, maximize=False,
        )  # fmt: skip

    def _moment(self, parameter: Tensor, name: str) -> Tensor:
        """A running sum of the shape of ``parameter``, zero at first."""
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        found: Tensor = state[name]
        return found


def alike(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """``parameters`` in lists of one shape, type and order in memory, none of more than ``AT_ONCE`` values."""
    lists: list[list[Tensor]] = []
    open_lists: dict[Any, list[Tensor]] = {}
    for parameter in parameters:
        key = (parameter.shape, parameter.stride(), parameter.dtype, parameter.device)
        if key not in open_lists or (len(open_lists[key]) + 1) * parameter.numel() > AT_ONCE:
            open_lists[key] = []
            lists.append(open_lists[key])
        open_lists[key].append(parameter)
    return lists


def orthogonalized(matrices: Tensor, steps: int) -> Tensor:
    """The nearest (semi-)orthogonal matrices to ``[N, R, C]`` or ``[R, C]``, roughly: singular values end near 1."""
    a, b, c = _QUINTIC
    product, add_product = (torch.bmm, torch.baddbmm) if matrices.ndim == 3 else (torch.mm, torch.addmm)
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.to(_fast_type(matrices.device))
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = product(x, x.mT)
        x = add_product(x, add_product(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


@cache
def _fast_type(device: torch.device) -> torch.dtype:
    """Half precision where there is hardware for it, and not only an emulation: enough for a rough answer."""
    made = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if made else torch.float32


def _laid_out_as(parameter: Tensor, updates: Tensor) -> Tensor:
    """``updates`` ``[N, …]``, each with the order in memory of ``parameter``: only then one kernel adds them all."""
    if updates.stride()[1:] == parameter.stride():
        return updates
    strides = (parameter.numel(), *parameter.stride())
    laid_out = torch.empty_strided(updates.shape, strides, dtype=updates.dtype, device=updates.device)
    return laid_out.copy_(updates)


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter has rows and columns."""
    return parameter.ndim >= 2


def hidden_matrices(model: nn.Module, inputs: Tensor) -> Sequence[Tensor]:
    """The filters and matrices between the inputs and the logits: no embeddings, no positions, not the head.

    The head is whatever gives the outputs for a batch of ``inputs``: with tied weights it is the embedding.
    """
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase, nn.MultiheadAttention)
    layers = [module for module in model.modules() if isinstance(module, kinds)]
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
    weights = {id(p) for layer in [*layers, *embeddings] for p in layer.parameters() if is_matrix(p)}
    others = nearest(_outputs(model, inputs), weights) | {id(embedding.weight) for embedding in embeddings}
    found = [p for layer in layers for p in layer.parameters(recurse=False) if is_matrix(p)]
    return [parameter for parameter in found if id(parameter) not in others]


def nearest(outputs: Tensor, parameters: Set[int]) -> set[int]:
    """Those of ``parameters`` (ids) that autograd's graph reaches in the fewest steps from ``outputs``."""
    seen: set[Node] = set()
    reached = {outputs.grad_fn} if outputs.grad_fn else set()
    while reached:
        if found := {id(getattr(node, "variable", None)) for node in reached} & parameters:
            return found
        seen |= reached
        reached = {before for node in reached for before, _ in node.next_functions if before} - seen
    return set()


def _outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """What ``model`` gives in evaluation mode, where dropout draws no numbers and BatchNorm's statistics stay."""
    was_training = model.training
    with torch.enable_grad():
        outputs: Tensor = model.eval()(inputs)
    model.train(was_training)
    return outputs


def divided(groups: Sequence[Mapping[str, Any]], chosen: Callable[[Tensor], bool]) -> list[dict[str, Any]]:
    """Every group as two: the ``chosen`` parameters, for orthogonal steps, and the others; empty ones are left out."""
    parts = []
    for group in groups:
        members = list(group["params"])
        for orthogonal in (True, False):
            if part := [p for p in members if chosen(p) == orthogonal]:
                parts.append({**group, "params": part, "orthogonal": orthogonal})
    return parts
