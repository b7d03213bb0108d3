"""The one decoder of picture files: training, evaluation and prediction all see the same pixels."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cnncli.core.errors import DataError
from cnncli.core.spec import Decode

if TYPE_CHECKING:
    from PIL.Image import Image

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
BACKGROUND = "white"  # behind transparent pictures, as on a page

# of Pillow's two limits of size the larger one is an error below, and damaged metadata does not matter
warnings.filterwarnings("ignore", module=r"PIL\.")


def read_image(file: Path | io.BytesIO, decode: Decode) -> Tensor:
    """One picture as uint8 ``[channels, *size]``, turned as its EXIF data say.

    Transparent parts become white, 16-bit levels are scaled to 8 bits, CMYK and palettes become RGB, of an animation
    the first picture is taken. Raises ``DataError`` naming the file when it cannot be decoded.
    """
    height, width = decode.size
    image = _fitted(open_image(file, (2 * width, 2 * height)), decode)
    pixels = np.array(image.convert("L" if decode.channels == 1 else "RGB"))
    return torch.from_numpy(pixels).view(height, width, decode.channels).permute(2, 0, 1)


def open_image(file: Path | io.BytesIO, enough: tuple[int, int] | None = None) -> "Image":
    """One picture as a person sees it, in mode L or RGB.

    A JPEG may be scaled down by 2, 4 or 8 while it is decoded, as long as it stays larger than ``enough`` (width,
    height). Raises ``DataError`` naming the file.
    """
    from PIL import Image, ImageOps

    name = file if isinstance(file, Path) else "standard input"
    try:
        with Image.open(file) as opened:
            if enough is not None:
                opened.draft(None, enough)
            return _eight_bit(ImageOps.exif_transpose(opened))
    # Pillow's decoders raise nearly anything for damaged files: struct.error and EOFError among them
    except Exception as error:
        if isinstance(error, FileNotFoundError):
            raise DataError(f"{name}: no such file; check the path") from None
        cause = str(error).split("\n", 1)[0] or type(error).__name__
        if "cannot identify image file" in cause:
            cause = "its content is none that Pillow knows"
        raise DataError(f"{name}: cannot be read as a picture ({cause}); fix or remove the file") from error


def _eight_bit(image: "Image") -> "Image":
    """Any mode as L or RGB."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_scaled(np.asarray(image).astype(np.float64), wide=image.mode.startswith("I;16")))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, BACKGROUND)
        return Image.alpha_composite(page, image).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _scaled(levels: "np.ndarray[Any, np.dtype[np.float64]]", wide: bool) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Levels ``[H, W]`` as 8-bit ones: of 16 bits where they are ``wide`` or large, else in 0…255, or in 0…1."""
    top = levels.max(initial=0)
    factor = 255 / 65535 if wide or top > 255 else 255.0 if top <= 1 else 1.0
    return (levels * factor).round().clip(0, 255).astype(np.uint8)


def _fitted(image: "Image", decode: Decode) -> "Image":
    """``image`` brought to ``decode.size``."""
    from PIL import Image, ImageOps

    height, width = decode.size
    if image.size == (width, height):
        return image
    method = Image.Resampling.BICUBIC if decode.interpolation == "bicubic" else Image.Resampling.BILINEAR
    if decode.fit == "stretch":
        return image.resize((width, height), method)
    if decode.fit == "pad":
        return ImageOps.pad(image, (width, height), method=method)
    return ImageOps.fit(image, (width, height), method=method)
