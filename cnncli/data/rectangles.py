"""Rectangles of random area and shape, drawn for each sample: cut out and scaled, or erased."""

import math
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.data.draws import Draws
from cnncli.data.geometry import copied, empty
from cnncli.data.transfer import sent

TRIES = 10  # rectangles that are tried until one fits into the picture


def erased(images: Tensor, draws: Draws, p: float, scale: tuple[float, float], value: int) -> Tensor:
    """A rectangle of part ``scale`` of the area overwritten with probability ``p`` (Zhong et al. 2017)."""
    height, width = images.shape[2:]
    tall, wide = _sides(draws, height * width, scale, (0.3, 3.3))
    rows, columns, found = _first(tall, wide, (tall < height) & (wide < width))
    top = draws.integers(height - rows.clamp(max=height) + 1)
    left = draws.integers(width - columns.clamp(max=width) + 1)
    chosen = found & draws.chance(p)
    result = copied(images)
    if images.device.type == "cpu":
        pixels = result.numpy()
        boxes = torch.stack((top, top + rows, left, left + columns), 1)[chosen].tolist()
        for number, (y, below, x, right) in zip(chosen.nonzero().flatten().tolist(), boxes, strict=True):
            pixels[number, :, y:below, x:right] = value
        return result
    down, across = _stretch(top, rows * chosen, height, images), _stretch(left, columns, width, images)
    return result.masked_fill_(down[:, None, :, None] & across[:, None, None, :], value)


def _stretch(start: Tensor, length: Tensor, whole: int, images: Tensor) -> Tensor:
    """Which of ``whole`` lines lie in the stretch of each sample, bool ``[B, whole]`` on the pictures' device."""
    line = torch.arange(whole)
    return sent((line >= start[:, None]) & (line < (start + length)[:, None]), images.device)


def resized_crops(
    images: Tensor, draws: Draws, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> Tensor:
    """A rectangle of part ``scale`` of the area, width over height within ``ratio``, scaled to ``size``."""
    height, width = images.shape[2:]
    wide, tall = _sides(draws, height * width, scale, ratio)
    columns, rows, found = _first(wide, tall, (wide > 0) & (wide <= width) & (tall > 0) & (tall <= height))
    # where none fits: the middle of the picture, as much of it as the ratio allows
    whole_columns = min(width, round(height * ratio[1]))
    whole_rows = min(height, round(width / ratio[0]))
    rows, columns = rows.where(found, torch.tensor(whole_rows)), columns.where(found, torch.tensor(whole_columns))
    top = draws.integers(height - rows + 1).where(found, (height - rows) // 2)
    left = draws.integers(width - columns + 1).where(found, (width - columns) // 2)
    boxes = torch.stack((top, left, rows, columns), 1)
    return _resized(images, boxes, size) if images.device.type == "cpu" else _weighted(images, boxes, size)


def _sides(draws: Draws, area: int, scale: tuple[float, float], ratio: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Two sides of ``TRIES`` rectangles for each sample, int64 ``[TRIES, B]``, and their ratio within ``ratio``."""
    areas = torch.stack([draws.uniform(scale[0] * area, scale[1] * area) for _ in range(TRIES)])
    shapes = torch.stack([draws.uniform(math.log(ratio[0]), math.log(ratio[1])) for _ in range(TRIES)]).exp()
    return (areas * shapes).sqrt().round().long(), (areas / shapes).sqrt().round().long()


def _first(one: Tensor, two: Tensor, fits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The sides of the first rectangle that fits, ``[B]`` each, and whether there is one."""
    first = fits.int().argmax(0, keepdim=True)
    return one.gather(0, first)[0], two.gather(0, first)[0], fits.any(0)


def _resized(images: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes ``[B, 4]`` of top, left, height and width scaled to ``size``; uint8 on the CPU.

    torch scales one picture at a time, fastest with its channels innermost, and lets other threads run meanwhile.
    """
    result = empty(images, size)
    source, target = images.permute(0, 2, 3, 1).numpy(), result.permute(0, 2, 3, 1).numpy()
    corners, channels = boxes.tolist(), images.shape[1]

    def resize(numbers: range) -> None:
        for number in numbers:
            top, left, rows, columns = corners[number]
            pixels = torch.from_numpy(source[number, top : top + rows, left : left + columns].copy())
            # of a single picture torch believes that channels are innermost only with these strides
            strides = (pixels.numel(), 1, columns * channels, channels)
            picture = pixels.as_strided((1, channels, rows, columns), strides)
            scaled = F.interpolate(picture, size, mode="bilinear", antialias=True)
            target[number] = scaled[0].permute(1, 2, 0).numpy()

    threads = min(torch.get_num_threads(), len(images))
    if threads == 1:
        resize(range(len(images)))
    else:
        # threads for this call only: those of a lasting pool would be missing in a forked process
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(resize, [range(first, len(images), threads) for first in range(threads)]))
    return result


def _weighted(images: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The same for all pictures at once, as two products with matrices of weights: for devices that like those."""
    boxes = sent(boxes, images.device)
    down = _weights(boxes[:, 0], boxes[:, 2], size[0], images.shape[2])
    across = _weights(boxes[:, 1], boxes[:, 3], size[1], images.shape[3])
    scaled = down[:, None] @ images.float() @ across[:, None].mT
    result = empty(images, size)
    return result.copy_(scaled.round_().clamp_(0, 255))


def _weights(start: Tensor, length: Tensor, size: int, whole: int) -> Tensor:
    """What each of ``whole`` pixels gives to each of ``size`` that a stretch is scaled to, ``[B, size, whole]``.

    Triangles as wide as two pixels of the coarser of both grids: bilinear with antialiasing.
    """
    start, length = start[:, None, None], length[:, None, None]
    scale = length / size
    middle = start + (torch.arange(size, device=start.device)[:, None] + 0.5) * scale
    pixel = torch.arange(whole, device=start.device)
    weights = (1 - (pixel + 0.5 - middle).abs() / scale.clamp_min(1)).clamp_min(0)
    weights = weights * ((pixel >= start) & (pixel < start + length))
    return weights / weights.sum(2, keepdim=True)
