"""One split of a data set, in memory or, for pictures, in files.

Both kinds give the same thing for an index, so everything behind them is shared.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from cnncli.core.errors import DataError


@dataclass(frozen=True)
class ArraySource:
    """Samples in memory: ``inputs`` ``[N, …]`` and ``targets`` ``[N, …]``.

    Pictures are uint8 ``[N, C, H, W]``, rows float32 ``[N, F]``, windows of a series float32 ``[N, T, F]``,
    characters int64 ``[N, T]``; windows and blocks may be overlapping views of one tensor.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tensor:
        return self.inputs[index]

    @property
    def shape(self) -> tuple[int, ...]:
        """One sample's shape."""
        return tuple(self.inputs.shape[1:])

    def subset(self, indices: Tensor) -> "ArraySource":
        """The samples at ``indices``, in that order."""
        return ArraySource(self.inputs[indices], self.targets[indices])


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
