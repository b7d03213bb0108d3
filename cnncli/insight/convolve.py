"""A picture filtered with kernels, as the first layer of a convolutional network does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.core.errors import ConfigError
from cnncli.core.spec import Pictures
from cnncli.data.decode import open_image
from cnncli.insight.kernels import Rows

if TYPE_CHECKING:
    from cnncli.inference.predictor import Predictor


@dataclass(frozen=True, eq=False)
class Map:
    """A filtered picture, uint8 ``[H - h + 1, W - w + 1]``, what the kernel is called, and the values before."""

    name: str
    kernel: tuple[int, int]
    pixels: Tensor
    lowest: float
    highest: float


def grey(path: Path) -> Tensor:
    """A picture as grey levels 0 to 255, float64 ``[1, 1, H, W]``: ITU-R 601-2 luma, 0.299 R + 0.587 G + 0.114 B.

    Raises ``DataError`` when it cannot be decoded.
    """
    return torch.from_numpy(np.array(open_image(path).convert("L"), dtype=np.float64))[None, None]


def normalised(path: Path, predictor: "Predictor") -> Tensor:
    """A picture at its own size, ``(pixel / 255 - mean) / std`` as the network gets it: float64 ``[1, C, H, W]``.

    Raises ``ConfigError`` for networks of anything but pictures of 1 or 3 channels.
    """
    preprocess = predictor.spec.require(Pictures, f"{predictor.path}: filtering pictures", predictor.advice)
    channels = predictor.spec.input_shape[0]
    if channels not in (1, 3):
        raise ConfigError(f"{predictor.path}: its pictures have {channels} channels; convolve is for 1 or 3")
    pixels = np.array(open_image(path).convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    planes = torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels)).permute(2, 0, 1)[None]
    mean, std = (torch.tensor(each, dtype=torch.float64)[:, None, None] for each in (preprocess.mean, preprocess.std))
    return (planes / 255 - mean) / std


def learned(predictor: "Predictor", advice: str = "choose another run, or name a --kernel") -> Tensor:
    """The kernels of the first convolution of a network of pictures, float64 ``[K, C, height, width]``.

    Raises ``ConfigError`` where there is none.
    """
    for layer in predictor.network.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.weight.detach().double().cpu()
    raise ConfigError(f"{predictor.path}: the network has no convolution; {advice}")


def filtered(path: Path, kernels: Sequence[tuple[str, Rows]]) -> list[Map]:
    """The grey picture correlated with each kernel ``[h, w]`` where they overlap fully, cut to 0…255.

    The values are those of ``scipy.signal.correlate2d(mode="valid")``, rounded. Raises ``ConfigError`` for a kernel
    that is larger than the picture.
    """
    picture, found = grey(path), []
    for name, rows in kernels:
        kernel = torch.tensor(rows, dtype=torch.float64)
        values = _valid(picture, kernel[None, None], name)[0, 0]
        size = (kernel.shape[0], kernel.shape[1])
        found.append(Map(name, size, _bytes(values.clamp(0, 255)), *_ends(values)))
    return found


def stretched(picture: Tensor, kernels: Tensor, name: str) -> list[Map]:
    """A map for each of the kernels ``[K, C, h, w]``: its lowest value is black, its highest white.

    Raises ``ConfigError`` for kernels that are larger than the picture.
    """
    size = (kernels.shape[2], kernels.shape[3])
    digits = len(str(len(kernels) - 1))
    found = []
    for number, values in enumerate(_valid(picture, kernels, name)[0]):
        low, high = _ends(values)
        levels = (values - low) * (255 / (high - low) if high > low else 0.0)
        found.append(Map(f"{name}-{number:0{digits}}", size, _bytes(levels), low, high))
    return found


def _valid(picture: Tensor, kernels: Tensor, name: str) -> Tensor:
    height, width = picture.shape[2:]
    down, across = kernels.shape[2:]
    if down > height or across > width:
        cause = f"the kernel of {down}×{across} is larger than the picture of {height}×{width}"
        raise ConfigError(f"{name}: {cause}; choose a smaller kernel or a larger picture")
    if kernels.shape[1] != picture.shape[1]:
        raise ConfigError(f"{name}: its kernels have {kernels.shape[1]} channels, the picture {picture.shape[1]}")
    return F.conv2d(picture, kernels)


def _ends(values: Tensor) -> tuple[float, float]:
    return values.min().item(), values.max().item()


def _bytes(values: Tensor) -> Tensor:
    return values.round().to(torch.uint8)
