"""What colours the pixels of a batch get: brightness, contrast, saturation, hue and grey, drawn for each sample.

The formulas are torchvision's for uint8, its rounding included, but work on planes: float32 ``[B, C, H, W]``,
contiguous, of whole levels 0…255.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cnncli.core.devices import WITHOUT_FLOAT64
from cnncli.data.draws import Draws
from cnncli.data.geometry import each, layout
from cnncli.data.transfer import sent

Adjust = Callable[[Tensor, Tensor], Tensor]
"""Planes and a factor for each sample, ``[B, 1, 1, 1]`` → planes."""


def planes(images: Tensor) -> Tensor:
    """uint8 ``[B, C, H, W]`` as float32; raises ``ValueError`` unless they are grey or of three colours."""
    if images.shape[1] not in (1, 3):
        raise ValueError(f"pictures of {images.shape[1]} channels have no known colours")
    return images.to(torch.float32, memory_format=torch.contiguous_format)


def jittered(images: Tensor, draws: Draws, ranges: Sequence[tuple[Adjust, float, float]]) -> Tensor:
    """Each adjustment once, by a factor between its two bounds, in an order drawn for each sample."""
    values = planes(images)
    if not ranges:
        return images
    factors = [each(draws.uniform(low, high).float(), images) for _, low, high in ranges]
    order = torch.stack([draws.uniform() for _ in ranges]).argsort(0)
    for turn in order:
        for number, (adjust, _, _) in enumerate(ranges):
            chosen = sent((turn == number).nonzero().flatten(), images.device)
            if len(chosen) > 0:
                values[chosen] = adjust(values[chosen], factors[number][chosen])
    return values.to(torch.uint8, memory_format=layout(images))


def greyed(images: Tensor, draws: Draws, p: float) -> Tensor:
    """Without colour with probability ``p``."""
    grey = _grey(planes(images)).to(torch.uint8)
    return torch.where(each(draws.chance(p), images), grey, images)


def brightness(values: Tensor, factor: Tensor) -> Tensor:
    """All levels times ``factor``."""
    return (values * factor).clamp_(0, 255).floor_()


def contrast(values: Tensor, factor: Tensor) -> Tensor:
    """The distance from the mean grey of the picture times ``factor``."""
    grey = _grey(values)
    # whole numbers add up exactly in float64, in whatever order
    mean = grey.sum((1, 2, 3), keepdim=True, dtype=_wide(values)) / grey[0].numel()
    return _blended(values, mean.float(), factor)


def saturation(values: Tensor, factor: Tensor) -> Tensor:
    """The distance from grey times ``factor``."""
    return values if values.shape[1] == 1 else _blended(values, _grey(values), factor)


def hue(values: Tensor, factor: Tensor) -> Tensor:
    """The colour circle turned by ``factor`` of a whole turn (HSV to RGB by Smith 1978)."""
    if values.shape[1] == 1:
        return values
    red, green, blue = (values / 255).unbind(1)
    low, high = (values / 255).aminmax(dim=1)
    spread = high - low
    divisor = torch.where(spread == 0, 1, spread)
    turn = torch.where(high == green, (blue - red) / divisor + 2, (red - green) / divisor + 4)
    turn = torch.where(high == red, (green - blue) / divisor, turn) + 6 * factor[:, 0]
    found = []
    for corner in (5, 3, 1):
        distance = (turn + corner) % 6
        found.append(high - spread * torch.minimum(distance, 4 - distance).clamp_(0, 1))
    return torch.stack(found, 1).mul_(255.999).floor_().clamp_(0, 255)


def _grey(values: Tensor) -> Tensor:
    """The luma of ITU-R BT.601 in whole levels, ``[B, 1, H, W]``."""
    if values.shape[1] == 1:
        return values
    red, green, blue = (values[:, i : i + 1] for i in range(3))
    return red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()


def _blended(values: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """``factor · values + (1 - factor) · other``, as if a fused multiply-add rounded the sum once."""
    # the level below is one rounding error away wherever both are equal: float64 makes the same error as torchvision
    wide = _wide(values)
    mixed = (values * factor).to(wide).add_(other.to(wide) * (1 - factor.to(wide)).float())
    return mixed.float().clamp_(0, 255).floor_()


def _wide(values: Tensor) -> torch.dtype:
    """Float64 but on Apple's GPUs, which have none."""
    return torch.float32 if values.device.type in WITHOUT_FLOAT64 else torch.float64
