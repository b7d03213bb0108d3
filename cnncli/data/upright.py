"""How a picture was held: read from its metadata, also where these are damaged, which no picture is refused for."""

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"VP8X")
_SIZES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # types of an EXIF number, and how they are unpacked


def upright(image: "Image", orientation: int | None = None) -> "Image":
    """A loaded picture turned as its EXIF, TIFF or XMP data say, or as ``orientation`` (1 to 8) says."""
    from PIL import Image

    turn = Image.Transpose
    methods = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
               6: turn.ROTATE_270, 7: turn.TRANSVERSE, 8: turn.ROTATE_90}  # fmt: skip
    method = methods.get(orientation_of(image) if orientation is None else orientation)
    return image if method is None else image.transpose(method)


def orientation_of(image: "Image") -> int:
    """1 to 8; 1, upright, where nothing can be read."""
    try:
        tags = getattr(image, "tag_v2", None)  # those of a TIFF file itself
        value = (image.getexif() if tags is None or image.format != "TIFF" else tags).get(ORIENTATION)
    except Exception:  # Pillow raises nearly anything for damaged metadata; the bytes are looked at instead
        value = orientation_in(image.info.get("exif", b""))
    return _plain(value)


def _plain(value: Any) -> int:
    """The number that an entry of any type means: 6, "6", b"6", 6.0, (6, 6)."""
    if isinstance(value, tuple | list):
        return _plain(value[0]) if value else 1
    if isinstance(value, bytes):
        value = value[0] if len(value) == 1 and value[0] < 32 else value.decode("latin-1")
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 1
    return int(number) if number in range(1, 9) else 1


def orientation_in(content: bytes) -> int | None:
    """The orientation in EXIF bytes, or in those of a file that holds them; None where there is none."""
    for mark in (b"Exif\0\0", b"eXIf", b"EXIF", b""):
        start = content.find(mark)
        if start >= 0 and (found := _in_first_folder(content, start + len(mark), mark)) is not None:
            return found
    return None


def _in_first_folder(content: bytes, start: int, mark: bytes) -> int | None:
    tiff = content[start + (4 if mark == b"EXIF" else 0) :][: 2**16]  # WebP has a length before it
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        for number in range(count):
            tag, kind, _ = struct.unpack_from(f"{order}HHI", tiff, at + 2 + 12 * number)
            if tag == ORIENTATION and kind in _SIZES:
                return _plain(struct.unpack_from(f"{order}{_SIZES[kind]}", tiff, at + 10 + 12 * number))
    except struct.error:  # it is cut off
        return None
    return None


def without_metadata(content: bytes) -> bytes | None:
    """A JPEG, PNG or WebP file of the same pixels and nothing else; None for other files."""
    if content.startswith(b"\xff\xd8\xff"):
        return _bare_jpeg(content)
    if content.startswith(_PNG):
        return _bare_png(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _bare_webp(content)
    return None


def _bare_jpeg(content: bytes) -> bytes:
    """Segments APP1 to APP13, APP15 and comments left out: Adobe's APP14 tells how the colours are meant."""
    kept, at = [content[:2]], 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        size = 2 + struct.unpack_from(">H", content, at + 2)[0]
        marker = content[at + 1]
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(content[at : at + size])
        at += size
    return b"".join([*kept, content[at:]])


def _bare_png(content: bytes) -> bytes:
    kept, at = [content[:8]], 8
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if kind in _PNG_PIXELS:
            kept.append(content[at : at + 12 + size])
        at += 12 + size
    return b"".join(kept)


def _bare_webp(content: bytes) -> bytes:
    kept, at = [], 12
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, at)
        size += size % 2
        if kind in _WEBP_PIXELS:
            chunk = bytearray(content[at : at + 8 + size])
            if kind == b"VP8X" and len(chunk) > 8:
                chunk[8] &= ~0x2C & 0xFF  # no ICC profile, no EXIF, no XMP
            kept.append(bytes(chunk))
        at += 8 + size
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body
