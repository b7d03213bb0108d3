"""Which files are pictures: those that the decoder reads."""

import os
import re
from functools import cache

# what nearly all pictures are called: for these Pillow need not be asked, nor imported
COMMON = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".npy"})
_JPEG = frozenset({".jpe", ".jfif", ".pjpeg", ".pjp", ".jpeg_large", ".jpg_large"})  # other names for JPEG
_UNSURE = frozenset({"", ".heic", ".heif", ".hif", ".jxl"})  # the content decides
# formats whose files Pillow names but cannot decode by itself (PostScript would be run by another program)
_NOT_DECODED = frozenset({"BUFR", "GRIB", "HDF5", "WMF", "EPS", "MPEG", "IPTC", "PDF"})


def is_picture(name: str, path: str) -> bool:
    """Whether the decoder reads a file: by its extension, and without one by what it holds."""
    extension = os.path.splitext(name)[1].lower()
    if extension in COMMON or extension in _JPEG or extension in _registered(extension):
        return True
    # in '2024.05.17' and 'photo 1. of May' what follows the dot is no extension
    return (extension in _UNSURE or re.search(r"^\.\d+$| ", extension) is not None) and _identified(path)


def has_picture_extension(name: str) -> bool:
    """Whether a file is called as pictures are."""
    extension = os.path.splitext(name)[1].lower()
    return extension in COMMON or extension in _JPEG or extension in _registered(extension)


@cache
def _registered(extension: str) -> frozenset[str]:
    """The extensions of all formats that Pillow decodes here; nothing for no extension."""
    if not extension:
        return frozenset()
    from PIL import Image

    known = Image.registered_extensions()
    return frozenset(e for e, form in known.items() if form in Image.OPEN and form not in _NOT_DECODED)


def _identified(path: str) -> bool:
    """Whether Pillow knows what a file holds, and decodes it."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.format not in _NOT_DECODED
    except Exception:  # whatever it is, Pillow's decoders do not read it
        return False
