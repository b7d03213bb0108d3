"""Pictures with several labels, made from pictures with one: ``python -m benchmarks.mosaics SOURCE DESTINATION``.

SOURCE holds class folders under ``train`` and ``test`` (CIFAR-10 as JPEG files, say). Each mosaic is 2 × 2 of them, its
labels are the classes that occur. No picture is used twice, and the test mosaics are made of test pictures only.
DESTINATION gets ``train/…png``, ``test/…png`` and ``labels.csv`` with the columns path, labels (``cat|dog``) and split.
Of ten equally frequent classes each is in 1 - 0.9⁴ = 34 % of the mosaics: the mean average precision of guessing.
"""

import argparse
import csv
from pathlib import Path
from random import Random

from PIL import Image

from cnncli.data.folders import find_pictures

Tile = tuple[Path, str]


def tiles(folder: Path, random: Random) -> list[Tile]:
    """Every picture of the class folders and its class, shuffled."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [(path, name) for name in names for path in sorted(find_pictures(folder / name))]
    random.shuffle(found)
    return found


def mosaic(four: list[Tile]) -> Image.Image:
    """Four pictures of the size of the first in a square."""
    pictures = [Image.open(path).convert("RGB") for path, _ in four]
    width, height = pictures[0].size
    canvas = Image.new("RGB", (2 * width, 2 * height))
    for number, picture in enumerate(pictures):
        canvas.paste(picture.resize((width, height)), (number % 2 * width, number // 2 * height))
    return canvas


def write(source: Path, destination: Path, counts: dict[str, int], seed: int) -> None:
    """Make so many mosaics of every split, and their table."""
    rows = []
    for split, count in counts.items():
        found = tiles(source / split, Random(f"{seed} {split}"))
        if 4 * count > len(found):
            raise SystemExit(f"{source / split}: has {len(found)} pictures, {count} mosaics take {4 * count}")
        (destination / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            four = found[4 * number : 4 * number + 4]
            name = f"{split}/{number:05d}.png"
            mosaic(four).save(destination / name)
            rows.append((name, "|".join(sorted({label for _, label in four})), split))
    with (destination / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("path", "labels", "split"), *rows])


def main() -> None:
    """Make the set that the command line asks for."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("source", type=Path, help="a folder with train/<class>/… and test/<class>/…")
    made.add_argument("destination", type=Path, help="a new folder")
    made.add_argument("--train", type=int, default=8000, metavar="N", help="mosaics to learn from; 8000 unless given")
    made.add_argument("--test", type=int, default=2000, metavar="N", help="mosaics to test with; 2000 unless given")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same mosaics")
    given = made.parse_args()
    write(given.source, given.destination, {"train": given.train, "test": given.test}, given.seed)
    print(f"{given.train + given.test:,} mosaics in {given.destination}")


if __name__ == "__main__":
    main()
