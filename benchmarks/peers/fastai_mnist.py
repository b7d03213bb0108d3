"""``plain_mnist`` by fastai, as its guide "Pytorch to fastai details" puts it: ``… fastai_mnist [EPOCHS]``."""

import json
import os
import sys
import tempfile
from functools import partial

import torch
from fastai.basics import Callback, DataLoaders, Learner, OptimWrapper, accuracy
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.on_device import chosen, now
from benchmarks.plain_mnist import Net


class Clock(Callback):
    """Seconds of training of each epoch, and of the validation that follows it."""

    def __init__(self) -> None:
        self.start, self.train, self.valid = 0.0, list[float](), list[float]()

    def before_train(self) -> None:
        self.start = now(chosen())

    def after_train(self) -> None:
        self.train.append(now(chosen()) - self.start)

    def before_validate(self) -> None:
        self.start = now(chosen())

    def after_validate(self) -> None:
        self.valid.append(now(chosen()) - self.start)


def main() -> None:
    """Train and evaluate; the guide's ``DataLoaders`` of two of PyTorch's, the second for validation."""
    torch.manual_seed(int(os.environ.get("SEED", "0")))
    root = os.environ.get("CNNCLI_DATA", "data")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    train = datasets.MNIST(root, train=True, transform=transform, download=True)
    test = datasets.MNIST(root, train=False, transform=transform)
    data = DataLoaders(DataLoader(train, 64, shuffle=True), DataLoader(test, 1000), device=chosen())
    clock = Clock()
    with tempfile.TemporaryDirectory() as place:
        adam = partial(OptimWrapper, opt=optim.Adam)
        learner = Learner(
            data, Net(), loss_func=nn.CrossEntropyLoss(), opt_func=adam, metrics=accuracy, path=place, cbs=[clock]
        )
        learner.fit(int(sys.argv[1]) if len(sys.argv) > 1 else 1, lr=1e-3)
    *_, correct = learner.recorder.final_record
    print(json.dumps({"train": clock.train, "eval": clock.valid[-1], "accuracy": correct}))


if __name__ == "__main__":
    main()
