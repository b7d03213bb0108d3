"""Kernels for filtering a picture: the usual ones by name, and those of text files. It takes no torch to read them."""

import math
from collections.abc import Iterable
from pathlib import Path

from cnncli.core.errors import ConfigError, did_you_mean

Rows = list[list[float]]
"""A kernel, row by row."""

# as the usual books of image processing write them; they are laid over the picture as they stand (cross-correlation)
NAMED: dict[str, str] = {
    "identity": "0 0 0 / 0 1 0 / 0 0 0",
    "blur": "1/9 1/9 1/9 / 1/9 1/9 1/9 / 1/9 1/9 1/9",
    "gaussian": "1/16 2/16 1/16 / 2/16 4/16 2/16 / 1/16 2/16 1/16",
    "sharpen": "0 -1 0 / -1 5 -1 / 0 -1 0",
    "laplacian": "0 1 0 / 1 -4 1 / 0 1 0",
    "laplacian8": "1 1 1 / 1 -8 1 / 1 1 1",
    "outline": "-1 -1 -1 / -1 8 -1 / -1 -1 -1",
    "emboss": "-2 -1 0 / -1 1 1 / 0 1 2",
    "sobel_x": "-1 0 1 / -2 0 2 / -1 0 1",
    "sobel_y": "-1 -2 -1 / 0 0 0 / 1 2 1",
    "prewitt_x": "-1 0 1 / -1 0 1 / -1 0 1",
    "prewitt_y": "-1 -1 -1 / 0 0 0 / 1 1 1",
    "scharr_x": "-3 0 3 / -10 0 10 / -3 0 3",
    "scharr_y": "-3 -10 -3 / 0 0 0 / 3 10 3",
    "roberts_x": "1 0 / 0 -1",
    "roberts_y": "0 1 / -1 0",
}
LARGEST = 2**20  # bytes of a file with a kernel


def kernel(word: str) -> tuple[str, Rows]:
    """What ``word`` means, the name of a kernel or a text file: a name for its map, and its rows.

    A file has one line for each row of the kernel, with numbers or fractions (1/9) between spaces, tabs, commas or
    semicolons; what follows # is a comment. Raises ``ConfigError`` for an unknown name or a damaged file.
    """
    if word in NAMED:
        return word, _matrix(enumerate(NAMED[word].split(" / "), 1), word)
    path = Path(word)
    if not path.is_file():
        raise ConfigError(
            f"--kernel {word}: neither the name of a kernel nor a file; {did_you_mean(word, list(NAMED))}"
        )
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path}: is more than {LARGEST // 2**20} MiB; a kernel is a small text file")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise ConfigError(f"{path}: cannot be read as a kernel ({cause}); write one row of numbers a line") from error
    return path.stem, _matrix(enumerate(lines, 1), str(path))


def _matrix(lines: Iterable[tuple[int, str]], name: str) -> Rows:
    rows: Rows = []
    for number, line in lines:
        cells = line.split("#", 1)[0].replace(",", " ").replace(";", " ").split()
        if not cells:
            continue
        rows.append([_number(cell, f"{name}:{number}") for cell in cells])
        if len(rows[-1]) != len(rows[0]):
            cause = f"this row has {len(rows[-1])} numbers, the first {len(rows[0])}"
            raise ConfigError(f"{name}:{number}: {cause}; all rows of a kernel are equally long")
    if not rows:
        raise ConfigError(f"{name}: holds no numbers; write one row of the kernel a line, as in 0 -1 0")
    return rows


def _number(cell: str, where: str) -> float:
    above, _, below = cell.partition("/")
    try:
        value = float(above) / float(below or "1")
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{where}: '{cell}' is no number; write numbers such as -1, 0.5 or 1/9")
    return value
