"""Where the ink of a digit lies, learned from pictures: ``python -m benchmarks.digit_centers FOLDER [KEY=VALUE …]``.

Writes scikit-learn's 1,797 digits as PNGs to FOLDER, ``centers.csv`` with the centre of mass of the pixels of each
(x and y in pixels from the left upper one, known exactly), and ``centers.yaml``, and trains that by the command line.
It is done when R² on the test part is 0.95 or more; what was reached is the last line printed.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

WANTED = 0.95
CONFIG = """\
# cnncli train {folder}/centers.yaml
name: digit-centers
dataset:
  name: image_csv
  file: {table}
  label: [x, y]
  image_size: 8
  channels: 1
  test_fraction: 0.2
task: regression
model: {{name: mlp, hidden: [64]}}
optimizer: {{name: adam, lr: 3e-3}}
scheduler: cosine
train: {{epochs: 30}}
"""


def write(folder: Path) -> Path:
    """Pictures, table and config; the path of the config."""
    (folder / "digits").mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:8, :8]
    listed: list[tuple[str, float, float]] = []
    for number, values in enumerate(load_digits().images):
        levels = (values * 15).astype(np.uint8)  # 0 to 16 becomes 0 to 240
        name = f"digits/{number:04d}.png"
        Image.fromarray(levels).save(folder / name)
        mass = levels.astype(np.float64)
        listed.append((name, (mass * columns).sum() / mass.sum(), (mass * rows).sum() / mass.sum()))
    with (folder / "centers.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("path", "x", "y"), *listed])
    config = folder / "centers.yaml"
    config.write_text(CONFIG.format(folder=folder, table=json.dumps(str((folder / "centers.csv").resolve()))))
    return config


def main() -> None:
    """Write, train, compare."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("folder", type=Path, help="a new folder")
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="overrides of the config")
    given = made.parse_args()
    command = [sys.executable, "-m", "cnncli", "train", str(write(given.folder)), *given.overrides, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    reached = json.loads(done.stdout)["metrics"]["test"]
    print(f"test: R² {reached['r2']:.4f}, MAE {reached['mae']:.4f} pixels, {reached['n']} pictures")
    if reached["r2"] < WANTED:
        raise SystemExit(f"R² {reached['r2']:.4f} is below {WANTED}")


if __name__ == "__main__":
    main()
