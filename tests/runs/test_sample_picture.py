"""A sheet of samples: every pixel of every picture, enlarged by a whole factor, and a label above it."""

import numpy as np
import pytest

from cnncli.runs.sample_picture import CAPTION, GAP, PAPER, sample_sheet

GENERATOR = np.random.default_rng(0)


def noise(height: int, width: int) -> np.ndarray:
    return GENERATOR.integers(0, 200, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "factor"), [(8, 8, 18), (28, 28, 5), (30, 20, 4), (96, 96, 1), (224, 200, 1), (1, 1, 144)]
)
def test_every_pixel_is_there_in_a_square_of_its_own(height: int, width: int, factor: int) -> None:
    picture = noise(height, width)
    sheet = np.asarray(sample_sheet([picture] * 2, ["ants", "昆蟲"]))
    top, left = GAP + CAPTION + 1, GAP + 1
    shown = sheet[top : top + height * factor, left : left + width * factor]
    assert (shown[::factor, ::factor] == picture).all()
    assert (shown.reshape(height, factor, width, factor, 3) == picture[:, None, :, None]).all()


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (9, (3, 3)), (10, (3, 4))])
def test_the_sheet_is_as_large_as_its_pictures_need(count: int, shape: tuple[int, int]) -> None:
    rows, columns = shape
    width, height = sample_sheet([noise(28, 28)] * count, ["a"] * count).size
    assert (width - GAP) % columns == 0
    assert (width - GAP) // columns == 140 + 2 + GAP
    assert (height - GAP) // rows == 140 + 2 + CAPTION + GAP


def test_a_white_picture_can_be_told_from_the_sheet() -> None:
    white = np.full((28, 28, 3), PAPER, np.uint8)
    sheet = np.asarray(sample_sheet([white], ["white"]))
    frame = sheet[GAP + CAPTION, GAP : GAP + 142]
    assert (frame < PAPER).all()


def test_a_label_stays_in_its_own_cell() -> None:
    plain = np.asarray(sample_sheet([noise(28, 28) * 0] * 2, ["", ""]))
    long = np.asarray(sample_sheet([noise(28, 28) * 0] * 2, ["昆蟲👨\u200d👩\u200d👧" * 20, ""]))
    rows, columns = np.nonzero((plain != long).any(2))
    assert columns.max() < GAP + 142
    assert rows.max() <= GAP + CAPTION
    assert columns.max() > 100, "most of the room is used"
