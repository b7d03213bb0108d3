"""A network written in the YAML as a list of layers, and the one layer that holds such a list itself."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cnncli.core.errors import ConfigError, Fault
from cnncli.core.key_paths import dotted
from cnncli.core.registry import Layer, activations, layers, models, split_component
from cnncli.core.spec import DataSpec
from cnncli.models.kinds import forecast_shape, takes_no_text
from cnncli.models.layer_kinds import Reaching


class Residual(nn.Module):
    """``body(x) + shortcut(x)``."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + self.shortcut(x)
        return out


@models.register("layers")
def layers_model(spec: DataSpec, /, layers: list[Layer]) -> nn.Sequential:
    """Your own network: a list of layers whose input sizes are inferred; the last gives the classes."""
    takes_no_text("layers", spec)
    start = Reaching(spec.input_shape, spec.num_outputs, ("model", "layers"))
    model, shape = build_layers(layers, start)
    if shape != (spec.num_outputs,):
        cause = f"the last layer gives {_shown(shape)}, the data want {spec.num_outputs} values; end with 'linear'"
        raise ConfigError(Fault("", dotted(("model", "layers", len(layers) - 1)), cause))
    return model.extend(forecast_shape(spec))


def build_layers(items: list[Layer], start: Reaching) -> tuple[nn.Sequential, tuple[int, ...]]:
    """The layers in a row, and the shape of one sample after them.

    Raises ``ConfigError`` naming the layer that does not fit and the shape that reached it.
    """
    modules: list[nn.Module] = []
    reaching = start
    for number, item in enumerate(items):
        name, args = split_component(item)
        reaching = replace(reaching, path=(*start.path, number))
        module, shape = _build_layer(name, args, reaching)
        modules.append(module)
        reaching = replace(reaching, shape=shape)
    return nn.Sequential(*modules), reaching.shape


@layers.register("residual")
def residual(reaching: Reaching, /, layers: list[Layer]) -> nn.Module:
    """The sum of `layers` and a shortcut around them; a 1×1 convolution where the shape changes."""
    body, shape = build_layers(layers, replace(reaching, path=(*reaching.path, "layers")))
    if shape == reaching.shape:
        return Residual(body, nn.Identity())
    if len(shape) != len(reaching.shape):
        raise ConfigError(f"residual: its layers turn {reaching.shape} into {shape}; the sum needs equal dimensions")
    if len(shape) == 1:
        return Residual(body, nn.Linear(reaching.shape[0], shape[0], bias=False))
    stride = -(-reaching.shape[1] // shape[1])
    return Residual(body, nn.Conv2d(reaching.shape[0], shape[0], 1, stride, bias=False))


def _build_layer(name: str, args: dict[str, Any], reaching: Reaching) -> tuple[nn.Module, tuple[int, ...]]:
    reached = f"{_shown(reaching.shape)} reached it"
    try:
        if name not in layers and name in activations:
            module: nn.Module = activations.build(name, **args)
        else:
            module = layers.build(name, reaching, **args)
        with torch.no_grad():
            shape = tuple(module.eval()(torch.zeros(1, *reaching.shape)).shape[1:])
        module.train()
    except ConfigError as error:
        if error.faults[0].key:  # a layer inside this one has been named already
            raise
        raise ConfigError(Fault("", dotted(reaching.path), f"{error} ({reached})")) from error
    except (RuntimeError, ValueError) as error:
        cause = f"{name} does not fit: {reached} ({str(error).splitlines()[0]})"
        raise ConfigError(Fault("", dotted(reaching.path), cause)) from error
    return module, shape


def _shown(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
