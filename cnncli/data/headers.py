"""What the first bytes of picture files tell: whether they are deeper than 8 bits, and whether there are several."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# never deeper than 8 bits, nor moving pictures: for these no file is opened
PLAIN = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".bmp"})
_PNG = b"\x89PNG\r\n\x1a\n"
_DEEP_MODES = ("I", "F")


@dataclass(frozen=True)
class Header:
    """``deep``: its values are not 0 to 255; ``cut``: colours of 16 bits, of which 8 are read; ``frames``: several.

    ``alpha``: it has a channel for transparency.
    """

    deep: bool = False
    cut: bool = False
    frames: bool = False
    alpha: bool = False


@dataclass
class Headers:
    """How many of ``total`` files are deep, cut, transparent or have several frames, and the first of each."""

    total: int = 0
    deep: int = 0
    cut: int = 0
    frames: int = 0
    alpha: int = 0
    first_alpha: str = ""
    first_deep: str = ""
    first_cut: str = ""
    first_frames: str = ""


def can_be_unusual(paths: Iterable[str]) -> bool:
    """Whether one of the files is of a kind that can hold more than one picture of 8 bits."""
    endings = tuple(PLAIN)
    return not all(path.lower().endswith(endings) for path in paths)


def look(paths: Iterable[Path]) -> Headers:
    """The headers of all files; what cannot be read is counted as usual, for whoever decodes it says what is wrong."""
    found = Headers()
    for path in paths:
        header = header_of(path)
        found.total += 1
        for kind in ("deep", "cut", "frames", "alpha"):
            if getattr(header, kind):
                setattr(found, kind, getattr(found, kind) + 1)
                setattr(found, f"first_{kind}", getattr(found, f"first_{kind}") or str(path))
    return found


def header_of(path: Path) -> Header:
    """The header of one file."""
    extension = path.suffix.lower()
    if extension in PLAIN:
        return Header()
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError:
        return Header()
    if start.startswith(_PNG) and len(start) > 25:
        wide, grey = start[24] == 16, start[25] == 0
        animation = start.find(b"acTL")
        several = 0 < animation < (start.find(b"IDAT") % 2**32)
        return Header(wide and grey, wide and not grey, several, start[25] in (4, 6))
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        flags = start[20] if start[12:16] == b"VP8X" else 0
        return Header(frames=bool(flags & 2), alpha=bool(flags & 16))
    return _array_header(path) if extension == ".npy" else _by_pillow(path)


def _array_header(path: Path) -> Header:
    try:
        dtype = np.load(path, mmap_mode="r", allow_pickle=False).dtype
    except (OSError, ValueError):
        return Header()
    return Header(deep=dtype not in (np.uint8, np.bool_))


def _by_pillow(path: Path) -> Header:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            raw = str(picture.tile[0].args) if picture.tile else ""
            tags = getattr(picture, "tag_v2", {})
            signed = picture.mode == "L" and tags.get(339, (1,))[0] == 2
            deep = picture.mode.startswith(_DEEP_MODES) or signed
            return Header(deep, not deep and ";16" in raw, getattr(picture, "n_frames", 1) > 1)
    except Exception:  # a file that is damaged: it is named when it is decoded
        return Header()
