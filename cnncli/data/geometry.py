"""Where the pixels of a batch go: mirror images, shifts, rotations; and how pictures lie in memory.

All take uint8 ``[B, C, H, W]`` with draws for its ``B`` samples, give uint8, keep channels innermost where they are,
and never change the pictures given. Distributions and arithmetic are torchvision's; what is drawn is drawn for each
sample.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.data.draws import Draws
from cnncli.data.transfer import sent

Transform = Callable[[Tensor, Draws], Tensor]
"""uint8 ``[B, C, H, W]`` and draws for its samples → uint8 ``[B, C, h, w]``."""


def innermost(images: Tensor) -> bool:
    """Whether the channels of pictures ``[B, C, H, W]`` lie next to each other in memory."""
    return images.stride(1) == 1 and images.shape[1] > 1


def layout(images: Tensor) -> torch.memory_format:
    """The memory format that pictures ``[B, C, H, W]`` have, cut out or not."""
    return torch.channels_last if innermost(images) else torch.contiguous_format


def stored(images: Tensor) -> Tensor:
    """The view of pictures whose dimensions are in the order of memory: ``[B, H, W, C]`` or ``[B, C, H, W]``."""
    return images.permute(0, 2, 3, 1) if innermost(images) else images


def empty(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Room for as many pictures of ``size`` in the same layout."""
    batch, channels = images.shape[:2]
    if innermost(images):
        return images.new_empty((batch, *size, channels)).permute(0, 3, 1, 2)
    return images.new_empty((batch, channels, *size))


def copied(images: Tensor) -> Tensor:
    """A copy in the same layout, without gaps."""
    return empty(images, (images.shape[2], images.shape[3])).copy_(images)


def each(values: Tensor, images: Tensor) -> Tensor:
    """One value for each sample, ``[B]``, on the pictures' device and ready to broadcast over them."""
    return sent(values, images.device).view(-1, 1, 1, 1)


def mirrored(images: Tensor, draws: Draws, p: float, dim: int) -> Tensor:
    """Mirrored along ``dim`` with probability ``p``."""
    return _flipped(images, draws.chance(p), dim)


def alternately_mirrored(images: Tensor, draws: Draws) -> Tensor:
    """Mirrored left and right in every other epoch; which half begins is random, but stays (Jordan 2024)."""
    return _flipped(images, (draws.lasting_bit() + draws.epoch) % 2 == 1, -1)


def _flipped(images: Tensor, chosen: Tensor, dim: int) -> Tensor:
    """Flipped where ``chosen``, bool ``[B]``."""
    if images.device.type != "cpu":
        return torch.where(each(chosen, images), images.flip(dim), images)
    result = copied(images)
    for number in chosen.nonzero().flatten().tolist():  # one at a time stays in the processor's cache
        result[number] = images[number].flip(dim)
    return result


def shifted(images: Tensor, draws: Draws, size: tuple[int, int], padding: int, mode: str) -> Tensor:
    """Padded on every side, then cut to ``size`` at a random place."""
    whole = padded(images, padding, mode)
    rooms = [whole.shape[-2] - size[0], whole.shape[-1] - size[1]]
    if min(rooms) < 0:
        raise ValueError(f"{size[0]}×{size[1]} cannot be cut out of {whole.shape[-2]}×{whole.shape[-1]} pixels")
    top, left = (draws.integers(room + 1) for room in rooms)
    return windows(whole, top, left, size)


def padded(images: Tensor, padding: int, mode: str) -> Tensor:
    """``padding`` more pixels on each side: black ('constant') or as numpy's 'edge', 'reflect' and 'symmetric'."""
    if padding == 0:
        return images
    height, width = images.shape[2:]
    whole = empty(images, (height + 2 * padding, width + 2 * padding)).zero_()
    whole[..., padding:-padding, padding:-padding] = images
    if mode != "constant":
        first = padding + (mode == "reflect")
        for lines in (whole[..., padding:-padding, :].mT, whole):  # the columns first, then whole rows
            _fill_border(lines, padding, first, 1 if mode == "edge" else padding)
    return whole


def _fill_border(lines: Tensor, padding: int, first: int, count: int) -> None:
    """Fill the outer ``padding`` lines, dimension -2, with ``count`` inner ones from number ``first`` on, mirrored."""
    end = lines.shape[-2] - first
    if first + count > lines.shape[-2] - padding:
        raise ValueError(f"{padding} pixels of padding need larger pictures")
    lines[..., :padding, :] = lines[..., first : first + count, :].flip(-2)
    lines[..., -padding:, :] = lines[..., end - count : end, :].flip(-2)


def windows(images: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """The window ``size`` of each picture whose corner is at (``top``, ``left``), int64 ``[B]`` each."""
    if images.device.type != "cpu":
        numbers, top, left = (sent(t, images.device) for t in (torch.arange(len(images)), top, left))
        found: Tensor = images.unfold(2, size[0], 1).unfold(3, size[1], 1)[numbers, :, top, left]
        return found.contiguous(memory_format=layout(images))
    pixels = stored(images).numpy()  # numpy copies small windows many times faster than torch
    rows = 1 if innermost(images) else 2
    every = np.lib.stride_tricks.sliding_window_view(pixels, size, (rows, rows + 1))
    every = every.transpose(0, 1, 2, 4, 5, 3) if innermost(images) else every.transpose(0, 2, 3, 1, 4, 5)
    cut = torch.from_numpy(every[np.arange(len(pixels)), top.numpy(), left.numpy()])
    return cut.permute(0, 3, 1, 2) if innermost(images) else cut


def rotated(images: Tensor, draws: Draws, degrees: float, fill: float) -> Tensor:
    """Rotated about the middle by up to ±degrees."""
    still = torch.zeros(len(images), dtype=torch.float64)
    return warped(images, -draws.uniform(-degrees, degrees), (still, still), still + 1, still, fill)


def moved(
    images: Tensor,
    draws: Draws,
    degrees: float,
    translate: float,
    scale: tuple[float, float],
    shear: float,
    fill: float,
) -> Tensor:
    """Sheared along the rows, scaled, rotated about the middle and shifted by whole pixels, in this order."""
    angle = draws.uniform(-degrees, degrees)
    across, down = (draws.uniform(-translate * n, translate * n).round() for n in images.shape[:1:-1])
    return warped(images, angle, (across, down), draws.uniform(*scale), draws.uniform(-shear, shear), fill)


def warped(
    images: Tensor, angle: Tensor, shift: tuple[Tensor, Tensor], scale: Tensor, shear: Tensor, fill: float
) -> Tensor:
    """Bilinear, ``fill`` where there was no picture; angles in degrees, float64 ``[B]`` all.

    A border pixel that is half ``fill`` is weighted by its half twice: so does torchvision.
    """
    batch, channels, height, width = images.shape
    grid = torch.stack(_origins(angle, shift, scale, shear, height, width, images.device), -1)
    floats = torch.empty((batch, channels + 1, height, width), device=images.device)
    floats[:, :channels], floats[:, channels:] = images, 1  # the last tells where there is picture
    sampled = F.grid_sample(floats, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    colours, there = sampled[:, :channels], sampled[:, channels:]
    return colours.sub_(fill).mul_(there).add_(fill).round_().to(torch.uint8, memory_format=layout(images))


def _origins(
    angle: Tensor,
    shift: tuple[Tensor, Tensor],
    scale: Tensor,
    shear: Tensor,
    height: int,
    width: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Where each pixel came from, x and y float32 ``[B, H, W]``, with the middle at 0 and the borders at ±1."""
    turn, lean = angle.deg2rad(), shear.deg2rad().tan()
    cos, sin = turn.cos(), turn.sin()
    # the inverse of rotation times shear, whose determinant is 1
    inverse = ((cos - sin * lean, cos * lean + sin), (-sin, cos))
    x = torch.linspace((1 - width) / 2, (width - 1) / 2, width, device=device)
    y = torch.linspace((1 - height) / 2, (height - 1) / 2, height, device=device)[:, None]
    found = []
    for (along_x, along_y), length in zip(inverse, (width, height), strict=True):
        along_x, along_y = along_x / scale * 2 / length, along_y / scale * 2 / length
        offset = -along_x * shift[0] - along_y * shift[1]
        by_x, by_y, by = (sent(v.float(), device).view(-1, 1, 1) for v in (along_x, along_y, offset))
        found.append(by_x * x + by_y * y + by)
    return found[0], found[1]
