"""configs/multilabel/mosaics.yaml in plain PyTorch: the same net, optimizer, schedule, epochs and batches.

    python -m benchmarks.plain_mosaics FOLDER [EPOCHS]

FOLDER is what ``benchmarks.mosaics`` made. A tenth of the training part picks the epoch whose weights are tested, as
cnncli does it; everything is float32. Prints a JSON line: seed (SEED in the environment), epoch, validation, test.
"""

import copy
import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

EPOCHS, BATCH, LR = 6, 64, 0.004


def read(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Pictures of a split, uint8 ``[N, 3, 64, 64]``, and their labels, float32 ``[N, 10]``."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = sorted({name for row in rows for name in row["labels"].split("|")})
    rows = [row for row in rows if row["split"] == split]
    pictures = np.stack([np.asarray(Image.open(folder / row["path"])) for row in rows])
    labels = [[float(name in row["labels"].split("|")) for name in classes] for row in rows]
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def network(classes: int) -> nn.Sequential:
    """[conv 3×3, batchnorm, ReLU, maxpool 2] of 16, 32, 64 channels, one of 128 without pooling, maximum, linear."""
    layers: list[nn.Module] = []
    before = 3
    for width in (16, 32, 64, 128):
        layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if width < 128 else []
        before = width
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(before, classes))


def mean_average_precision(model: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """Over the classes; ``pictures`` are normalised already."""
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(part) for part in pictures.split(500)])
    return float(average_precision_score(labels.numpy(), scores.numpy(), average="macro"))


def main() -> None:
    """Train, choose the epoch on validation, test."""
    folder, epochs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else EPOCHS
    seed = int(os.environ.get("SEED", "0"))
    torch.manual_seed(seed)
    pictures, labels = read(folder, "train")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))  # the same part for every seed
    kept, held = order[len(order) // 10 :], order[: len(order) // 10]
    scaled = pictures[kept].float() / 255
    mean, std = (values.view(-1, 1, 1) for values in (scaled.mean((0, 2, 3)), scaled.std((0, 2, 3))))
    test, test_labels = read(folder, "test")
    train, val, test = ((part.float() / 255 - mean) / std for part in (pictures[kept], pictures[held], test))
    truth = labels[kept]
    model = network(labels.shape[1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    steps = -(-len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=epochs * steps)
    best, best_epoch, weights = 0.0, 0, model.state_dict()
    for epoch in range(1, epochs + 1):
        model.train()
        for batch in torch.randperm(len(train)).split(BATCH):
            inputs = train[batch]
            inputs = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, inputs.flip(-1), inputs)
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(inputs), truth[batch]).backward()
            optimizer.step()
            schedule.step()
        reached = mean_average_precision(model, val, labels[held])
        print(f"epoch {epoch}/{epochs} val {reached:.4f}", file=sys.stderr, flush=True)
        if reached > best:
            best, best_epoch, weights = reached, epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    print(json.dumps({"seed": seed, "epoch": best_epoch, "validation": best,
                      "test": mean_average_precision(model, test, test_labels)}))  # fmt: skip


if __name__ == "__main__":
    main()
