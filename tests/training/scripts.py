"""Networks as the scripts of tutorials have them, trained in plain PyTorch: nothing of cnncli is used."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


class Small(nn.Module):
    """Two convolutions and two linear layers, by their names; answers with log-probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        return torch.log_softmax(self.fc2(torch.relu(self.fc1(x.flatten(1)))), 1)


class Normed(nn.Module):
    """Its normalisation layers are made after all others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16, 10)
        self.bn1, self.bn2 = nn.BatchNorm2d(8), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 2)
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))


class Perceptron(nn.Module):
    """784 → 128 → 10."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(784, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.hidden(x.view(-1, 784))))


class Simple(nn.Module):
    """The simple CNN of many tutorials."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.pool, self.relu = nn.MaxPool2d(2), nn.ReLU()
        self.fc1, self.fc2 = nn.Linear(64 * 7 * 7, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        return self.fc2(self.relu(self.fc1(x.view(x.size(0), -1))))


class FiveByFive(nn.Module):
    """Blocks of five-by-five convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(1, 16, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2))
        self.block2 = nn.Sequential(
            nn.Conv2d(16, 32, 5, 1, 2), nn.ReLU(), nn.Conv2d(32, 32, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.block3 = nn.Sequential(nn.Conv2d(32, 64, 5, 1, 2), nn.ReLU())
        self.out = nn.Linear(64 * 7 * 7, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.block3(self.block2(self.block1(x))).flatten(1))


Optimizer = Callable[..., torch.optim.Optimizer]


def fit(model: nn.Module, x: Tensor, y: Tensor, epochs: int, make: Optimizer, batch: int = 64) -> None:
    """The loop of a tutorial."""
    optimizer = make(model.parameters())
    torch.manual_seed(0)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    model.eval()


@torch.no_grad()
def right(model: nn.Module, x: Tensor, y: Tensor) -> int:
    """How many samples are classified correctly."""
    return sum(int((model(a).argmax(1) == b).sum()) for a, b in zip(x.split(1000), y.split(1000), strict=True))


def mnist(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Pictures between 0 and 1, ``[N, 1, 28, 28]``, and digits, from the published files."""
    images = np.fromfile(folder / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28)
    labels = np.fromfile(folder / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", np.uint8)[8:]
    return torch.from_numpy(images).float() / 255, torch.from_numpy(labels).long()
