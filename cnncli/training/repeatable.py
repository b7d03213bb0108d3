"""Whether a second run on the same GPU would be the same to the last bit: a step that is tried before training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from cnncli.compute.determinism import be_strict, noting_disorder, tell_disorder
from cnncli.compute.runtime import Runtime
from cnncli.data.loaders import Batch, Loader
from cnncli.tasks.protocol import Task


def settle_order(model: nn.Module, task: Task, loader: Loader, runtime: Runtime) -> None:
    """Let a GPU compute in a fixed order alone, or say which layers it cannot; the network stays as it is.

    Nothing happens on other devices, and where the config does not want it.
    """
    if runtime.device.type != "cuda" or not runtime.compute.deterministic:
        return
    batch = next(iter(loader.epoch(0)))
    with noting_disorder() as found, _untouched(model, runtime.device):
        _step(model, task, batch, runtime)
    if found:
        tell_disorder(model, found)
    else:
        be_strict()


def _step(model: nn.Module, task: Task, batch: Batch, runtime: Runtime) -> None:
    """What a training step asks of the device, but for the optimizer."""
    inputs, targets = batch
    with runtime.autocast():
        outputs = model.train()(inputs)
    loss = task.loss(outputs.float(), targets)
    loss.backward()
    task.meter().update(loss.detach(), task.weight(targets), outputs, targets)


@contextmanager
def _untouched(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Put back what a step changes: the statistics of BatchNorm, gradients, random numbers."""
    was_training = model.training
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    generator = torch.cuda.default_generators[device.index or 0]
    state = generator.get_state()
    with torch.random.fork_rng(devices=[]):
        yield
    generator.set_state(state)
    model.zero_grad(set_to_none=True)
    model.train(was_training)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(before[name])
