"""Pictures a second in cnncli's loop and in a bare loop with the same network, optimizer and augmentation.

    python -m benchmarks.pictures configs/cifar10-fast.yaml dataset.root=path/to/cifar10

For configs whose augmentation is a flip and a random crop with reflected borders, or nothing. cnncli's side is all that
a run does in a step: loader, metrics, schedule. The two take turns; medians and the median of the ratios are printed.
"""

from itertools import islice
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.on_device import now
from benchmarks.side_by_side import machine, parser
from benchmarks.text import untracked
from cnncli.compute.interrupt import StopSignal
from cnncli.data.sources import ArraySource
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.engine import train_one_epoch

STEPS = 8


def cnncli_round(experiment: Experiment, number: int) -> float:
    """Seconds of ``STEPS`` steps as a run takes them."""
    loader, meter = experiment.loader("train", training=True), experiment.task.meter()
    batches = Display(quiet=True).train(islice(loader.epoch(number), STEPS), STEPS, 0, (1, 1), meter)
    start = now(experiment.runtime.device)
    train_one_epoch(
        experiment.state, batches, experiment.task, experiment.runtime, experiment.config.train, meter, StopSignal()
    )
    meter.compute()
    return now(experiment.runtime.device) - start


def augmented(images: Tensor, padding: int) -> Tensor:
    """Half of uint8 ``[B, C, H, W]`` mirrored, then each shifted by up to ``padding`` pixels."""
    size = images.shape[-1]
    flip = torch.rand(len(images), device=images.device) < 0.5
    images = torch.where(flip.view(-1, 1, 1, 1), images.flip(-1), images)
    wide = F.pad(images.float(), (padding,) * 4, mode="reflect").to(torch.uint8)
    places = torch.randint(2 * padding + 1, (len(images), 2)).tolist()
    return torch.stack([wide[i, :, y : y + size, x : x + size] for i, (y, x) in enumerate(places)])


def bare_round(experiment: Experiment, number: int) -> float:
    """Seconds of the same steps as short as they can be written."""
    source, state, config = experiment.data.sources["train"], experiment.state, experiment.config
    assert isinstance(source, ArraySource)
    crops = [t.args.get("padding", 4) for t in config.dataset.augment if t.name == "random_crop"]
    preprocess, smoothing = experiment.data.spec.preprocess, float(config.loss.args.get("label_smoothing", 0.0))
    device = experiment.runtime.device
    mean, std = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (preprocess.mean, preprocess.std))
    everything, answers = source.gather(torch.arange(len(source))).to(device), source.targets.to(device)
    order = torch.randperm(len(source), device=device)
    state.model.train()
    start = now(device)
    for indices in order.split(config.dataset.batch_size)[:STEPS]:
        images, targets = everything[indices], answers[indices]
        if crops:
            images = augmented(images, crops[0])
        inputs = images.float().div_(255).sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)
        state.optimizer.zero_grad(set_to_none=True)
        with experiment.runtime.autocast():
            logits = state.model(inputs)
        F.cross_entropy(logits.float(), targets, label_smoothing=smoothing).backward()
        state.optimizer.step()
    return now(device) - start


def main() -> None:
    """Compare the two on the config that the command line names."""
    command = parser(__doc__, 5)
    command.add_argument("config", nargs="?", default="configs/cifar10-fast.yaml")
    command.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    given = command.parse_args()
    path, overrides = given.config, [f"device={given.device}", *given.overrides]
    ours, bare = (build_experiment(load_config(Path(path), overrides), untracked) for _ in range(2))
    rows: list[tuple[float, float]] = []
    for number in range(given.rounds + 1):  # the first is for warming up
        pair = cnncli_round(ours, number), bare_round(bare, number)
        rows += [pair] if number else []
    pictures = STEPS * ours.config.dataset.batch_size
    table = Table("", "pictures/s")
    for name, seconds in zip(("cnncli", "bare loop"), zip(*rows, strict=True), strict=True):
        table.add_row(name, f"{pictures / median(seconds):,.0f}")
    print(machine(given.device))
    Console().print(table)
    print(f"cnncli's share of the bare loop {100 * median(b / a for a, b in rows):.1f} %")


if __name__ == "__main__":
    main()
