"""The same work as ``plain_mnist`` by cnncli's command line, logging, TensorBoard and checkpoints on.

    CNNCLI_DATA=… python -m benchmarks.cnncli_mnist [EPOCHS] [KEY=VALUE …]

configs/mnist.yaml with nothing held out and without averaged weights: the same 60,000 pictures, the same steps. Prints
the same JSON line: the ``train_seconds`` of metrics.jsonl, and the seconds of the one look at the test split that ends
the run, in the same process as the training, its whole report (confusion matrix, classes, baselines) included.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.cnncli_run import train
from benchmarks.on_device import chosen, now
from cnncli.training import experiment

CONFIG = Path(__file__).parents[1] / "configs" / "mnist.yaml"


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """``function``, with the time of each call noted in ``seconds``."""

    def call(*args: Any, **kwargs: Any) -> Any:
        start = now(chosen())
        answer = function(*args, **kwargs)
        seconds.append(now(chosen()) - start)
        return answer

    return call


def main() -> None:
    """Train and evaluate."""
    words = sys.argv[1:]
    epochs = int(words.pop(0)) if words and words[0].isdigit() else 1
    same = [
        "dataset.val_fraction=0",
        "checkpoint={monitor: train/loss}",
        f"train={{epochs: {epochs}}}",
        f"device={chosen()}",
    ]
    looks: list[float] = []
    experiment.report_split = timed(experiment.report_split, looks)
    lines, result = train([str(CONFIG), *same, f"seed={os.environ.get('SEED', '0')}", *words])
    seconds = [line["train_seconds"] for line in lines]
    print(json.dumps({"train": seconds, "eval": looks[-1], "accuracy": result["metrics"]["test"]["accuracy"]}))


if __name__ == "__main__":
    main()
