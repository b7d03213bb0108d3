"""PyTorch's optimizers by name, their arguments and defaults PyTorch's own; and Muon, which takes care of all weights.

PyTorch's own Muon updates matrices only: no filters, and a second optimizer beside it for everything else.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cnncli.config.sections import OptimizerConfig
from cnncli.core.errors import ConfigError, NothingToTrain
from cnncli.core.registry import optimizers
from cnncli.optim.muon import Muon, divided, hidden_matrices
from cnncli.optim.untraced import untraced

_DESCRIPTIONS = {
    "Adadelta": "step sizes from running averages of squared gradients and updates (Zeiler 2012)",
    "Adafactor": "Adam with factored second moments: little memory (Shazeer and Stern 2018)",
    "Adagrad": "step sizes from the sum of squared gradients (Duchi et al. 2011)",
    "Adam": "adaptive moments (Kingma and Ba 2014)",
    "AdamW": "Adam with decoupled weight decay (Loshchilov and Hutter 2017)",
    "Adamax": "Adam with the infinity norm (Kingma and Ba 2014)",
    "ASGD": "averaged stochastic gradient descent (Polyak and Juditsky 1992)",
    "LBFGS": "limited-memory quasi-Newton; evaluates each batch several times",
    "NAdam": "Adam with Nesterov momentum (Dozat 2016)",
    "RAdam": "Adam with rectified variance (Liu et al. 2019)",
    "RMSprop": "step sizes from a running average of squared gradients (Hinton 2012)",
    "Rprop": "step sizes from signs of gradients; for full batches (Riedmiller and Braun 1993)",
    "SGD": "stochastic gradient descent, with momentum if asked for",
    "SparseAdam": "Adam for the sparse gradients of embeddings",
}
# switches of the implementation that change no result, and the parameters themselves
_HIDDEN = ("params", "foreach", "capturable", "differentiable", "maximize")

for _name, _description in _DESCRIPTIONS.items():
    optimizers.add(_name.lower(), untraced(getattr(torch.optim, _name)), description=_description, hidden=_HIDDEN)

optimizers.add(
    "muon", Muon, description="orthogonalised momentum for filters and matrices, AdamW for the rest", hidden=_HIDDEN
)


def build_optimizer(
    config: OptimizerConfig,
    model: nn.Module,
    example: Tensor,
    groups: Sequence[dict[str, Any]] | None = None,
    together: bool = True,
) -> Optimizer:
    """The optimizer over every trainable parameter of ``model``, or over ``groups`` of them with rates of their own.

    ``example`` is a batch of inputs on the device of ``model``: muon sees with it which layer gives the outputs.

    Unless all parameters begin to learn ``together`` it is not fused: torch's fused SGD cannot take late ones.

    Raises ``ConfigError`` for values that it refuses, and for sparse optimizers of dense networks.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise NothingToTrain("the model has no parameters to train")
    if config.name == "sparseadam" and not any(getattr(m, "sparse", False) for m in model.modules()):
        raise ConfigError("sparseadam needs embeddings with sparse gradients, this model has none; use adam")
    chosen: Sequence[Any] = parameters if groups is None or len(groups) == 1 else groups
    if config.name == "muon":
        hidden = {id(matrix) for matrix in hidden_matrices(model, example)}
        chosen = divided(groups or [{"params": parameters}], lambda parameter: id(parameter) in hidden)
    if config.name == "lbfgs":  # it views a gradient as a vector, so its memory must be in plain order
        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(_in_plain_order)
    fused = {"fused": True} if together and can_fuse(config, model) else {}
    optimizer: Optimizer = optimizers.build(config.name, chosen, **{**config.args, **fused})
    optimizer.register_load_state_dict_pre_hook(_fused_here)
    return optimizer


def _fused_here(optimizer: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """A saved state, fused where ``optimizer`` is: that depends on the device and not on the training."""
    pairs = zip(saved["param_groups"], optimizer.param_groups, strict=True)
    groups = [{**group, "fused": own["fused"]} if "fused" in own else group for group, own in pairs]
    return {**saved, "param_groups": groups}


def _in_plain_order(parameter: Tensor) -> None:
    assert parameter.grad is not None
    parameter.grad = parameter.grad.contiguous()


def can_fuse(config: OptimizerConfig, model: nn.Module) -> bool:
    """Whether one kernel can update all weights, where the config does not say: the same rule, fewer passes."""
    if config.args.get("fused") is not None or "fused" not in optimizers.get(config.name).arguments.model_fields:
        return False
    devices = {parameter.device.type for parameter in model.parameters()}
    fusing = {"cpu"} if config.name == "adagrad" else {"cpu", "cuda"}
    sparse = any(getattr(module, "sparse", False) for module in model.modules())
    return devices <= fusing and not sparse
