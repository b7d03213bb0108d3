"""The fine-tuning tutorial's photos: ImageFolder, Pillow, DataLoader with two workers; ResNet-18 in float32.

    python -m benchmarks.plain_photos feed|train FOLDER EPOCHS

``feed`` only takes the batches of FOLDER/train, ``train`` learns from them. Prints a JSON line: the seconds of each
epoch and its number of pictures.
"""

import json
import os
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18

from benchmarks.on_device import chosen, now
from benchmarks.plain_mnist import train_epoch


def pictures(folder: Path) -> DataLoader:
    """Random crops of 224 pixels in batches of 32."""
    transform = transforms.Compose([
        transforms.RandomResizedCrop(224),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])  # fmt: skip
    data = ImageFolder(str(folder / "train"), transform)
    return DataLoader(data, 32, shuffle=True, num_workers=2, persistent_workers=True)


def main() -> None:
    """Feed or train."""
    what, folder, epochs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(int(os.environ.get("SEED", "0")))
    loader = pictures(folder)
    device = chosen()
    model = resnet18(num_classes=len(loader.dataset.classes)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    seconds = []
    for _ in range(epochs):
        start = now(device)
        if what == "train":
            train_epoch(model, loader, optimizer)
        else:
            for inputs, targets in loader:
                inputs.to(device), targets.to(device)
        seconds.append(now(device) - start)
    print(json.dumps({"seconds": seconds, "pictures": len(loader.dataset)}))


if __name__ == "__main__":
    main()
