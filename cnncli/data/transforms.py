"""Random transforms of training pictures by name.

Each is handed the size that the network sees and gives a function of uint8 pictures ``[B, C, H, W]`` and the draws
for them; what it gives is of that size or, before the centre is cut out, larger. Most work on the whole batch where
it lies (``geometry``, ``colour``), some picture by picture (``one_by_one``). ``mixup`` and ``cutmix`` mix batches.
"""

from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cnncli.core.numbers import Count, Positive, Probability
from cnncli.core.plugins import refusals
from cnncli.core.registry import transforms
from cnncli.data import colour, geometry, rectangles
from cnncli.data.draws import Draws
from cnncli.data.geometry import Transform
from cnncli.data.one_by_one import OneByOne

NotNegative = Annotated[float, Field(ge=0)]
Level = Annotated[float, Field(ge=0, le=255)]


def center(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle ``[…, *size]`` of pictures ``[…, H, W]`` that are at least as large."""
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape[-2:], size, strict=True))
    return images[..., top : top + size[0], left : left + size[1]]


class Built:
    """A transform of the registry, which a process that is not forked builds again, whatever it is made of."""

    def __init__(self, name: str, size: tuple[int, int], args: dict[str, Any]) -> None:
        self.name, self.size, self.args = name, size, args
        self.transform: Transform = transforms.build(name, size, **args)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Built, (self.name, self.size, self.args)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """uint8 ``[B, C, H, W]``, transformed."""
        return self.transform(images, draws)


class Augment:
    """A chain of named transforms, each with draws of its own, then the centre of ``size``."""

    def __init__(self, chain: list[tuple[str, Transform]], size: tuple[int, int], seed: int) -> None:
        self.chain, self.size, self.seed = chain, size, seed

    def check(self, shape: tuple[int, ...]) -> None:
        """Try the chain on a black picture: some values are refused only then. Raises ``ConfigError``."""
        images = torch.zeros((1, *shape), dtype=torch.uint8)
        draws = self.draws(0, *(torch.zeros(1, dtype=torch.int64) for _ in range(2)))
        for name, transform in self.chain:
            with refusals(f"augment: {name}"):
                images = transform(images, draws)

    def draws(self, epoch: int, indices: Tensor, positions: Tensor) -> Draws:
        """The draws for the samples ``indices`` at these ``positions`` of the epoch, int64 ``[B]`` both."""
        return Draws(self.seed, epoch, indices, positions)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """uint8 ``[B, C, H, W]``, as stored, to uint8 ``[B, C, *size]``, on the same device."""
        for _, transform in self.chain:
            images = transform(images, draws)
        return center(images, self.size)


@transforms.register("random_crop")
def random_crop(
    size: tuple[int, int],
    /,
    padding: Annotated[int, Field(ge=0)] = 4,
    padding_mode: Literal["constant", "edge", "reflect", "symmetric"] = "constant",
) -> Transform:
    """Pad on every side, then cut the network's size out at random: a random shift."""
    return partial(geometry.shifted, size=size, padding=padding, mode=padding_mode)


@transforms.register("random_resized_crop")
def random_resized_crop(
    size: tuple[int, int],
    /,
    scale: tuple[Positive, Positive] = (0.08, 1.0),
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3),
) -> Transform:
    """Cut out a part of random area and shape and scale it to the network's size."""
    _must_grow(scale=scale, ratio=ratio)
    return partial(rectangles.resized_crops, size=size, scale=scale, ratio=ratio)


@transforms.register("random_horizontal_flip")
def random_horizontal_flip(size: tuple[int, int], /, p: Probability = 0.5) -> Transform:
    """Mirror left and right with probability p."""
    return partial(geometry.mirrored, p=p, dim=-1)


@transforms.register("alternating_flip")
def alternating_flip(size: tuple[int, int], /) -> Transform:
    """Mirror left and right in every other epoch; a random half of the pictures begins (airbench, Jordan 2024)."""
    return geometry.alternately_mirrored


@transforms.register("random_vertical_flip")
def random_vertical_flip(size: tuple[int, int], /, p: Probability = 0.5) -> Transform:
    """Mirror top and bottom with probability p."""
    return partial(geometry.mirrored, p=p, dim=-2)


@transforms.register("random_rotation")
def random_rotation(size: tuple[int, int], /, degrees: NotNegative = 10.0, fill: Level = 0.0) -> Transform:
    """Rotate by up to ±degrees."""
    return partial(geometry.rotated, degrees=degrees, fill=fill)


@transforms.register("random_affine")
def random_affine(
    size: tuple[int, int],
    /,
    degrees: NotNegative = 10.0,
    translate: Probability = 0.1,
    scale: tuple[Positive, Positive] = (0.9, 1.1),
    shear: NotNegative = 0.0,
    fill: Level = 0.0,
) -> Transform:
    """Rotate (±degrees), shift (part of the size), scale and shear (±degrees) at once."""
    _must_grow(scale=scale)
    return partial(geometry.moved, degrees=degrees, translate=translate, scale=scale, shear=shear, fill=fill)


@transforms.register("random_perspective", traits={"one_by_one"})
def random_perspective(size: tuple[int, int], /, distortion: float = 0.3, p: Probability = 0.5) -> Transform:
    """Tilt the picture plane with probability p."""
    from torchvision.transforms import v2

    return OneByOne(v2.RandomPerspective(distortion, p))


@transforms.register("color_jitter")
def color_jitter(
    size: tuple[int, int],
    /,
    brightness: NotNegative = 0.2,
    contrast: NotNegative = 0.2,
    saturation: NotNegative = 0.2,
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0,
) -> Transform:
    """Change brightness, contrast, saturation and hue by up to these parts."""
    parts = ((colour.brightness, brightness), (colour.contrast, contrast), (colour.saturation, saturation))
    ranges = [(adjust, max(1 - part, 0.0), 1 + part) for adjust, part in parts if part > 0]
    if hue > 0:
        ranges.append((colour.hue, -hue, hue))
    return partial(colour.jittered, ranges=ranges)


@transforms.register("random_grayscale")
def random_grayscale(size: tuple[int, int], /, p: Probability = 0.1) -> Transform:
    """Take the colour out with probability p."""
    return partial(colour.greyed, p=p)


@transforms.register("gaussian_blur", traits={"one_by_one"})
def gaussian_blur(size: tuple[int, int], /, kernel_size: int = 3, sigma: tuple[float, float] = (0.1, 2.0)) -> Transform:
    """Blur with a random width."""
    from torchvision.transforms import v2

    return OneByOne(v2.GaussianBlur(kernel_size, sigma))


@transforms.register("random_erasing")
def random_erasing(
    size: tuple[int, int],
    /,
    p: Probability = 0.5,
    scale: tuple[Probability, Probability] = (0.02, 0.33),
    value: Annotated[int, Field(ge=0, le=255)] = 0,
) -> Transform:
    """Overwrite a rectangle of random place and area with probability p (Zhong et al. 2017)."""
    _must_grow(scale=scale)
    return partial(rectangles.erased, p=p, scale=scale, value=value)


@transforms.register("auto_augment", traits={"one_by_one"})
def auto_augment(size: tuple[int, int], /, policy: Literal["imagenet", "cifar10", "svhn"] = "cifar10") -> Transform:
    """AutoAugment's learned policies: imagenet, cifar10 or svhn (Cubuk et al. 2018)."""
    from torchvision.transforms import AutoAugmentPolicy, v2

    return OneByOne(v2.AutoAugment(AutoAugmentPolicy(policy)))


@transforms.register("rand_augment", traits={"one_by_one"})
def rand_augment(
    size: tuple[int, int], /, num_ops: Count = 2, magnitude: Annotated[int, Field(ge=0, le=30)] = 9
) -> Transform:
    """num_ops random operations of one magnitude (Cubuk et al. 2019)."""
    from torchvision.transforms import v2

    return OneByOne(v2.RandAugment(num_ops, magnitude))


@transforms.register("trivial_augment", traits={"one_by_one"})
def trivial_augment(size: tuple[int, int], /, num_magnitude_bins: Annotated[int, Field(ge=2)] = 31) -> Transform:
    """One random operation of random strength (Müller and Hutter 2021)."""
    from torchvision.transforms import v2

    return OneByOne(v2.TrivialAugmentWide(num_magnitude_bins))


def _must_grow(**ranges: tuple[float, float]) -> None:
    """Raise ``ValueError`` for a range whose second end lies below its first."""
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"{name}: {low:g} to {high:g} is no range, the smaller comes first")
