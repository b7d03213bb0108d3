"""The same photos and network as ``plain_photos``, by cnncli.

    python -m benchmarks.cnncli_photos feed|train FOLDER EPOCHS

``feed`` takes the batches of cnncli's loader, ``train`` runs the command line. Pictures are kept at 256 pixels, and
the random crops are made from that; of the plain script's they are made from the whole file. Prints the same JSON line.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.cnncli_run import train
from benchmarks.on_device import chosen, now
from benchmarks.side_by_side import Taken
from cnncli.training.build import build_experiment
from cnncli.training.configs import load_config


def settings(folder: str, epochs: int) -> dict[str, Any]:
    """The config; what it does not name is cnncli's default."""
    return {
        "seed": int(os.environ.get("SEED", "0")),
        "device": str(chosen()),
        "dataset": {
            "name": "image_folder",
            "root": folder,
            "image_size": 224,
            "resize": 256,
            "batch_size": 32,
            "normalize": "imagenet",
            "augment": ["random_resized_crop", "random_horizontal_flip"],
        },
        "model": "resnet18",
        "optimizer": {"name": "sgd", "lr": 0.001, "momentum": 0.9},
        "train": {"epochs": epochs},
    }


def untracked(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    """Opening the data shows no progress here."""
    return items


def feed(config: Path, epochs: int) -> Taken:
    """Seconds of each epoch's batches."""
    experiment = build_experiment(load_config(config), untracked)
    loader = experiment.loader("train", training=True)
    seconds, device = [], experiment.runtime.device
    for epoch in range(epochs):
        start = now(device)
        for _batch in loader.epoch(epoch):
            pass
        seconds.append(now(device) - start)
    return {"seconds": seconds, "pictures": len(experiment.data.sources["train"])}


def learn(config: Path) -> Taken:
    """Seconds of training of each epoch."""
    lines, result = train([str(config)])
    return {"seconds": [line["train_seconds"] for line in lines], "pictures": result["metrics"]["train"]["n"]}


def main() -> None:
    """Feed or train."""
    what, folder, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with tempfile.TemporaryDirectory() as place:
        config = Path(place, "photos.yaml")
        config.write_text(yaml.safe_dump(settings(folder, epochs)), encoding="utf-8")
        taken = learn(config) if what == "train" else feed(config, epochs)
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
