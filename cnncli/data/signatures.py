"""What can be told of a picture without a network: its size, its mode, and a fingerprint that survives re-encoding."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.core.cores import usable_cores
from cnncli.core.errors import DataError
from cnncli.data.contract import Track
from cnncli.data.decode import open_image

SIDE, KEPT, THUMBNAIL = 32, 8, 16  # pixels the transform is taken of, its coefficients a side, pixels compared
CHUNK = 512  # pictures that wait for a thread at a time


@dataclass(frozen=True)
class Signature:
    """One picture: ``digest`` of the file's bytes, 64 ``bits``, a ``thumbnail`` uint8 ``[16, 16, 3]``.

    ``error`` says why it cannot be read; everything else is then empty.
    """

    digest: bytes = b""
    width: int = 0
    height: int = 0
    mode: str = ""
    form: str = ""
    bits: NDArray[np.bool_] | None = None
    thumbnail: NDArray[np.uint8] | None = None
    error: str = ""


def sign_all(paths: list[Path], track: Track, what: str = "reading") -> list[Signature]:
    """The signature of every picture, on all cores; a picture that cannot be read has an ``error``."""

    def signed() -> Iterator[Signature]:
        # threads: Pillow and hashlib work outside Python's lock
        with ThreadPoolExecutor(usable_cores()) as pool:
            for start in range(0, len(paths), CHUNK):
                yield from pool.map(sign, paths[start : start + CHUNK])

    found: Iterable[Any] = track(signed(), len(paths), f"{what} {len(paths):,} pictures")
    return list(found)


def sign(path: Path) -> Signature:
    """The signature of one picture."""
    from PIL import Image

    try:
        digest = blake2b(path.read_bytes(), digest_size=16).digest()
        image = open_image(path, (4 * SIDE, 4 * SIDE), stretched=True)
        (width, height), mode, form = image.size, "array", "NPY"
        if path.suffix.lower() != ".npy":
            with Image.open(path) as header:
                (width, height), mode, form = header.size, header.mode, header.format or ""
    except DataError as error:
        return Signature(error=str(error).removeprefix(f"{path}: ").partition(";")[0])
    except OSError as error:
        return Signature(error=error.strerror or str(error))
    image = image.convert("RGB")
    thumbnail = np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32)
    return Signature(digest, width, height, mode, form, _fingerprint(grey), thumbnail)


def _fingerprint(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which low frequencies of grey pixels ``[32, 32]`` are stronger than their median (pHash, Zauner 2010)."""
    from scipy.fft import dctn

    low = dctn(grey, norm="ortho")[:KEPT, :KEPT].flatten()
    bits: NDArray[np.bool_] = low > np.median(low[1:])
    return bits
