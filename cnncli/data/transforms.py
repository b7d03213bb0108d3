"""Random transforms of training pictures: torchvision's v2 transforms by name.

Each is handed the size that the network sees, takes uint8 ``[C, H, W]`` and gives the same, of that size or, before
the centre is cut out, a larger one. They draw from torch's global generator, which the loaders seed for every sample
from (seed, epoch, index); so a sample's picture depends on nothing else. ``mixup`` and ``cutmix`` work on batches.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cnncli.core.config import Count, Positive, Probability
from cnncli.core.plugins import refusals
from cnncli.core.registry import transforms
from cnncli.core.seeding import derive_seed

if TYPE_CHECKING:
    from torchvision.transforms import v2

BATCH_TRANSFORMS = ("mixup", "cutmix")


def center(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle ``[…, *size]`` of pictures ``[…, H, W]`` that are at least as large."""
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape[-2:], size, strict=True))
    return images[..., top : top + size[0], left : left + size[1]]


class Augment:
    """A chain of transforms with a random stream of its own for each sample and epoch, then the centre of ``size``."""

    def __init__(self, chain: list[Any], size: tuple[int, int], seed: int) -> None:
        self.chain, self.size, self.seed = chain, size, seed

    def check(self, shape: tuple[int, ...]) -> None:
        """Try the chain on a black picture: some values are refused only then. Raises ``ConfigError``."""
        for transform in self.chain:
            with refusals(f"augment: {type(transform).__name__}"):
                transform(torch.zeros(shape, dtype=torch.uint8))

    def __call__(self, image: Tensor, epoch: int, index: int) -> Tensor:
        torch.manual_seed(derive_seed(self.seed, "augment", epoch, index))
        for transform in self.chain:
            image = transform(image)
        return center(image, self.size)


class Mix:
    """Mixes the samples of a batch with each other: one of ``mixers``, drawn anew for every batch."""

    def __init__(self, mixers: list[Any], seed: int) -> None:
        self.mixers, self.seed = mixers, seed

    def __call__(self, inputs: Tensor, targets: Tensor, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
        """float32 ``[B, C, H, W]`` and int64 ``[B]`` as mixed inputs and the share of each class ``[B, K]``."""
        torch.manual_seed(derive_seed(self.seed, "mix", epoch, batch))
        mixer = self.mixers[int(torch.randint(len(self.mixers), ()))]
        mixed: tuple[Tensor, Tensor] = mixer(inputs, targets)
        return mixed


@transforms.register("mixup")
def mixup(num_classes: int, /, alpha: Positive = 0.2) -> "v2.MixUp":
    """Batches: every picture blended with another, labels in the same parts (Zhang et al. 2017)."""
    from torchvision.transforms import v2

    return v2.MixUp(alpha=alpha, num_classes=num_classes)


@transforms.register("cutmix")
def cutmix(num_classes: int, /, alpha: Positive = 1.0) -> "v2.CutMix":
    """Batches: a rectangle of every picture from another, labels in the same parts (Yun et al. 2019)."""
    from torchvision.transforms import v2

    return v2.CutMix(alpha=alpha, num_classes=num_classes)


@transforms.register("random_crop")
def random_crop(
    size: tuple[int, int],
    /,
    padding: Annotated[int, Field(ge=0)] = 4,
    padding_mode: Literal["constant", "edge", "reflect", "symmetric"] = "constant",
) -> "v2.RandomCrop":
    """Pad on every side, then cut the network's size out at random: a random shift."""
    from torchvision.transforms import v2

    return v2.RandomCrop(size, padding=padding, padding_mode=padding_mode)


@transforms.register("random_resized_crop")
def random_resized_crop(
    size: tuple[int, int],
    /,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> "v2.RandomResizedCrop":
    """Cut out a part of random area and shape and scale it to the network's size."""
    from torchvision.transforms import v2

    return v2.RandomResizedCrop(size, scale=scale, ratio=ratio, antialias=True)


@transforms.register("random_horizontal_flip")
def random_horizontal_flip(size: tuple[int, int], /, p: Probability = 0.5) -> "v2.RandomHorizontalFlip":
    """Mirror left and right with probability p."""
    from torchvision.transforms import v2

    return v2.RandomHorizontalFlip(p)


@transforms.register("random_vertical_flip")
def random_vertical_flip(size: tuple[int, int], /, p: Probability = 0.5) -> "v2.RandomVerticalFlip":
    """Mirror top and bottom with probability p."""
    from torchvision.transforms import v2

    return v2.RandomVerticalFlip(p)


@transforms.register("random_rotation")
def random_rotation(size: tuple[int, int], /, degrees: float = 10.0, fill: float = 0.0) -> "v2.RandomRotation":
    """Rotate by up to ±degrees."""
    from torchvision.transforms import InterpolationMode, v2

    return v2.RandomRotation(degrees, interpolation=InterpolationMode.BILINEAR, fill=fill)


@transforms.register("random_affine")
def random_affine(
    size: tuple[int, int],
    /,
    degrees: float = 10.0,
    translate: float = 0.1,
    scale: tuple[float, float] = (0.9, 1.1),
    shear: float = 0.0,
    fill: float = 0.0,
) -> "v2.RandomAffine":
    """Rotate (±degrees), shift (part of the size), scale and shear (±degrees) at once."""
    from torchvision.transforms import InterpolationMode, v2

    return v2.RandomAffine(
        degrees, (translate, translate), scale, shear, interpolation=InterpolationMode.BILINEAR, fill=fill
    )


@transforms.register("random_perspective")
def random_perspective(
    size: tuple[int, int], /, distortion: float = 0.3, p: Probability = 0.5
) -> "v2.RandomPerspective":
    """Tilt the picture plane with probability p."""
    from torchvision.transforms import v2

    return v2.RandomPerspective(distortion, p)


@transforms.register("color_jitter")
def color_jitter(
    size: tuple[int, int],
    /,
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
    hue: float = 0.0,
) -> "v2.ColorJitter":
    """Change brightness, contrast, saturation and hue by up to these parts."""
    from torchvision.transforms import v2

    return v2.ColorJitter(brightness, contrast, saturation, hue)


@transforms.register("random_grayscale")
def random_grayscale(size: tuple[int, int], /, p: Probability = 0.1) -> "v2.RandomGrayscale":
    """Take the colour out with probability p."""
    from torchvision.transforms import v2

    return v2.RandomGrayscale(p)


@transforms.register("gaussian_blur")
def gaussian_blur(
    size: tuple[int, int], /, kernel_size: int = 3, sigma: tuple[float, float] = (0.1, 2.0)
) -> "v2.GaussianBlur":
    """Blur with a random width."""
    from torchvision.transforms import v2

    return v2.GaussianBlur(kernel_size, sigma)


@transforms.register("random_erasing")
def random_erasing(
    size: tuple[int, int], /, p: Probability = 0.5, scale: tuple[float, float] = (0.02, 0.33), value: int = 0
) -> "v2.RandomErasing":
    """Overwrite a rectangle of random place and area with probability p (Zhong et al. 2017)."""
    from torchvision.transforms import v2

    return v2.RandomErasing(p, scale, value=value)


@transforms.register("auto_augment")
def auto_augment(
    size: tuple[int, int], /, policy: Literal["imagenet", "cifar10", "svhn"] = "cifar10"
) -> "v2.AutoAugment":
    """AutoAugment's learned policies: imagenet, cifar10 or svhn (Cubuk et al. 2018)."""
    from torchvision.transforms import AutoAugmentPolicy, v2

    return v2.AutoAugment(AutoAugmentPolicy(policy))


@transforms.register("rand_augment")
def rand_augment(
    size: tuple[int, int], /, num_ops: Count = 2, magnitude: Annotated[int, Field(ge=0, le=30)] = 9
) -> "v2.RandAugment":
    """num_ops random operations of one magnitude (Cubuk et al. 2019)."""
    from torchvision.transforms import v2

    return v2.RandAugment(num_ops, magnitude)


@transforms.register("trivial_augment")
def trivial_augment(
    size: tuple[int, int], /, num_magnitude_bins: Annotated[int, Field(ge=2)] = 31
) -> "v2.TrivialAugmentWide":
    """One random operation of random strength (Müller and Hutter 2021)."""
    from torchvision.transforms import v2

    return v2.TrivialAugmentWide(num_magnitude_bins)
