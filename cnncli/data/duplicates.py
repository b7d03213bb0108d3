"""Pictures that are the same, byte for byte or to the eye."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cnncli.data.signatures import Signature

MAX_BITS = 10  # of 64 that may differ
MAX_DISTANCE = 10.0  # levels of 255: root mean square between two thumbnails
MAX_SHARE = 0.2  # of the contrast within the thumbnails: flat pictures are near each other without being the same
BLOCK = 1024  # fingerprints compared with all others at a time


@dataclass(frozen=True)
class Pair:
    """The positions of two pictures that are the same; ``exact`` when their files are."""

    first: int
    second: int
    exact: bool


def find_duplicates(signatures: Sequence[Signature]) -> list[Pair]:
    """Pairs of equal files, and of pictures that differ by scale, compression or small changes only.

    Of many equal files each is paired with the first, which alone is compared with other pictures. Mirrored, rotated
    and cropped copies are not found.
    """
    first: dict[bytes, int] = {}
    exact = []
    for number, signature in enumerate(signatures):
        if not signature.error and (earlier := first.setdefault(signature.digest, number)) != number:
            exact.append(Pair(earlier, number, exact=True))
    near = [Pair(a, b, exact=False) for a, b in _alike(signatures, list(first.values()))]
    return sorted([*exact, *near], key=lambda pair: (pair.first, pair.second))


def _alike(signatures: Sequence[Signature], among: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Pairs of positions with near fingerprints whose thumbnails bear it out."""
    numbers = np.array(among, dtype=np.int64)
    if len(numbers) < 2:
        return
    signs = np.array([signatures[n].bits for n in numbers], dtype=np.float32) * 2 - 1
    thumbnails = np.array([signatures[n].thumbnail for n in numbers]).reshape(len(numbers), -1)
    least = 64 - 2 * MAX_BITS  # the product of two fingerprints is 64 less twice the bits that differ
    for start in range(0, len(numbers), BLOCK):
        near = signs[start : start + BLOCK] @ signs[start:].T >= least
        rows, columns = np.nonzero(np.triu(near, k=1))
        rows, columns = rows + start, columns + start
        alike = _thumbnails_alike(thumbnails, rows, columns)
        yield from zip(numbers[rows[alike]].tolist(), numbers[columns[alike]].tolist(), strict=True)


def _thumbnails_alike(
    thumbnails: "np.ndarray[tuple[int, int], np.dtype[np.uint8]]",
    rows: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    columns: "np.ndarray[tuple[int], np.dtype[np.int64]]",
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Whether each pair of thumbnails ``[N, 768]`` shows the same picture."""
    alike = np.zeros(len(rows), dtype=bool)
    for part in range(0, len(rows), 65_536):
        span = slice(part, part + 65_536)
        a, b = (thumbnails[side[span]].astype(np.float32) for side in (rows, columns))
        distance = np.sqrt(((a - b) ** 2).mean(1))
        contrast = np.sqrt(np.minimum(*(t.reshape(len(t), -1, 3).var(1).mean(1) for t in (a, b))))
        alike[span] = (distance < MAX_DISTANCE) & (distance < MAX_SHARE * contrast)
    return alike


def join(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """A group number for each of ``count`` things such that those of a pair share it, whatever the way between them."""
    parents = list(range(count))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parents[high] = low
    return [root(number) for number in range(count)]
