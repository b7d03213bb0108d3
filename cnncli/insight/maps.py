"""Where a network of pictures last knows places: the layer whose map Grad-CAM weighs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

POOLING = (
    nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.FractionalMaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d,
)  # fmt: skip
LEAST = 4  # cells down and across that a map should have, where some layer's map has them
MOST_EXTRA = 8  # tokens of a vision transformer that stand for no place: the class, registers


@dataclass(frozen=True)
class MapLayer:
    """A layer by its name in the network, its map's height and width, and what makes its output ``[N, C, h, w]``."""

    name: str
    size: tuple[int, int]
    to_map: Callable[[Tensor], Tensor] | None = None
    of_tokens: bool = False


@dataclass(frozen=True, eq=False)
class Fired:
    """What a layer gave for one picture; ``output`` is part of the graph."""

    name: str
    layer: nn.Module
    output: Tensor


@contextmanager
def open_for_gradients(network: nn.Module) -> Iterator[None]:
    """Gradients flow in here, wherever it is called, and a compiled network answers layer by layer, with hooks."""
    compiled = network._compiled_call_impl
    network._compiled_call_impl = None
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        network._compiled_call_impl = compiled


def leaf(inputs: Tensor) -> Tensor:
    """A copy of a batch that asks for gradients, so that they reach layers of a frozen network, too."""
    return inputs.detach().clone().requires_grad_().clone()


def fired(network: nn.Module, inputs: Tensor) -> tuple[list[Fired], Tensor]:
    """Every layer's output in the order of the layers' ends, and the network's own. No hook stays."""
    found: list[Fired] = []

    def keep(name: str, layer: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            found.append(Fired(name, layer, output))

    layers = [(name, layer) for name, layer in network.named_modules() if name]
    hooks = [layer.register_forward_hook(partial(keep, name)) for name, layer in layers]
    try:
        outputs: Tensor = network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found, outputs


def find_map(network: nn.Module, inputs: Tensor) -> MapLayer | None:
    """The last layer with a map before pooling and flattening, found with the first picture of ``[N, C, H, W]``.

    Maps of at least 4 × 4 cells are preferred. Of a vision transformer it is the last layer whose tokens still reach
    the answer from their places. None where the network forgets places at once, as an mlp does.
    """
    with open_for_gradients(network):
        outputs, answer = fired(network, leaf(inputs[:1]))
        size = (inputs.shape[2], inputs.shape[3])
        small = None
        for each in reversed(outputs):
            if each.output.dim() == 3:
                return small or _of_tokens(outputs, answer, size)
            found = None if isinstance(each.layer, POOLING) else _of_map(each, size)
            if found is not None and min(found.size) >= LEAST:
                return found
            small = small or found
        return small


def map_layer(network: nn.Module, inputs: Tensor) -> str | None:
    """The name of ``find_map``'s layer."""
    found = find_map(network, inputs)
    return None if found is None else found.name


def _of_map(each: Fired, size: tuple[int, int]) -> MapLayer | None:
    """The layer, if its output is a map of the picture; channels may stand first or last."""
    if each.output.dim() != 4:
        return None
    shape = each.output.shape
    if _alike((shape[2], shape[3]), size):
        return MapLayer(each.name, (shape[2], shape[3]))
    if _alike((shape[1], shape[2]), size):
        return MapLayer(each.name, (shape[1], shape[2]), _channels_first)
    return None


def _alike(cells: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether more than one cell, and so many, as a picture of ``size`` has at one stride, give or take one."""
    stride = max(size) / max(cells)
    return 1 < cells[0] * cells[1] <= size[0] * size[1] and all(
        abs(cell - side / stride) <= 1 for cell, side in zip(cells, size, strict=True)
    )


def _channels_first(output: Tensor) -> Tensor:
    return output.permute(0, 3, 1, 2)


def _of_tokens(outputs: list[Fired], answer: Tensor, size: tuple[int, int]) -> MapLayer | None:
    """The last layer whose tokens of places ``[1, T, C]`` have a gradient: a class token's last copy has none."""
    last = next(each.output.shape for each in reversed(outputs) if each.output.dim() == 3)
    maps = [_of_map(each, size) for each in outputs if isinstance(each.layer, nn.Conv2d)]
    grid = next((found.size for found in reversed(maps) if found is not None and found.to_map is None), None)
    extra = -1 if grid is None else last[1] - grid[0] * grid[1]
    if grid is None or not 0 <= extra <= MOST_EXTRA:
        return None
    same = [each for each in outputs if each.output.shape == last]
    slopes = torch.autograd.grad(answer.flatten(1).amax(1).sum(), [each.output for each in same], allow_unused=True)
    to_map = partial(_tokens_as_map, extra=extra, size=grid)
    for each, slope in zip(reversed(same), reversed(slopes), strict=True):
        if slope is not None and bool(slope[:, extra:].any()):
            return MapLayer(each.name, grid, to_map, of_tokens=True)
    return MapLayer(same[-1].name, grid, to_map, of_tokens=True)  # of a head of zeros


def _tokens_as_map(output: Tensor, extra: int, size: tuple[int, int]) -> Tensor:
    cells: Tensor = output[:, extra:].unflatten(1, size)
    return cells.permute(0, 3, 1, 2)
