"""Fully connected networks."""

from math import prod

from torch import nn

from cnncli.core.config import Count, Probability
from cnncli.core.registry import Activation, models
from cnncli.core.spec import DataSpec
from cnncli.models.activations import make_activation


@models.register("mlp")
def mlp(
    spec: DataSpec,
    /,
    hidden: tuple[Count, ...] = (128,),
    activation: Activation = "relu",
    dropout: Probability = 0.0,
) -> nn.Sequential:
    """Fully connected: flatten, then one hidden layer for each width in `hidden`."""
    modules: list[nn.Module] = [nn.Flatten()]
    features = prod(spec.input_shape)
    for width in hidden:
        modules += [nn.Linear(features, width), make_activation(activation)]
        if dropout:
            modules.append(nn.Dropout(dropout))
        features = width
    return nn.Sequential(*modules, nn.Linear(features, spec.num_outputs))
