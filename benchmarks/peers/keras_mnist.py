"""``plain_mnist`` by Keras 3 on torch, the pictures as arrays in memory: ``… keras_mnist [EPOCHS] [--bf16]``."""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from keras import layers
from torchvision.datasets import MNIST

from benchmarks.on_device import chosen, now


def arrays(train: bool) -> tuple[np.ndarray, np.ndarray]:
    """float32 ``[N, 28, 28, 1]`` in -1…1, and the classes."""
    data = MNIST(os.environ.get("CNNCLI_DATA", "data"), train=train, download=True)
    pixels = data.data.numpy().astype("float32") / 255
    return np.expand_dims((pixels - 0.5) / 0.5, -1), data.targets.numpy()


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.seconds = 0.0, list[float]()

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.start = now(chosen())

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(now(chosen()) - self.start)


def main() -> None:
    """Train and evaluate."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    keras.utils.set_random_seed(int(os.environ.get("SEED", "0")))
    if "--bf16" in sys.argv:
        keras.config.set_dtype_policy("mixed_bfloat16")
    (x_train, y_train), (x_test, y_test) = arrays(True), arrays(False)
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, dtype="float32"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    clock = Clock()
    model.fit(x_train, y_train, batch_size=64, epochs=numbers[0] if numbers else 1, callbacks=[clock], verbose=2)
    start = now(chosen())
    _, accuracy = model.evaluate(x_test, y_test, batch_size=1000, verbose=2)
    seconds = now(chosen()) - start
    print(json.dumps({"train": clock.seconds, "eval": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
