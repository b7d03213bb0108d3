"""Damaged metadata are no damaged picture: the pixels are read, and turned where the orientation can still be read."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnncli.core.spec import Decode
from cnncli.data.decode import read_image

DECODE = Decode((16, 16))
ORIENTATION = 0x0112


def quadrant() -> Image.Image:
    pixels = np.full((16, 16, 3), 40, np.uint8)
    pixels[:8, 8:] = 220
    return Image.fromarray(pixels)


def ifd(entries: list[tuple[int, int, int, bytes]], extra: bytes = b"") -> bytes:
    """A TIFF folder in little-endian order."""
    out = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return out + b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries) + bytes(4) + extra


def short(value: int) -> bytes:
    return struct.pack("<HH", value, 0)


def saved(path: Path, exif: bytes) -> Path:
    quadrant().save(path, exif=exif, **({"quality": 95} if path.suffix == ".jpg" else {"lossless": True}))
    return path


SIX = (ORIENTATION, 3, 1, short(6))
AT = struct.pack("<I", 8 + 2 + 24 + 4)
TURNED = {
    "good": ifd([SIX]),
    "long": ifd([(ORIENTATION, 4, 1, struct.pack("<I", 6))]),
    "byte": ifd([(ORIENTATION, 1, 1, b"\6\0\0\0")]),
    "text": ifd([(ORIENTATION, 2, 2, b"6\0\0\0")]),
    "two": ifd([(ORIENTATION, 3, 2, struct.pack("<HH", 6, 6))]),
    "float": ifd([(ORIENTATION, 11, 1, struct.pack("<f", 6.0))]),
    "text where a number is": ifd([SIX, (0x100, 2, 4, b"abc\0")]),
    "negative long": ifd([SIX, (0x101, 9, 1, struct.pack("<i", -5))]),
    "negative rational": ifd([SIX, (0x11A, 10, 1, AT)], struct.pack("<ii", -1, 3)),
    "NaN": ifd([SIX, (0x11A, 12, 1, AT)], struct.pack("<d", float("nan"))),
    "infinity": ifd([SIX, (0x11A, 12, 1, AT)], struct.pack("<d", float("inf"))),
    "zero denominator": ifd([SIX, (0x11A, 5, 1, AT)], struct.pack("<II", 72, 0)),
    "out of range": ifd([SIX, (0x10F, 2, 500, struct.pack("<I", 60000))]),
    "not ASCII": ifd([SIX, (0x10F, 2, 4, b"\xa8\xff\xfe\0")]),
    "EXIF folder is itself": ifd([SIX, (0x8769, 4, 1, struct.pack("<I", 8))]),
    "EXIF folder is text": ifd([SIX, (0x8769, 2, 4, b"abc\0")]),
    "maker's note": ifd([SIX, (0x927C, 7, 4, b"\1\2\3\4")]),
}
NOT_TURNED = {
    "zero": ifd([(ORIENTATION, 3, 1, short(0))]),
    "nine": ifd([(ORIENTATION, 3, 1, short(9))]),
    "garbage": b"\1\2nonsense" * 3,
    "short header": b"II*\0",
    "wrong order": b"MM\0*" + b"\0\0\0\x08" + b"\xff\xff",
    "one and NaN": ifd([(ORIENTATION, 3, 1, short(1)), (0x11A, 12, 1, AT)], struct.pack("<d", float("nan"))),
}


@pytest.mark.parametrize("ending", [".jpg", ".webp"])
@pytest.mark.parametrize("exif", [*TURNED.values(), *NOT_TURNED.values()], ids=[*TURNED, *NOT_TURNED])
def test_damaged_exif_data_turn_a_picture_or_are_left_out(tmp_path: Path, exif: bytes, ending: str) -> None:
    path = saved(tmp_path / f"a{ending}", b"Exif\0\0" + exif if ending == ".jpg" else exif)
    plain = read_image(saved(tmp_path / f"b{ending}", b""), DECODE)
    wanted = torch.rot90(plain, -1, (1, 2)) if exif in TURNED.values() else plain
    assert torch.equal(read_image(path, DECODE), wanted)


def test_damaged_tags_of_tiff_are_left_out(tmp_path: Path) -> None:
    wanted = read_image(saved(tmp_path / "a.webp", b""), DECODE)
    tags = {ORIENTATION: 6, 33432: "who", 282: 72.0}
    quadrant().save(tmp_path / "a.tif", tiffinfo=tags)
    content = (tmp_path / "a.tif").read_bytes()
    at = content.find(struct.pack("<HH", 33432, 2))
    assert at > 0
    # a text that is called a folder of further tags, beyond the end of the file
    (tmp_path / "a.tif").write_bytes(content[:at] + struct.pack("<HHII", 34665, 4, 1, 2**31) + content[at + 12 :])
    assert torch.equal(read_image(tmp_path / "a.tif", DECODE), torch.rot90(wanted, -1, (1, 2)))


def test_damaged_chunks_of_png_are_left_out(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    quadrant().save(buffer, "PNG")
    content = buffer.getvalue()
    text = b"tEXtkey\0value"
    chunk = struct.pack(">I", len(text) - 4) + text + b"bad!"  # a wrong checksum
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    with pytest.raises((SyntaxError, OSError)):
        Image.open(tmp_path / "a.png").load()
    wanted = torch.from_numpy(np.array(quadrant())).permute(2, 0, 1)
    assert torch.equal(read_image(tmp_path / "a.png", DECODE), wanted)
