"""A network of your own, for the run ``plug-in``."""

from math import prod

from torch import nn

from cnncli.core import registry


@registry.models.register("two_layers")
def two_layers(spec, /, width: int = 8):
    """Flatten, one hidden layer."""
    features = prod(spec.input_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.Tanh(), nn.Linear(width, spec.num_outputs))
