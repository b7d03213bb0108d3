"""Fully connected networks."""

from math import prod

from torch import nn

from cnncli.core.numbers import Count, Probability
from cnncli.core.registry import Activation, models
from cnncli.core.spec import DataSpec
from cnncli.models.activations import make_activation
from cnncli.models.kinds import forecast_shape, takes_no_text


@models.register("linear")
def linear(spec: DataSpec, /, bias: bool = True) -> nn.Sequential:
    """One linear layer: linear regression, logistic regression, one neuron."""
    takes_no_text("linear", spec)
    layer = nn.Linear(prod(spec.input_shape), spec.num_outputs, bias=bias)
    return nn.Sequential(nn.Flatten(), layer, *forecast_shape(spec))


@models.register("mlp")
def mlp(
    spec: DataSpec,
    /,
    hidden: tuple[Count, ...] = (128,),
    activation: Activation = "relu",
    dropout: Probability = 0.0,
) -> nn.Sequential:
    """Fully connected: flatten, then one hidden layer for each width in `hidden`."""
    takes_no_text("mlp", spec)
    modules: list[nn.Module] = [nn.Flatten()]
    features = prod(spec.input_shape)
    for width in hidden:
        modules += [nn.Linear(features, width), make_activation(activation)]
        if dropout:
            modules.append(nn.Dropout(dropout))
        features = width
    return nn.Sequential(*modules, nn.Linear(features, spec.num_outputs), *forecast_shape(spec))
