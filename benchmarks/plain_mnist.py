"""The tutorials' MNIST script: DataLoader, Pillow, float32, ``loss.item()`` in every step.

    CNNCLI_DATA=… python -m benchmarks.plain_mnist [EPOCHS]

Prints a JSON line: seconds of training of each epoch, seconds of evaluation, accuracy on the test split.
"""

import json
import os
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.on_device import chosen, now


class Net(nn.Module):
    """conv 32, conv 64, linear 128, linear 10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def train_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> float:
    """One epoch; its mean loss."""
    model.train()
    total = 0.0
    device = chosen()
    for inputs, targets in loader:
        inputs, targets = inputs.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(targets)
    return total / len(loader.dataset)


def evaluate(model: nn.Module, loader: DataLoader) -> float:
    """Accuracy as a fraction."""
    model.eval()
    correct, device = 0, chosen()
    with torch.no_grad():
        for inputs, targets in loader:
            inputs, targets = inputs.to(device), targets.to(device)
            correct += (model(inputs).argmax(1) == targets).sum().item()
    return correct / len(loader.dataset)


def main() -> None:
    """Train and evaluate as the tutorial does."""
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    torch.manual_seed(int(os.environ.get("SEED", "0")))
    root = os.environ.get("CNNCLI_DATA", "data")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    train = datasets.MNIST(root, train=True, transform=transform, download=True)
    test = datasets.MNIST(root, train=False, transform=transform)
    loader, test_loader = DataLoader(train, 64, shuffle=True), DataLoader(test, 1000)
    device = chosen()
    model = Net().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    seconds = []
    for _ in range(epochs):
        start = now(device)
        train_epoch(model, loader, optimizer)
        seconds.append(now(device) - start)
    start = now(device)
    accuracy = evaluate(model, test_loader)
    print(json.dumps({"train": seconds, "eval": now(device) - start, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
