"""The kernels of the first layer, and what every layer makes of a picture."""

from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from cnncli.core.errors import ConfigError
from cnncli.insight.convolve import learned
from cnncli.insight.maps import Fired, fired, leaf, open_for_gradients
from cnncli.runs.sample_picture import Pixels, sample_sheet

if TYPE_CHECKING:
    from PIL.Image import Image

    from cnncli.inference.predictor import Predictor

MOST_LAYERS, MOST_MAPS, MOST_KERNELS = 10, 8, 64  # that one picture shows
SIDE = 144  # pixels of a map's or kernel's longer side, at least


def layers_sheet(predictor: "Predictor", inputs: Tensor) -> "Image":
    """A row for each layer: its maps of the first of the pictures ``[N, C, H, W]`` with the largest values.

    Black is a map's lowest value, white its highest. Of many layers some are shown, the first and the last among them.
    Raises what ``maps_of`` raises.
    """
    maps = maps_of(predictor, inputs)
    chosen = sorted({round(i * (len(maps) - 1) / (MOST_LAYERS - 1)) for i in range(MOST_LAYERS)})
    tiles, labels = list[Pixels](), list[str]()
    for each in [maps[number] for number in chosen]:
        output = each.output[0].detach().float().cpu()
        strongest = output.abs().mean((1, 2)).topk(min(MOST_MAPS, len(output))).indices.sort().values.tolist()
        tiles += [_stretched(output[number]) for number in strongest]
        labels += [f"{each.name} {type(each.layer).__name__}", *map(str, strongest[1:])]
        missing = MOST_MAPS - len(strongest)
        tiles += [np.full_like(tiles[-1], 255)] * missing
        labels += [""] * missing
    return sample_sheet(tiles, labels, columns=MOST_MAPS)


def maps_of(predictor: "Predictor", inputs: Tensor) -> list[Fired]:
    """What each layer with a map gives for the first picture; raises ``ConfigError`` where none has one."""
    network = predictor.network
    with open_for_gradients(network):
        found, _ = fired(network, leaf(inputs[:1]))
    maps = [
        each
        for each in found
        if each.output.dim() == 4 and each.output[0, 0].numel() > 1 and not any(each.layer.children())
    ]
    if not maps:
        raise ConfigError(f"{predictor.path}: no layer of {predictor.config.model.name} has maps; leave out --layers")
    return maps


def kernels_sheet(predictor: "Predictor") -> "Image":
    """The kernels of the first convolution: in colour where they have three channels; middle grey is 0."""
    kernels = first_kernels(predictor)[:MOST_KERNELS]
    if kernels.shape[1] != 3:
        kernels = kernels.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    tops = kernels.abs().amax((1, 2, 3), keepdim=True)
    levels = (kernels / tops.where(tops > 0, 1) + 1) * 127.5
    tiles = [_enlarged(each) for each in levels]
    return sample_sheet(tiles, [f"kernel {number}" for number in range(len(tiles))])


def first_kernels(predictor: "Predictor") -> Tensor:
    """The kernels ``[K, C, h, w]`` of the first convolution; raises ``ConfigError`` where there is none."""
    return learned(predictor, "leave out --layers").float()


def _stretched(values: Tensor) -> Pixels:
    """A map ``[h, w]`` from black to white."""
    low, high = values.min(), values.max()
    levels = (values - low) * (255 / (high - low) if high > low else 0.0)
    return _enlarged(levels.expand(3, -1, -1))


def _enlarged(levels: Tensor) -> Pixels:
    """Levels 0 to 255 ``[3, h, w]`` as pixels with a longer side of ``SIDE`` or a little more or less."""
    height, width = levels.shape[1:]
    factor = SIDE / max(height, width)
    size = (max(round(height * factor), 1), max(round(width * factor), 1))
    large = F.interpolate(levels[None], size, mode="nearest")[0]
    pixels: Pixels = large.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return pixels
