"""Characters a second in cnncli's loop and in a bare loop over batches made beforehand, for the same network.

    CNNCLI_DATA=… python -m benchmarks.text configs/text/lstm.yaml configs/text/transformer.yaml

The two take turns; the medians of the rounds and their ratio are printed. Whatever else the machine does counts, so
nothing else should run.
"""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.on_device import now
from benchmarks.side_by_side import parser
from cnncli.compute.interrupt import StopSignal
from cnncli.config.sections import Config
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.engine import train_one_epoch

STEPS = 12


def untracked(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    """Opening the data shows no progress here."""
    return items


def cnncli_round(experiment: Experiment, number: int) -> float:
    """Seconds of ``STEPS`` steps as a run takes them: loader, meter, clipping, schedule, display."""
    config: Config = experiment.config
    loader = experiment.loader("train", training=True)
    meter = experiment.task.meter()
    batches = Display(quiet=True).train(islice(loader.epoch(number), STEPS), STEPS, 0, (1, 1), meter)
    start = now(experiment.runtime.device)
    train_one_epoch(experiment.state, batches, experiment.task, experiment.runtime, config.train, meter, StopSignal())
    meter.compute()
    return now(experiment.runtime.device) - start


def bare_round(model: torch.nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any], clip: float) -> float:
    """Seconds of the same steps as short as they can be written."""
    model.train()
    device = next(model.parameters()).device
    start = now(device)
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return now(device) - start


def compare(path: Path, device: str, rounds: int) -> str:
    """A line of the table."""
    ours, bare = (build_experiment(load_config(path, [f"device={device}"]), untracked) for _ in range(2))
    loader = bare.loader("train", training=True)
    batches = [(inputs.contiguous(), targets.contiguous()) for inputs, targets in islice(loader.epoch(0), STEPS)]
    characters = sum(targets.numel() for _, targets in batches)
    clip = bare.config.train.clip_grad_norm or float("inf")
    seconds: dict[str, list[float]] = {"cnncli": [], "bare": []}
    for number in range(-1, rounds):  # the first is for warming up
        taken = {
            "cnncli": cnncli_round(ours, number + 1),
            "bare": bare_round(bare.state.model, bare.state.optimizer, batches, clip),
        }
        for who, value in taken.items():
            if number >= 0:
                seconds[who].append(value)
    speed = {who: characters / median(values) for who, values in seconds.items()}
    ratio = median(b / a for a, b in zip(seconds["cnncli"], seconds["bare"], strict=True))
    return f"{path!s:40} {speed['cnncli']:12,.0f} {speed['bare']:12,.0f} {100 * ratio:9.1f} %"


def main() -> None:
    """Compare every config named on the command line."""
    made = parser(__doc__, 5)
    made.add_argument("configs", nargs="*", default=["configs/text/lstm.yaml", "configs/text/transformer.yaml"])
    given = made.parse_args()
    print(f"{'config':40} {'cnncli, c/s':>12} {'bare, c/s':>12} {'of bare':>11}")
    for name in given.configs:
        print(compare(Path(name), given.device, given.rounds))


if __name__ == "__main__":
    main()
