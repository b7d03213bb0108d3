"""Pixels of more than 8 bits, and of any number of channels: brought to the 256 levels that are kept of each."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnncli.core.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Range = tuple[float, float]
Own = Literal["own"]
OWN: Own = "own"  # the range of the values of the picture itself
Ends = Range | Own | None
Pixels = NDArray[Any]
Bytes = NDArray[np.uint8]

UNSIGNED, SIGNED = "cnncli: unsigned 32 bits", "cnncli: signed 8 bits"  # what Pillow's modes do not tell


def mark_type(image: "Image") -> None:
    """Note in ``image.info`` what only the tags of a TIFF file tell; raises ``DataError`` where channels are cut."""
    tags = getattr(image, "tag_v2", None)
    if tags is None or image.format != "TIFF":
        return
    signed, bits = tags.get(339, (1,))[0], tags.get(258, (1,))[0]
    if image.mode == "I" and signed == 1 and bits == 32:
        image.info[UNSIGNED] = True
    if image.mode == "L" and signed == 2 and bits == 8:
        image.info[SIGNED] = True
    there = int(tags.get(277, 1))
    if there > len(image.getbands()):
        raise DataError(
            f"has {there} channels, of which {len(image.getbands())} can be read from TIFF; save it as .npy "
            f"[height, width, {there}] and set dataset.channels: {there}"
        )


def is_deep(image: "Image") -> bool:
    """Whether a picture's values are not 0 to 255."""
    return image.mode.startswith("I") or image.mode == "F" or SIGNED in image.info


def values_of(image: "Image") -> Pixels:
    """The values ``[H, W]`` of a deep picture, as they stand in its file."""
    values = np.asarray(image)
    if UNSIGNED in image.info:
        return values.view(np.uint32)
    return values.view(np.int8) if SIGNED in image.info else values


def scaled(values: Pixels, value_range: Ends) -> Bytes:
    """Values ``[…]`` as 8-bit levels: the lower end of the range becomes 0, the upper 255, what lies outside is cut.

    What is not a number becomes 0, infinities the ends. Without a range 16-bit values are scaled as such, others by
    their largest: to 1, 255 or 65,535.
    """
    wide = values.dtype in (np.uint16, np.dtype(">u2"))
    levels = values.astype(np.float64)
    finite = np.isfinite(levels)
    if value_range == OWN:
        low, high = (levels.min(initial=np.inf, where=finite), levels.max(initial=-np.inf, where=finite))
        value_range = (low, high) if high > low else (0.0, 1.0) if not finite.any() else (low, low + 1)
    elif value_range is None:
        top = levels.max(initial=0, where=finite)
        value_range = (0.0, 65535.0 if wide or top > 255 else 1.0 if top <= 1 else 255.0)
    low, high = value_range
    levels = np.nan_to_num(levels, nan=low, posinf=high, neginf=low)
    result: Bytes = ((levels - low) * (255 / (high - low))).round().clip(0, 255).astype(np.uint8)
    return result


def load_array(file: Any) -> Pixels:
    """The array of a ``.npy`` file, ``[H, W]`` or ``[H, W, C]``; raises ``ValueError`` for what is no picture."""
    mapped = np.load(file, mmap_mode="r", allow_pickle=False) if not hasattr(file, "read") else np.load(file)
    check_array(mapped)
    return np.asarray(mapped)


def check_array(array: Pixels) -> None:
    """Raise ``ValueError`` for an array that is no picture ``[H, W]`` or ``[H, W, C]``."""
    from PIL import Image

    if array.ndim not in (2, 3) or array.dtype.kind not in "buif" or array.size == 0:
        raise ValueError(f"its array is {array.dtype} {list(array.shape)}, not numbers [height, width, channels]")
    if array.shape[0] * array.shape[1] > 2 * (Image.MAX_IMAGE_PIXELS or 2**62):
        raise ValueError(f"{array.shape[0] * array.shape[1]} pixels exceeds limit")


def planes_of(values: Pixels, channels: int) -> Pixels:
    """``[H, W, C]`` with the wanted channels, or 1 or 3 where one can become the other; ``[C, H, W]`` is turned.

    Raises ``DataError`` for another number of channels.
    """
    values = values[:, :, None] if values.ndim == 2 else values
    for fits in ((channels,), (1, 3) if channels in (1, 3) else ()):
        if values.shape[2] in fits:
            return values
        if values.shape[0] in fits:
            return np.moveaxis(values, 0, 2)
    there = min(values.shape[0], values.shape[2])
    raise DataError(f"has {there} channels where dataset.channels is {channels}; set dataset.channels: {there}")


def as_bytes(values: Pixels, value_range: Ends) -> Bytes:
    """An array as 8-bit levels: bytes as they are, truth values black and white, others ``scaled``."""
    if values.dtype == np.uint8:
        return values
    return values.astype(np.uint8) * np.uint8(255) if values.dtype == np.bool_ else scaled(values, value_range)
