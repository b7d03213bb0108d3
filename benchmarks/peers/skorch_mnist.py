"""``plain_mnist`` by skorch, the pictures as arrays in memory: ``… skorch_mnist [EPOCHS]``."""

import json
import os
import sys

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn
from torchvision.datasets import MNIST

from benchmarks.on_device import chosen, now
from benchmarks.plain_mnist import Net


def arrays(train: bool) -> tuple[np.ndarray, np.ndarray]:
    """float32 ``[N, 1, 28, 28]`` in -1…1, and the classes."""
    data = MNIST(os.environ.get("CNNCLI_DATA", "data"), train=train, download=True)
    pixels = data.data.numpy().astype("float32") / 255
    return np.expand_dims((pixels - 0.5) / 0.5, 1), data.targets.numpy()


def main() -> None:
    """Train and evaluate."""
    torch.manual_seed(int(os.environ.get("SEED", "0")))
    (x_train, y_train), (x_test, y_test) = arrays(True), arrays(False)
    net = NeuralNetClassifier(
        Net,
        max_epochs=int(sys.argv[1]) if len(sys.argv) > 1 else 1,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=64,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=1000,
        device=str(chosen()),
        train_split=None,  # all 60,000 pictures
    )
    net.fit(x_train, y_train)
    start = now(chosen())
    accuracy = net.score(x_test, y_test)
    seconds = now(chosen()) - start
    print(json.dumps({"train": net.history[:, "dur"], "eval": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
