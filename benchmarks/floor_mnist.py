"""The same work as ``plain_mnist`` in as few steps as PyTorch allows: the floor that cnncli is measured against.

    CNNCLI_DATA=… python -m benchmarks.floor_mnist [EPOCHS]

uint8 in memory, gathered once an epoch; glibc keeps freed memory; channels_last; bf16 autocast; fused Adam; pooling
before ReLU; denormals flushed. Prints the same JSON line.
"""

import ctypes
import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.datasets import MNIST


def normalized(images: Tensor) -> Tensor:
    """uint8 ``[N, 28, 28]`` as float32 ``[N, 1, 28, 28]`` in -1…1, channels innermost."""
    pixels = images.float().div_(127.5).sub_(1).unsqueeze(1)
    return pixels.contiguous(memory_format=torch.channels_last)


def train_epoch(model: nn.Module, images: Tensor, targets: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One epoch."""
    order = torch.randperm(len(images))
    for inputs, labels in zip(normalized(images[order]).split(64), targets[order].split(64), strict=True):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(inputs)
        F.cross_entropy(outputs.float(), labels).backward()
        optimizer.step()


@torch.inference_mode()
def evaluate(model: nn.Module, images: Tensor, targets: Tensor) -> float:
    """Accuracy as a fraction."""
    correct = torch.zeros((), dtype=torch.long)
    for inputs, labels in zip(images.split(1000), targets.split(1000), strict=True):
        with torch.autocast("cpu", torch.bfloat16):
            correct += (model(normalized(inputs)).argmax(1) == labels).sum()
    return correct.item() / len(targets)


def main() -> None:
    """Train and evaluate."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for option, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-2, 1 << 28)):  # mmap threshold, trim threshold, top pad
            libc.mallopt(option, value)
    torch.set_flush_denormal(True)
    torch.manual_seed(int(os.environ.get("SEED", "0")))
    train, test = (MNIST(os.environ.get("CNNCLI_DATA", "data"), train=part, download=part) for part in (True, False))
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    seconds = []
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        start = time.perf_counter()
        train_epoch(model, train.data, train.targets, optimizer)
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    accuracy = evaluate(model.eval(), test.data, test.targets)
    print(json.dumps({"train": seconds, "eval": time.perf_counter() - start, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
