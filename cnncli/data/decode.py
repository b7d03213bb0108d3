"""The one decoder of picture files: training, evaluation and prediction all see the same pixels."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cnncli.core.errors import DataError
from cnncli.core.spec import Decode
from cnncli.data.levels import (
    OWN,
    Ends,
    Pixels,
    as_bytes,
    check_array,
    is_deep,
    load_array,
    mark_type,
    planes_of,
    scaled,
    values_of,
)  # fmt: skip
from cnncli.data.upright import orientation_in, upright, without_metadata

if TYPE_CHECKING:
    from PIL.Image import Image

File = Path | io.BytesIO

BACKGROUND = "white"  # behind transparent pictures, as on a page
ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")

# of Pillow's two limits of size the larger one is an error below, and damaged metadata does not matter
warnings.filterwarnings("ignore", module=r"PIL\.")


def read_image(file: File, decode: Decode, formats: tuple[str, ...] | None = None) -> Tensor:
    """One picture as uint8 ``[channels, *size]``, turned as its EXIF data say.

    Of 1 or 3 channels transparent parts become white; 4 are red, green, blue and alpha, other numbers are those of an
    array. Deeper levels are scaled to 8 bits, from ``value_range`` where there is one. CMYK and palettes become RGB,
    of an animation the first picture is taken. Pillow's ``formats`` are the only ones tried, if given. Raises
    ``DataError`` naming the file when it cannot be decoded.
    """
    return _tensor(_read_bands(file, _enough(decode), decode, decode.value_range, formats), decode)


def read_held(picture: "Image | Pixels", decode: Decode, name: str) -> Tensor:
    """A picture in memory as ``read_image`` gives one of a file: an array is one of ``.npy``.

    Raises ``DataError`` with the ``name`` that it has for people.
    """
    if getattr(picture, "tile", None) and getattr(picture, "filename", ""):  # opened, but not decoded yet
        return read_image(Path(picture.filename), decode)  # type: ignore[union-attr]
    with _naming(name):
        if isinstance(picture, np.ndarray):
            check_array(picture)
            planes = planes_of(picture, decode.channels)
            return _tensor(_of_array(planes, decode.channels, decode.value_range), decode)
        mark_type(picture)
        return _tensor(_bands(upright(picture), decode, decode.value_range), decode)


def _enough(decode: Decode) -> tuple[int, int]:
    height, width = decode.size
    return 2 * width, 2 * height


def _tensor(bands: list["Image"], decode: Decode) -> Tensor:
    """The bands of a picture, brought to size, as uint8 ``[channels, *size]``."""
    height, width = decode.size
    fitted = [_fitted(band, decode) for band in bands]
    if len(fitted) == 1:
        pixels = np.array(fitted[0].convert("L" if decode.channels == 1 else "RGB"))
    else:
        pixels = np.stack([np.asarray(band) for band in fitted], axis=2)
    return torch.from_numpy(pixels).view(height, width, decode.channels).permute(2, 0, 1)


def open_image(file: File, enough: tuple[int, int] | None = None, stretched: bool = False) -> "Image":
    """One picture as a person sees it, in mode L or RGB.

    A JPEG may be scaled down by 2, 4 or 8 while it is decoded, as long as it stays larger than ``enough`` (width,
    height). ``stretched``: of more than 8 bits the values that it has are black and white. Raises ``DataError`` naming
    the file.
    """
    (image,) = _read_bands(file, enough, Decode((1, 1)), OWN if stretched else None)
    return image


def raw_values(file: File) -> Pixels | None:
    """The values of a picture of more than 8 bits as they stand in its file; None for other pictures.

    Raises ``DataError`` naming the file when it cannot be decoded.
    """
    with _naming(file):
        if _is_array(file):
            values = load_array(file)
            return None if values.dtype in (np.uint8, np.bool_) else values
        image = _load(file, None)
        return values_of(image) if is_deep(image) else None


class _naming:
    """Whatever a decoder raises about a file becomes a ``DataError`` that names it."""

    def __init__(self, file: File | str) -> None:
        self.name = file if isinstance(file, Path | str) else "standard input"

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        # Pillow's decoders raise nearly anything for damaged files: struct.error and EOFError among them
        if error is None or not isinstance(error, Exception):
            return
        if isinstance(error, DataError):
            raise DataError(f"{self.name}: {error}") from error
        if isinstance(error, FileNotFoundError):
            linked = isinstance(self.name, Path) and self.name.is_symlink()
            raise DataError(
                f"{self.name}: leads to a file that is not there; remove the link"
                if linked
                else f"{self.name}: no such file; check the path"
            ) from None
        cause = str(error).split("\n", 1)[0] or type(error).__name__
        if "cannot identify image file" in cause:
            cause = "its content is none that Pillow knows"
        raise DataError(f"{self.name}: cannot be read as a picture ({cause}); fix or remove the file") from error


def _read_bands(
    file: File, enough: tuple[int, int] | None, decode: Decode, ends: Ends, formats: tuple[str, ...] | None = None
) -> list["Image"]:
    """A picture in mode L or RGB, or for other numbers of channels one in mode L for each."""
    with _naming(file):
        if _is_array(file):
            values = load_array(file)
            if ends == OWN and values.ndim == 3 and not {1, 3} & set(values.shape[::2]):
                # to be looked at, all channels in one
                values = values.mean(0 if values.shape[0] < values.shape[2] else 2)
            return _of_array(planes_of(values, decode.channels), decode.channels, ends)
        return _bands(_load(file, enough, formats), decode, ends)


def _bands(image: "Image", decode: Decode, ends: Ends) -> list["Image"]:
    """An upright picture in the modes of ``_read_bands``."""
    if decode.channels in (1, 3):
        return [_eight_bit(image, ends)]
    return _split(image, decode.channels, ends)


def _is_array(file: File) -> bool:
    if isinstance(file, Path):
        return file.suffix.lower() == ".npy"
    return bytes(file.getbuffer()[:6]) == b"\x93NUMPY"


def _load(file: File, enough: tuple[int, int] | None, formats: tuple[str, ...] | None = None) -> "Image":
    """A picture of any mode, upright; metadata that stand in the way are left out."""
    try:
        return _loaded(file, enough, formats)
    except (DataError, FileNotFoundError):
        raise
    except Exception:
        content = file.read_bytes() if isinstance(file, Path) else file.getvalue()
        bare = without_metadata(content)
        if bare is None or bare == content:
            raise
        return upright(_loaded(io.BytesIO(bare), enough, formats), orientation_in(content) or 1)


def _loaded(file: File, enough: tuple[int, int] | None, formats: tuple[str, ...] | None) -> "Image":
    from PIL import Image

    with Image.open(file, formats=formats) as opened:
        if enough is not None:
            opened.draft(None, enough)
        if opened.format == "TIFF":
            opened.load_end = _nothing  # type: ignore[method-assign]  # it reads all metadata, and fails over them
        opened.load()
        mark_type(opened)
        return upright(opened)


def _nothing() -> None:
    pass


def _of_array(planes: Pixels, channels: int, ends: Ends) -> list["Image"]:
    """An array ``[H, W, C]`` as one picture of mode L or RGB, or as one for each channel."""
    from PIL import Image

    levels = as_bytes(planes, ends)
    if channels in (1, 3):
        return [Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else np.ascontiguousarray(levels))]
    return [Image.fromarray(np.ascontiguousarray(levels[:, :, band])) for band in range(levels.shape[2])]


def _split(image: "Image", channels: int, ends: Ends) -> list["Image"]:
    """The bands of a picture for 2 channels (grey, alpha) or 4 (colours, alpha); raises ``DataError`` for others."""
    if channels not in (2, 4):
        there = len(image.getbands())
        raise DataError(
            f"has {there} channels where dataset.channels is {channels}; set dataset.channels: "
            f"{there if there in (1, 4) else 3}, or save arrays of {channels} channels as .npy"
        )
    if is_deep(image):
        image = _eight_bit(image, ends)
    if "transparency" in image.info or image.mode in ALPHA:
        image = image.convert("RGBA")
    else:
        image = image.convert("RGB").convert("RGBA")
    return list((image if channels == 4 else image.convert("LA")).split())


def _eight_bit(image: "Image", ends: Ends) -> "Image":
    """Any mode as L or RGB."""
    from PIL import Image

    if is_deep(image):
        return Image.fromarray(scaled(values_of(image), ends))
    if "transparency" in image.info or image.mode in ALPHA:
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, BACKGROUND)
        return Image.alpha_composite(page, image).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


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
