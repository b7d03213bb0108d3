"""Batches on the device, from memory or from files, behind one contract.

A loader has ``len(loader)`` batches and ``loader.epoch(epoch, start)``, which yields ``(inputs, targets)``; of
pictures float32 ``[B, C, H, W]`` normalised, channels innermost where they are stored so, and int64 ``[B]``. What a
batch holds depends on seed, epoch and position only, so an epoch can be entered at any batch, and both loaders give
the same batches.
"""

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from cnncli.core.errors import DataError
from cnncli.core.spec import DataSpec, Pictures
from cnncli.core.targets import Shares
from cnncli.data.geometry import innermost
from cnncli.data.mixing import Mix
from cnncli.data.order import Order, Part
from cnncli.data.sources import ArraySource, FileSource, Held, Source, movable
from cnncli.data.transfer import sent
from cnncli.data.transforms import Augment, center
from cnncli.data.workers import ReadAhead

Targets = Tensor | Shares
Batch = tuple[Tensor, Targets]

CHUNK_VALUES = 2**20  # input values that are prepared at once: as floats they still fit into a processor's cache,
ON_DEVICE = 2**26  # or are a small part of a GPU's memory


class Normalizer:
    """uint8 pictures ``[B, C, H, W]`` to float32: their centre of ``size``, ``(pixel / 255 - mean) / std``."""

    def __init__(self, preprocess: Pictures, size: tuple[int, int], device: torch.device) -> None:
        self.device, self.size = device, size
        self.mean = torch.tensor(preprocess.mean, device=device).view(-1, 1, 1)
        self.std = torch.tensor(preprocess.std, device=device).view(-1, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        pixels = center(images, self.size).to(self.device, non_blocking=self.device.type == "cuda")
        if not innermost(pixels):
            return pixels.float().div_(255).sub_(self.mean).div_(self.std)
        # a line of all columns and channels at a time: loops over three channels cannot use vector instructions
        lines = pixels.permute(0, 2, 3, 1).flatten(2).float()
        mean, std = (values.flatten().repeat(self.size[1]) for values in (self.mean, self.std))
        lines.div_(255).sub_(mean).div_(std)
        return lines.view(*lines.shape[:2], self.size[1], -1).permute(0, 3, 1, 2)

    def undo(self, inputs: Tensor) -> Tensor:
        """Normalised inputs back to uint8 pictures, for looking at them."""
        return inputs.mul(self.std).add(self.mean).mul(255).round().clamp(0, 255).to(torch.uint8)


def normalizer_for(spec: DataSpec, device: torch.device) -> Normalizer | None:
    """What turns stored samples into inputs; None where they are stored as the network gets them."""
    if not isinstance(spec.preprocess, Pictures):  # the one kind that is kept in bytes
        return None
    _, height, width = spec.input_shape
    return Normalizer(spec.preprocess, (height, width), device)


class MemoryLoader:
    """Batches gathered by index from samples in memory, augmented and made floats on the device.

    The samples lie on the device, or on the host, from where they are sent. Several small batches are prepared at
    once: most of what an operation on little data costs is the call.
    """

    def __init__(
        self,
        held: Held,
        order: Order,
        device: torch.device,
        normalizer: Normalizer | None = None,
        augment: Augment | None = None,
        mix: Mix | None = None,
    ) -> None:
        self.held, self.device = held, device
        self.order, self.normalizer, self.augment, self.mix = order, normalizer, augment, mix
        source = held.source
        values = torch.Size(source.shape).numel() + torch.Size(source.targets.shape[1:]).numel()
        at_once = CHUNK_VALUES if held.device.type == "cpu" else ON_DEVICE
        self.batches_at_once = max(at_once // max(order.batch_size * values, 1), 1)
        sent_on = "" if held.device == device else f", sent to {device} in every epoch"
        self.where = f"in memory on {held.device}{sent_on}"

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of ``epoch`` from number ``start`` on; the samples are moved before the first is asked for."""
        return self._batches(self.held.get(), epoch, start)

    def _batches(self, source: ArraySource, epoch: int, start: int) -> Iterator[Batch]:
        parts = self.order.parts(epoch)
        while start < len(parts):
            stop = start - start % self.batches_at_once + self.batches_at_once
            for number, batch in enumerate(self._prepared(source, parts[start:stop], epoch), start):
                yield batch if self.mix is None else self.mix(*batch, epoch, number)
            start = stop

    def _prepared(self, source: ArraySource, parts: list[Part], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of these ``parts`` before they are mixed."""
        indices = torch.cat([part.indices for part in parts])
        here = sent(indices, source.targets.device)
        inputs = sent(source.gather(here), self.device)
        targets = sent(movable(source.targets[here], self.device), self.device)
        if self.augment is not None:
            positions = torch.cat([part.positions for part in parts])
            inputs = self.augment(inputs, self.augment.draws(epoch, indices, positions))
        if self.normalizer is not None:
            inputs = self.normalizer(inputs)
        sizes = [len(part.indices) for part in parts]
        return zip(inputs.split(sizes), targets.split(sizes), strict=True)


class StreamLoader:
    """Batches decoded and augmented by worker processes, for sets that do not fit into memory."""

    def __init__(
        self,
        source: Source,
        order: Order,
        normalizer: Normalizer,
        workers: int,
        augment: Augment | None = None,
        mix: Mix | None = None,
    ) -> None:
        self.order, self.normalizer, self.mix = order, normalizer, mix
        self.sampler = _KeyedBatches(order)
        self.where = f"read by {workers} workers in every epoch"
        on_gpu = normalizer.device.type == "cuda"
        self.batches = ReadAhead(_Batches(source, augment), self.sampler, workers, lasting=True, pin=on_gpu)

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of ``epoch`` from number ``start`` on.

        Raises ``DataError`` for an unreadable picture, ``TrainingError`` when a worker ends.
        """
        self.sampler.epoch, self.sampler.start = epoch, start
        for number, read in enumerate(self.batches, start):
            if isinstance(read, DataError):
                raise read
            images, targets = read
            device = self.normalizer.device
            targets = movable(targets, device).to(device, non_blocking=device.type == "cuda")
            batch = self.normalizer(images), targets
            yield batch if self.mix is None else self.mix(*batch, epoch, number)


Loader = MemoryLoader | StreamLoader


class _Key(NamedTuple):
    """A part of a batch of an epoch."""

    epoch: int
    part: Part


class _KeyedBatches(Sampler[_Key]):
    """Yields the keys of batches, so that a worker knows all that a batch depends on."""

    def __init__(self, order: Order) -> None:
        self.order, self.epoch, self.start = order, 0, 0

    def __len__(self) -> int:
        return len(self.order) - self.start

    def __iter__(self) -> Iterator[_Key]:
        for part in self.order.parts(self.epoch)[self.start :]:
            yield _Key(self.epoch, part)


class Read(NamedTuple):
    """Some pictures in order: uint8 ``[G, C, H, W]`` of those that could be read, and by position what is wrong."""

    images: Tensor
    errors: dict[int, DataError]


class _Pictures(Dataset[Any]):
    """Decodes the pictures of a batch."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, key: _Key) -> Read:
        images, errors = [], {}
        for number, index in enumerate(key.part.indices.tolist()):
            try:
                images.append(self.source[index])
            except DataError as error:  # returned, not raised: a worker's traceback is no message for a user
                errors[number] = error
        return Read(_stacked(images), errors)


class _Batches(Dataset[Any]):
    """Decodes and augments a batch, or gives the first error."""

    def __init__(self, source: Source, augment: Augment | None) -> None:
        self.pictures, self.targets, self.augment = _Pictures(source), source.targets, augment

    def __getitem__(self, key: _Key) -> tuple[Tensor, Tensor] | DataError:
        images, errors = self.pictures[key]
        if errors:
            return next(iter(errors.values()))
        if self.augment is not None:
            images = self.augment(images, self.augment.draws(key.epoch, key.part.indices, key.part.positions))
        return images, self.targets[key.part.indices]


def _stacked(images: list[Tensor]) -> Tensor:
    """One tensor for all, in their order in memory: a worker sends each of its tensors through a file of its own."""
    if not images:
        return torch.empty(0)
    if images[0].stride(0) == 1 and len(images[0]) > 1:
        return torch.stack([image.permute(1, 2, 0) for image in images]).permute(0, 3, 1, 2)
    return torch.stack(images)


def read_pictures(source: FileSource, workers: int, batch_size: int = 256) -> Generator[Read, None, None]:
    """Decode every picture once, in order, batch by batch; raises ``TrainingError`` when a worker ends."""
    order = Order(len(source), batch_size, training=False)
    yield from ReadAhead(_Pictures(source), _KeyedBatches(order), workers)
