"""An alphabet of 5×5 pixels: small enough to read every weight, and to know every input there is."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from cnncli.core.registry import datasets
from cnncli.core.seeding import derive_seed
from cnncli.data.pictures import PictureData
from cnncli.data.sources import ArraySource

SIZE = 5
# any two letters differ in at least three pixels, so no flip of one is a flip of another; X differs in six or more
ALPHABET = {
    "A": ".###. #...# ##### #...# #...#",
    "B": "####. #...# ####. #...# ####.",
    "C": ".#### #.... #.... #.... .####",
    "D": "###.. #..#. #...# #..#. ###..",
    "E": "##### #.... ####. #.... #####",
    "F": "##### #.... ####. #.... #....",
    "G": ".#### #.... #..## #...# .####",
    "H": "#...# #...# ##### #...# #...#",
    "I": ".###. ..#.. ..#.. ..#.. .###.",
    "J": "..### ...#. ...#. #..#. .##..",
    "K": "#..#. #.#.. ##... #.#.. #..#.",
    "L": "#.... #.... #.... #.... #####",
    "M": "#...# ##.## #.#.# #.#.# #...#",
    "N": "#...# ##..# #.#.# #..## #...#",
    "O": ".###. #...# #...# #...# .###.",
    "P": "####. #...# #...# ####. #....",
    "Q": ".###. #...# #.#.# #..#. .##.#",
    "R": "####. #...# ####. #..#. #...#",
    "S": ".#### #.... .###. ....# ####.",
    "T": "##### ..#.. ..#.. ..#.. ..#..",
    "U": "#...# #...# #...# #...# .###.",
    "V": "#...# #...# #...# .#.#. ..#..",
    "W": "#...# #.#.# #.#.# #.#.# .#.#.",
    "X": "#...# .#.#. ..#.. .#.#. #...#",
    "Y": "#...# .#.#. ..#.. ..#.. ..#..",
    "Z": "##### ...#. ..#.. .#... #####",
}


@datasets.register("letters5x5", suggests={"task": "binary"})
def letters5x5(letter: Annotated[str, Field(pattern=r"^[A-Z]$")] | None = "X") -> PictureData:
    """Capital letters of 5×5 black and white pixels: `letter` or another, or with null which of the 26.

    To learn from: every letter as it is, and with one pixel flipped, for half of its pixels; the other half is test.
    """
    classes = tuple(ALPHABET) if letter is None else ("other", letter)
    train, test, train_targets, test_targets = [], [], [], []
    for number, name in enumerate(ALPHABET):
        clean, learned, held_out = _variants(name, number)
        target = number if letter is None else int(name == letter)
        train += [clean, *learned]
        test += held_out
        train_targets += [target] * (1 + len(learned))
        test_targets += [target] * len(held_out)
    return PictureData(
        classes,
        train=ArraySource(torch.stack(train), torch.tensor(train_targets)),
        test=ArraySource(torch.stack(test), torch.tensor(test_targets)),
    )


def letter_picture(name: str) -> Tensor:
    """One letter without a fault, uint8 ``[1, 5, 5]`` of 0 and 255 (the strokes)."""
    pixels = [255 * (pixel == "#") for pixel in ALPHABET[name].replace(" ", "")]
    return torch.tensor(pixels, dtype=torch.uint8).view(1, SIZE, SIZE)


def _variants(name: str, number: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """A letter as it is, and its single-pixel flips for training and for test, uint8 ``[1, 5, 5]`` each."""
    clean = letter_picture(name)
    flips = clean.flatten().repeat(SIZE * SIZE, 1)
    flips.diagonal().copy_(255 - flips.diagonal())
    generator = torch.Generator().manual_seed(derive_seed(0, "letters5x5", name))
    shuffled = torch.randperm(SIZE * SIZE, generator=generator)
    half = 12 + number % 2  # 25 flips do not halve: 12 and 13 in turn
    pictures = flips.view(-1, 1, SIZE, SIZE)
    return clean, list(pictures[shuffled[:half].sort().values]), list(pictures[shuffled[half:].sort().values])
