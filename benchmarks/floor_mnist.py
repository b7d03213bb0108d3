"""The same work as ``plain_mnist`` in as few steps as PyTorch allows: the floor that cnncli is measured against.

    CNNCLI_DATA=… python -m benchmarks.floor_mnist [EPOCHS]

uint8 on the device, gathered once an epoch; glibc keeps freed memory; channels_last; fused Adam; pooling before ReLU;
denormals flushed; fp32 or bf16 autocast, whichever a short trial shows to be faster on this machine. Prints the same
JSON line, with the ``precision``.
"""

import ctypes
import json
import os
import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.datasets import MNIST

from benchmarks.on_device import chosen, now

TRIAL = 50 * 64  # pictures


def network() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A new network and its optimizer."""
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    ).to(chosen(), memory_format=torch.channels_last)  # fmt: skip
    return model, torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)


def normalized(images: Tensor) -> Tensor:
    """uint8 ``[N, 28, 28]`` as float32 ``[N, 1, 28, 28]`` in -1…1, channels innermost."""
    pixels = images.float().div_(127.5).sub_(1).unsqueeze(1)
    return pixels.contiguous(memory_format=torch.channels_last)


def autocast(precision: str) -> torch.autocast:
    """bf16 in the forward pass, or nothing for fp32."""
    return torch.autocast(chosen().type, torch.bfloat16, enabled=precision == "bf16")


def train_epoch(
    model: nn.Module, images: Tensor, targets: Tensor, optimizer: torch.optim.Optimizer, precision: str
) -> float:
    """One epoch; the seconds it took."""
    start = now(images.device)
    order = torch.randperm(len(images), device=images.device)
    for inputs, labels in zip(normalized(images[order]).split(64), targets[order].split(64), strict=True):
        optimizer.zero_grad(set_to_none=True)
        with autocast(precision):
            outputs = model(inputs)
        F.cross_entropy(outputs.float(), labels).backward()
        optimizer.step()
    return now(images.device) - start


def faster(images: Tensor, targets: Tensor) -> str:
    """``fp32`` or ``bf16``: processors without instructions for bf16 only emulate it."""
    model, optimizer = network()
    seconds = {}
    for precision in ("fp32", "bf16", "fp32", "bf16"):  # the first time of each warms up
        seconds[precision] = train_epoch(model, images[:TRIAL], targets[:TRIAL], optimizer, precision)
    return min(seconds, key=lambda precision: seconds[precision])


@torch.inference_mode()
def evaluate(model: nn.Module, images: Tensor, targets: Tensor, precision: str) -> float:
    """Accuracy as a fraction."""
    correct = torch.zeros((), dtype=torch.long, device=images.device)
    for inputs, labels in zip(images.split(1000), targets.split(1000), strict=True):
        with autocast(precision):
            correct += (model(normalized(inputs)).argmax(1) == labels).sum()
    return correct.item() / len(targets)


def main() -> None:
    """Train and evaluate."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for option, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-2, 1 << 28)):  # mmap threshold, trim threshold, top pad
            libc.mallopt(option, value)
    torch.set_flush_denormal(True)
    train, test = (MNIST(os.environ.get("CNNCLI_DATA", "data"), train=part, download=part) for part in (True, False))
    device = chosen()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, as cnncli has it
    (images, targets), (test_images, test_targets) = (
        (part.data.to(device), part.targets.to(device)) for part in (train, test)
    )
    precision = faster(images, targets)
    torch.manual_seed(int(os.environ.get("SEED", "0")))
    model, optimizer = network()
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    seconds = [train_epoch(model, images, targets, optimizer, precision) for _ in range(epochs)]
    start = now(device)
    accuracy = evaluate(model.eval(), test_images, test_targets, precision)
    taken = {"train": seconds, "eval": now(device) - start, "accuracy": accuracy, "precision": precision}
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
