"""What tells whether a file is still the same, without reading it where the system can say."""

import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

CHANGE_TIMES = os.name != "nt"  # Windows has the time of creation in its place
SAMPLE = 16_384  # bytes of a file that are hashed at a time


def stamps_of(files: Iterable[str]) -> list[tuple[str | int, ...]]:
    """``stamp`` of every file; the folder of many is made absolute once."""
    absolute: dict[str, str] = {}
    found = []
    for file in files:
        folder, name = os.path.split(file)
        if folder not in absolute:
            absolute[folder] = os.path.abspath(folder)
        found.append(_stamp(os.path.join(absolute[folder], name)))
    return found


def stamp(file: Path) -> tuple[str | int, ...]:
    """Absolute path, size, and what no program can set: while they stay the same, so does the file.

    The time of the last change of the content is the writer's to choose, and archives give it to other content; the
    number of the file on its disk and the time of the last change of anything are not. Where a system has neither,
    a hash of samples of the content stands for them.
    """
    return _stamp(os.path.abspath(file))


def _stamp(path: str) -> tuple[str | int, ...]:
    try:
        found = os.stat(path)
        known = (path, found.st_size, found.st_mtime_ns)
        if CHANGE_TIMES and found.st_ino:
            return (*known, found.st_ino, found.st_ctime_ns)
        return (*known, _sampled(path, found.st_size))
    except OSError:  # whoever reads the file says what is wrong with it
        return path, -1, -1


def _sampled(path: str, size: int) -> str:
    """A hash of the first, the middle and the last bytes of a file; of all of a small one."""
    found = blake2b(digest_size=16)
    with open(path, "rb") as file:
        for at in (0,) if size <= 3 * SAMPLE else (0, (size - SAMPLE) // 2, size - SAMPLE):
            file.seek(at)
            found.update(file.read(3 * SAMPLE if size <= 3 * SAMPLE else SAMPLE))
    return found.hexdigest()
