"""Write the data that the runs here learned from: pictures, tables, series and a text, none of them real.

They are committed, so this only says where they come from: ``python make_data.py`` in this folder.
"""

import math
import random
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_breast_cancer, load_iris

NAMES, VERBS = ("the cat", "a dog", "our bird", "my friend"), ("sees", "likes", "follows", "hears")


def pictures() -> None:
    """Ten pictures: bright below (leaf, green) or above (sky, blue); one is grey, one half transparent."""
    draws = random.Random(1)
    for number, (split, label) in enumerate((s, c) for s in ("train", "val", "test") for c in ("leaf", "sky")):
        for copy in range(3 if split == "train" else 1):
            width, height = (12, 9) if copy % 2 else (10, 13)
            image = Image.new("RGB", (width, height))
            for y in range(height):
                bright = y >= height / 2 if label == "leaf" else y < height / 2
                for x in range(width):
                    low, high = draws.randrange(60), draws.randrange(60) + 150 * bright
                    image.putpixel((x, y), (low, high, low) if label == "leaf" else (low, low, high))
            if number == 4:
                image = image.convert("L")
            if number == 5:
                image.putalpha(128)
            folder = Path("pictures", split, label)
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / f"{copy}.png")


def houses() -> None:
    """60 houses with a price, some cells empty; and four without, the columns in another order."""
    draws = random.Random(2)
    towns = {"Ash": 20.0, "Birch": 0.0, "Cedar": -15.0}
    lines = ["id,area,rooms,town,price"]
    for number in range(60):
        area, rooms, town = draws.randrange(40, 160), draws.randrange(1, 7), draws.choice(list(towns))
        price = 30 + 1.5 * area + 8 * rooms + towns[town] + draws.gauss(0, 5)
        shown = ["" if draws.random() < 0.08 else str(area), str(rooms), "" if draws.random() < 0.08 else town]
        lines.append(",".join([f"{number:03d}", *shown, f"{price:.1f}"]))
    Path("houses.csv").write_text("\n".join(lines) + "\n")
    Path("new-houses.csv").write_text(
        "id,town,rooms,area,remark\n0101,Cedar,3,80,\n0102,,2,55.5,old\n0103,Ash,5,,new\n0104,Birch,6,150,"
        '"large, bright"\n'
    )


def series() -> None:
    """Six years of months with a growing number of visitors, and 80 hours of sun and rain without a date."""
    draws = random.Random(3)
    rows = [
        (f"{2001 + i // 12}-{i % 12 + 1:02}", (200 + 3 * i) * (1 + 0.3 * math.sin(math.tau * i / 12)))
        for i in range(72)
    ]
    lines = ["month,visitors", *(f"{month},{value * draws.uniform(0.95, 1.05):.1f}" for month, value in rows)]
    Path("visitors.csv").write_text("\n".join(lines) + "\n")
    lines = ["sun,wind,rain"]
    for i in range(80):
        sun = 10 + 5 * math.sin(math.tau * i / 12) + draws.gauss(0, 0.5)
        lines.append(f"{sun:.2f},{draws.randrange(9)},{20 - sun + draws.gauss(0, 0.5):.2f}")
    Path("weather.csv").write_text("\n".join(lines) + "\n")


def text() -> None:
    """120 sentences of a few words; the last has a letter that the others do not have."""
    draws = random.Random(4)
    lines = [f"{draws.choice(NAMES)} {draws.choice(VERBS)} {draws.choice(NAMES)}." for _ in range(119)]
    Path("sentences.txt").write_text("\n".join([*lines, "a fiancée hears the cat.", ""]), encoding="utf-8")


def rows_of_sklearn() -> None:
    """Rows to predict, without the answer: of every class of iris, and of both of breast cancer."""
    for name, load, chosen in (("iris", load_iris, (0, 60, 120)), ("breast-cancer", load_breast_cancer, (0, 19, 50))):
        load(as_frame=True).data.iloc[list(chosen)].to_csv(f"new-{name}.csv", index=False)


if __name__ == "__main__":
    pictures()
    houses()
    series()
    text()
    rows_of_sklearn()
