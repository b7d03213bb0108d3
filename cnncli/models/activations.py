"""PyTorch's element-wise activations by snake-case name."""

import inspect
import re

from torch import nn

from cnncli.core.registry import Activation, activations, split_component

# Not functions of one value alone: they mix channels, halve them, or need more than one input.
_NOT_ELEMENT_WISE = {"GLU", "MultiheadAttention", "Softmin", "Softmax", "Softmax2d", "LogSoftmax"}
_HIDDEN = ("inplace", "min_value", "max_value")  # the last two are hardtanh's old names for min_val and max_val
_NAMES = {"ReLU": "relu", "ReLU6": "relu6", "RReLU": "rrelu", "PReLU": "prelu", "LeakyReLU": "leaky_relu",
          "SiLU": "silu", "ELU": "elu", "CELU": "celu", "SELU": "selu", "GELU": "gelu"}  # fmt: skip

# those that never fall: the largest of their values is their value of the largest
_MONOTONE = {"relu", "relu6", "leaky_relu", "sigmoid", "tanh", "elu", "celu", "selu", "softplus", "hardtanh"}


def snake_case(name: str) -> str:
    """``LogSigmoid`` → ``log_sigmoid``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


for _class_name in nn.modules.activation.__all__:
    _class = getattr(nn, _class_name)
    if _class_name not in _NOT_ELEMENT_WISE:
        _doc = (inspect.getdoc(_class) or "").split("\n", 1)[0]
        _name = _NAMES.get(_class_name) or snake_case(_class_name)
        _traits = ("monotone",) if _name in _MONOTONE else ()
        activations.add(_name, _class, description=_doc, hidden=_HIDDEN, traits=_traits)


@activations.register("identity")
def identity() -> nn.Module:
    """No activation: the values pass unchanged."""
    return nn.Identity()


def make_activation(value: Activation) -> nn.Module:
    """A fresh activation from its name, or from a mapping of its name and arguments."""
    name, args = split_component(value)
    module: nn.Module = activations.build(name, **args)
    return module
