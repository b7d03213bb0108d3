"""Where the pixels of a batch go: shifts, mirror images, rotations, crops of other sizes, erased rectangles.

All take uint8 ``[B, C, H, W]`` with draws for its ``B`` samples, give uint8, keep channels innermost where they are,
and never change the pictures given. Distributions and arithmetic are torchvision's; what is drawn is drawn for each
sample.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cnncli.data.draws import Draws

Transform = Callable[[Tensor, Draws], Tensor]
"""uint8 ``[B, C, H, W]`` and draws for its samples → uint8 ``[B, C, h, w]``."""

TRIES = 10  # rectangles of random area and shape that are tried until one fits into the picture


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


def each(values: Tensor, images: Tensor) -> Tensor:
    """One value for each sample, ``[B]``, on the pictures' device and ready to broadcast over them."""
    return values.to(images.device, non_blocking=True).view(-1, 1, 1, 1)


def mirrored(images: Tensor, draws: Draws, p: float, dim: int) -> Tensor:
    """Mirrored along ``dim`` with probability ``p``."""
    return torch.where(each(draws.chance(p), images), images.flip(dim), images)


def alternately_mirrored(images: Tensor, draws: Draws) -> Tensor:
    """Mirrored left and right in every other epoch; which half begins is random, but stays (Jordan 2024)."""
    turn = (draws.lasting_bit() + draws.epoch) % 2 == 1
    return torch.where(each(turn, images), images.flip(-1), images)


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
        numbers, top, left = (t.to(images.device) for t in (torch.arange(len(images)), top, left))
        found: Tensor = images.unfold(2, size[0], 1).unfold(3, size[1], 1)[numbers, :, top, left]
        return found.contiguous(memory_format=layout(images))
    pixels = stored(images).numpy()  # numpy copies small windows many times faster than torch
    rows = 1 if innermost(images) else 2
    every = np.lib.stride_tricks.sliding_window_view(pixels, size, (rows, rows + 1))
    every = every.transpose(0, 1, 2, 4, 5, 3) if innermost(images) else every.transpose(0, 2, 3, 1, 4, 5)
    cut = torch.from_numpy(every[np.arange(len(pixels)), top.numpy(), left.numpy()])
    return cut.permute(0, 3, 1, 2) if innermost(images) else cut
