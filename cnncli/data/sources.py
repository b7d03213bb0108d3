"""One split of a data set, whether its pictures are in memory or in files.

Both kinds give the same thing, a uint8 tensor ``[C, H, W]`` for an index, so everything behind them is shared.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cnncli.core.errors import DataError


@dataclass(frozen=True)
class ArraySource:
    """Pictures in memory: ``images`` uint8 ``[N, C, H, W]``, ``targets`` int64 ``[N]``."""

    images: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]

    @property
    def shape(self) -> tuple[int, ...]:
        """One sample's ``(C, H, W)``."""
        return tuple(self.images.shape[1:])

    def subset(self, indices: Tensor) -> "ArraySource":
        """The samples at ``indices``, in that order."""
        return ArraySource(self.images[indices], self.targets[indices])


@dataclass(frozen=True)
class FileSource:
    """Pictures in files, decoded when asked for: resized so that they cover ``size``, the centre cut out."""

    paths: tuple[Path, ...]
    targets: Tensor
    size: tuple[int, int]
    channels: int

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tensor:
        return read_image(self.paths[index], self.size, self.channels)

    @property
    def shape(self) -> tuple[int, ...]:
        """One sample's ``(C, H, W)``."""
        return (self.channels, *self.size)

    def subset(self, indices: Tensor) -> "FileSource":
        """The samples at ``indices``, in that order."""
        paths = tuple(self.paths[i] for i in indices.tolist())
        return FileSource(paths, self.targets[indices], self.size, self.channels)


Source = ArraySource | FileSource


def read_image(path: Path, size: tuple[int, int], channels: int) -> Tensor:
    """Decode one picture to uint8 ``[channels, *size]``, turned as its EXIF data say.

    The picture is scaled (antialiased) until it just covers ``size`` and its centre is cut out. Raises
    ``DataError`` naming the file when it cannot be decoded.
    """
    from PIL import Image, ImageOps
    from torchvision.transforms.v2.functional import pil_to_tensor

    height, width = size
    try:
        with Image.open(path) as file:
            # lets the JPEG decoder scale down by 2, 4 or 8 while it decodes; twice the size keeps it sharp
            file.draft(None, (2 * width, 2 * height))
            image = ImageOps.exif_transpose(file).convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a picture ({error}); mend or remove the file") from error
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), method=Image.Resampling.BILINEAR)
    tensor: Tensor = pil_to_tensor(image)
    return tensor


def class_counts(source: Source, num_classes: int) -> Tensor:
    """Samples of each class, int64 ``[num_classes]``."""
    return torch.bincount(source.targets, minlength=num_classes)
