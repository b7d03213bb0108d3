"""Head-only fine-tuning with kept features against the same without: ``python -m benchmarks.features FOLDER``.

FOLDER holds photos in ``image_folder``'s layout. Both train the head of a ResNet-18 at 224 pixels for ten epochs, in
turn; the weights are random, which costs the same. Seconds are those of training and validation, with the one pass
that computes the features; decoding happens before and is the same for both.
"""

import json
import tempfile
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torchvision.models import resnet18

from benchmarks.side_by_side import parser
from cnncli.training import experiment
from cnncli.training.configs import load_finetune
from cnncli.training.display import Display
from cnncli.training.new_run import NewRun

EPOCHS = 10


def seconds(folder: Path, weights: Path, cached: bool, place: Path, device: str) -> float:
    """The time of all epochs of one run."""
    settings = {"strategy": "head", "weights": str(weights)}
    overrides = [
        f"finetune.cache_features={str(cached).lower()}", f"train.epochs={EPOCHS}", f"device={device}",
        "logging.tensorboard=false", "logging.samples=false", "logging.pictures=false",
    ]  # fmt: skip
    loaded = load_finetune("resnet18", None, folder, settings, overrides)
    result = experiment.train(loaded, NewRun(place), Display(quiet=True))
    lines = (Path(result.run_dir) / "metrics.jsonl").read_text().splitlines()
    return sum(line["train_seconds"] + line["eval_seconds"] for line in map(json.loads, lines))


def main() -> None:
    """Print a table of both, their medians and the ratio."""
    made = parser(__doc__, 3)
    made.add_argument("folder", type=Path)
    given = made.parse_args()
    folder = given.folder
    table = Table("round", "without, s", "kept features, s", "ratio")
    ratios = []
    with tempfile.TemporaryDirectory() as place:
        weights = Path(place, "resnet18.pth")
        torch.save(resnet18().state_dict(), weights)
        for number in range(1, given.rounds + 1):
            kept = seconds(folder, weights, True, Path(place), given.device)
            without = seconds(folder, weights, False, Path(place), given.device)
            ratios.append(without / kept)
            table.add_row(str(number), f"{without:.2f}", f"{kept:.2f}", f"{ratios[-1]:.1f}")
    Console().print(table)
    print(f"median ratio {median(ratios):.1f}")


if __name__ == "__main__":
    main()
