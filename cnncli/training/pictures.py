"""A picture of what the network sees."""

from itertools import compress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnncli.core.results import MistakesBlock, SplitReport
from cnncli.core.spec import PICTURES, Pictures, Split
from cnncli.core.targets import Shares
from cnncli.data.bundle import DataBundle
from cnncli.data.loaders import Targets
from cnncli.runs.sample_picture import Pixels, sample_sheet
from cnncli.training.loading import loader_of

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 9  # samples in a run's picture of them


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


def are_pictures(data: DataBundle) -> bool:
    """Whether samples can be looked at."""
    return data.spec.kind is PICTURES


def mistaken_pictures(data: DataBundle, report: SplitReport) -> dict[int, Pixels]:
    """The pictures that a report names as mistakes, by their numbers in its split; none where data are not pictures."""
    if not are_pictures(data):
        return {}
    source = data.sources[report.split]
    found = [one.sample for block in report.blocks if isinstance(block, MistakesBlock) for one in block.mistakes]
    return {sample: pixels(source[sample]) for sample in found}


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
    """Samples, uint8 ``[C, H, W]`` each, in a grid with their labels above them."""
    return sample_sheet([pixels(image) for image in images], labels)


def pixels(image: Tensor) -> Pixels:
    """A sample, uint8 ``[C, H, W]``, as three colours ``[H, W, 3]``: its first three channels, or its first one."""
    coloured = image[:3] if len(image) > 2 else image[:1].expand(3, -1, -1)
    return coloured.permute(1, 2, 0).numpy()
