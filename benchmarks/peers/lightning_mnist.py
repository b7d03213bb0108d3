"""``plain_mnist`` by PyTorch Lightning, its logger and checkpoints on: ``… lightning_mnist [EPOCHS] [--tuned]``.

``--tuned`` is what its guides advise for speed: two data workers that persist, bf16 mixed precision.
"""

import json
import os
import sys
import tempfile

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.on_device import chosen, now


class Classifier(lightning.LightningModule):
    """The network, its loss and its optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs, targets = batch
        loss = F.cross_entropy(self.layers(inputs), targets)
        self.log("train_loss", loss)
        return loss

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        inputs, targets = batch
        accuracy = (self.layers(inputs).argmax(1) == targets).float().mean()
        self.log("test_acc", accuracy)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Clock(lightning.Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        self.start, self.seconds = 0.0, list[float]()

    def on_train_epoch_start(self, *_: object) -> None:
        self.start = now(chosen())

    def on_train_epoch_end(self, *_: object) -> None:
        self.seconds.append(now(chosen()) - self.start)


def main() -> None:
    """Train and evaluate."""
    tuned = "--tuned" in sys.argv
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    lightning.seed_everything(int(os.environ.get("SEED", "0")))
    root = os.environ.get("CNNCLI_DATA", "data")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    train = datasets.MNIST(root, train=True, transform=transform, download=True)
    test = datasets.MNIST(root, train=False, transform=transform)
    loading = {"num_workers": 2, "persistent_workers": True} if tuned else {}
    clock = Clock()
    with tempfile.TemporaryDirectory() as place:
        trainer = lightning.Trainer(
            accelerator=chosen().type,
            devices=1,
            max_epochs=numbers[0] if numbers else 1,
            precision="bf16-mixed" if tuned else None,
            callbacks=[clock],
            default_root_dir=place,
        )
        model = Classifier()
        trainer.fit(model, DataLoader(train, 64, shuffle=True, **loading))
        start = now(chosen())
        answer = trainer.test(model, DataLoader(test, 1000, **loading))
        seconds = now(chosen()) - start
    print(json.dumps({"train": clock.seconds, "eval": seconds, "accuracy": answer[0]["test_acc"]}))


if __name__ == "__main__":
    main()
