"""Steps that do not depend on the config's optimizer: Adam on the network, and the best answer without one."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from cnncli.insight.checkup.bench import Bench
from cnncli.tasks.protocol import Targets, Task
from cnncli.training.engine import wide

AT_ONCE = 64


def without_dropout(bench: Bench) -> None:
    """The mode in which the network learns, but with all of its units."""
    bench.learning_mode()
    for module in bench.model.modules():
        if isinstance(module, _DropoutNd):
            module.eval()


def loss_of(bench: Bench, inputs: Tensor, targets: Targets) -> Tensor:
    """The training loss of a batch, with gradients; in fp16 it is computed in fp32, which needs no scale."""
    outputs = bench.model(inputs)
    return bench.experiment.task.loss(wide(outputs), targets)


@torch.no_grad()
def outputs_of(bench: Bench, inputs: Tensor) -> Tensor:
    """The network's answers as in training: BatchNorm normalises by the batch, whose size is that of training.

    A last batch of a single sample is left out where there are others.
    """
    without_dropout(bench)
    size = min(max(bench.experiment.config.dataset.batch_size, 2), AT_ONCE)
    parts = [part for part in inputs.split(size) if len(part) > 1 or len(inputs) == 1]
    return torch.cat([wide(bench.model(part)) for part in parts])


def adam_steps(bench: Bench, batches: Iterable[tuple[Tensor, Tensor]], rates: Iterable[float], seconds: float
               ) -> Iterator[float]:  # fmt: skip
    """Take a step of Adam for each batch and rate, without dropout, and give its loss; the weights stay changed."""
    learning = [parameter for parameter in bench.model.parameters() if parameter.requires_grad]
    optimizer, start = torch.optim.Adam(learning), time.perf_counter()
    for (inputs, targets), rate in zip(batches, rates, strict=False):
        without_dropout(bench)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(bench, inputs, targets)
        loss.backward()
        optimizer.step()
        yield loss.item()
        if time.perf_counter() - start > seconds:
            return


def best_constant(task: Task, targets: Tensor, example: Tensor, every_position: bool) -> Tensor:
    """The one answer that has the lowest loss over ``targets``, found by Adam; ``[1, …]`` as one of ``example``'s.

    Of a text it is one for all positions.
    """
    one = torch.zeros_like(example[:1, :1] if every_position else example[:1], requires_grad=True)
    optimizer = torch.optim.Adam([one], lr=0.1)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.3 * (1 - step / 200)
        optimizer.zero_grad()
        task.eval_loss(one.expand(len(targets), *example.shape[1:]), targets).backward()
        optimizer.step()
    return one.detach().expand(1, *example.shape[1:])


@contextmanager
def putting_back(bench: Bench) -> Iterator[nn.Module]:
    """The network with its first weights, which it has again afterwards."""
    bench.restore()
    try:
        yield bench.model
    finally:
        bench.restore()
