"""Small pictures with their labels on one sheet."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnncli.runs.fonts import lettering, shorten

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]
"""A picture, uint8 ``[H, W, 3]``."""

DPI, LABEL = 100, 9.0  # dots per inch; points of a label
TALLEST = 144  # pixels up to which small pictures are enlarged
NARROWEST, GAP, CAPTION = 112, 12, 20  # pixels of a cell's width, between cells, of a label's line
PAPER, FRAME = 255, 190  # greys of the sheet, and around each picture: white pictures end somewhere


def sample_sheet(
    pictures: Sequence[Pixels], labels: Sequence[str], columns: int | None = None, title: str = ""
) -> "Image":
    """Pictures in a grid as square as can be, or of ``columns``, each in a thin frame with its label above it.

    Small ones are enlarged by the same whole factor, pixel by pixel; none is cut or smoothed. A ``title`` stands above
    all.
    """
    longest = max(max(picture.shape[:2]) for picture in pictures)
    factor = max(TALLEST // longest, 1)
    enlarged = [np.kron(picture, np.ones((factor, factor, 1), np.uint8)) for picture in pictures]
    columns = columns or math.isqrt(len(pictures) - 1) + 1
    rows = -(-len(pictures) // columns)
    width = max(NARROWEST, *(picture.shape[1] for picture in enlarged)) + 2 + GAP
    height = max(picture.shape[0] for picture in enlarged) + 2 + CAPTION + GAP
    head = CAPTION if title else 0
    sheet = np.full((rows * height + GAP + head, columns * width + GAP, 3), PAPER, np.uint8)
    corners = [(GAP + head + (i // columns) * height, GAP + (i % columns) * width) for i in range(len(pictures))]
    for (top, left), picture in zip(corners, enlarged, strict=True):
        high, wide = picture.shape[:2]
        sheet[top + CAPTION : top + CAPTION + high + 2, left : left + wide + 2] = FRAME
        sheet[top + CAPTION + 1 : top + CAPTION + 1 + high, left + 1 : left + 1 + wide] = picture
    texts = [(corner, label, width - GAP) for corner, label in zip(corners, labels, strict=True)]
    return _written_on(sheet, [*texts, ((GAP // 2, GAP), title, sheet.shape[1] - 2 * GAP)] if title else texts)


def _written_on(sheet: Pixels, texts: Sequence[tuple[tuple[int, int], str, int]]) -> "Image":
    """``sheet`` with texts: each at a corner, and at most so many pixels wide."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    height, width = sheet.shape[:2]
    with lettering():
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        canvas = FigureCanvasAgg(figure)
        figure.figimage(sheet[::-1], origin="lower")
        for (top, left), label, room in texts:
            text = shorten(label, room * 72 / DPI, LABEL)
            figure.text(left / width, 1 - (top + 0.75 * CAPTION) / height, text, fontsize=LABEL, va="baseline")
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    return Image.fromarray(pixels)
