"""A picture of what the network sees."""

import math
from itertools import compress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnncli.core.spec import Pictures, Split
from cnncli.core.targets import Shares
from cnncli.data.bundle import DataBundle
from cnncli.data.loaders import Targets
from cnncli.training.loading import loader_of

if TYPE_CHECKING:
    from PIL.Image import Image

GRID, TILE, CAPTION = 3, 96, 14  # tiles a side, pixels of the smallest tile, pixels of its caption


def training_samples(
    data: DataBundle, device: torch.device, seed: int, count: int, split: Split = "train", shuffled: bool = True
) -> "Image":
    """The first ``count`` samples of an epoch from the very tensors that the network sees, un-normalised.

    ``shuffled`` and augmented as in training's first epoch, else as in evaluation. Raises ``ConfigError`` for data
    that are not pictures.
    """
    data.spec.require(Pictures, f"{data.config.name}: a picture of samples")
    loader = loader_of(data, split, device, training=shuffled, seed=seed, embedded=False)
    assert loader.normalizer is not None
    images: list[Tensor] = []
    labels: list[str] = []
    for inputs, targets in loader.epoch(0):
        images += loader.normalizer.undo(inputs).cpu().unbind()
        labels += _labels(targets, data.spec.classes)
        if len(images) >= count:
            break
    return sample_grid(images[:count], labels[:count])


def _labels(targets: Targets, classes: tuple[str, ...]) -> list[str]:
    """The class of each sample, the shares of two that were mixed, or its numbers where there are no classes."""
    values = targets.values if isinstance(targets, Shares) else targets
    if not values.is_floating_point():
        return [classes[number] for number in values.tolist()]
    if not classes:
        return [", ".join(f"{number:.4g}" for number in row) for row in values.tolist()]
    return [_shares(row, classes) for row in values]


def _shares(values: Tensor, classes: tuple[str, ...]) -> str:
    """The classes that a sample has whole (perhaps none), else the two largest shares."""
    if (values > 0.995).any() or not values.any():
        return "|".join(compress(classes, (values > 0.995).tolist())) or "(none)"
    shares, order = values.sort(descending=True)
    named = [
        f"{100 * share:.0f} % {classes[i]}" for share, i in zip(shares[:2].tolist(), order[:2].tolist(), strict=True)
    ]
    return " ".join(named)


def sample_grid(images: list[Tensor], labels: list[str]) -> "Image":
    """Samples, uint8 ``[C, H, W]`` each, in a square grid with their labels above them."""
    from PIL import Image, ImageDraw

    side = max(GRID, math.isqrt(len(images) - 1) + 1)
    tile = max(TILE, *(max(image.shape[-2:]) for image in images)) + 4
    canvas = Image.new("RGB", (side * tile, -(-len(images) // side) * (tile + CAPTION)), "white")
    draw = ImageDraw.Draw(canvas)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(number, side)
        left, top = column * tile, row * (tile + CAPTION)
        pixels = (image[:3] if len(image) > 2 else image[:1]).expand(3, -1, -1).permute(1, 2, 0).numpy()
        height, width = image.shape[-2:]
        factor = max((tile - 4) // max(height, width), 1)
        shown = Image.fromarray(pixels).resize((width * factor, height * factor), Image.Resampling.NEAREST)
        canvas.paste(shown, (left + 2, top + CAPTION))
        draw.text((left + 4, top + 1), label.encode("latin-1", "replace").decode("latin-1")[: tile // 6], fill="black")
    return canvas
