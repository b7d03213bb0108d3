"""Batches on the device, from memory or from files, behind one contract.

A loader has ``len(loader)`` batches and ``loader.epoch(epoch, start)``, which yields ``(inputs, targets)``; of
pictures float32 ``[B, C, H, W]`` normalised and int64 ``[B]``. What a batch holds depends on seed, epoch and position
only, so an epoch can be entered at any batch, and both loaders give the same batches.
"""

import os
import signal
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cnncli.core.errors import DataError
from cnncli.core.seeding import derive_seed
from cnncli.core.spec import Preprocess
from cnncli.data.sources import ArraySource, FileSource, Source
from cnncli.data.transforms import Augment, Mix, center

Batch = tuple[Tensor, Tensor]


class Normalizer:
    """uint8 pictures ``[B, C, H, W]`` to float32: their centre of ``size``, ``(pixel / 255 - mean) / std``."""

    def __init__(self, preprocess: Preprocess, size: tuple[int, int], device: torch.device) -> None:
        self.device, self.size = device, size
        self.mean = torch.tensor(preprocess.mean, device=device).view(-1, 1, 1)
        self.std = torch.tensor(preprocess.std, device=device).view(-1, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        pixels = center(images, self.size).to(self.device, non_blocking=True)
        return pixels.float().div_(255).sub_(self.mean).div_(self.std)

    def undo(self, inputs: Tensor) -> Tensor:
        """Normalised inputs back to uint8 pictures, for looking at them."""
        return inputs.mul(self.std).add(self.mean).mul(255).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Order:
    """Which samples make which batch: shuffled anew each epoch for training, as stored for evaluation."""

    samples: int
    batch_size: int
    training: bool
    seed: int = 0
    weights: Tensor | None = None  # float64 [N]: draw samples with these chances, with replacement

    def batches(self, epoch: int) -> list[Tensor]:
        """The indices of each batch of an epoch, int64 ``[B]``.

        In training a last batch of one sample joins the one before it: BatchNorm cannot learn from one sample.
        """
        if not self.training:
            return list(torch.arange(self.samples).split(self.batch_size))
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "shuffle", epoch))
        if self.weights is None:
            drawn = torch.randperm(self.samples, generator=generator)
        else:
            drawn = torch.multinomial(self.weights, self.samples, replacement=True, generator=generator)
        batches = list(drawn.split(self.batch_size))
        if self.batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def __len__(self) -> int:
        full, rest = divmod(self.samples, self.batch_size)
        joined = self.training and full > 0 and rest == 1
        return full + (rest > 0 and not joined)


class MemoryLoader:
    """Batches gathered by index from samples that lie on the device; pictures are decoded and become floats there."""

    def __init__(
        self,
        source: ArraySource,
        order: Order,
        device: torch.device,
        normalizer: Normalizer | None = None,
        augment: Augment | None = None,
        mix: Mix | None = None,
    ) -> None:
        self.order, self.normalizer, self.augment, self.mix = order, normalizer, augment, mix
        # augmentation works picture by picture on the CPU; without it everything stays on the device
        self.inputs = source.inputs if augment else source.inputs.to(device)
        wide = source.targets.dtype == torch.float64 and device.type == "mps"  # which has no float64
        self.targets = (source.targets.float() if wide else source.targets).to(device)

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of ``epoch`` from number ``start`` on."""
        for number, indices in enumerate(self.order.batches(epoch)[start:], start):
            here = indices.to(self.targets.device)
            if self.augment is None:
                inputs = self.inputs[here]
            else:
                inputs = torch.stack([self.augment(self.inputs[i], epoch, i) for i in indices.tolist()])
            batch = inputs if self.normalizer is None else self.normalizer(inputs), self.targets[here]
            yield batch if self.mix is None else self.mix(*batch, epoch, number)


class StreamLoader:
    """Batches decoded from files by worker processes, for sets that do not fit into memory."""

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
        self.loader: DataLoader[Any] = DataLoader(
            _Pictures(source, augment),
            batch_sampler=self.sampler,
            collate_fn=_collate,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=normalizer.device.type == "cuda",
            worker_init_fn=_obey_parent_only,
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of ``epoch`` from number ``start`` on; raises ``DataError`` for an unreadable picture."""
        self.sampler.epoch, self.sampler.start = epoch, start
        for number, read in enumerate(self.loader, start):
            if isinstance(read, DataError):
                raise read
            images, targets = read
            batch = self.normalizer(images), targets.to(self.normalizer.device, non_blocking=True)
            yield batch if self.mix is None else self.mix(*batch, epoch, number)


Loader = MemoryLoader | StreamLoader


class _KeyedBatches:
    """The batch sampler: yields ``(epoch, index)`` keys, so that workers know the epoch too."""

    def __init__(self, order: Order) -> None:
        self.order, self.epoch, self.start = order, 0, 0

    def __len__(self) -> int:
        return len(self.order) - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for indices in self.order.batches(self.epoch)[self.start :]:
            yield [(self.epoch, index) for index in indices.tolist()]


class _Pictures(Dataset[Any]):
    """Decodes and augments one picture for an ``(epoch, index)`` key."""

    def __init__(self, source: Source, augment: Augment | None) -> None:
        self.source, self.augment = source, augment

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor] | DataError:
        epoch, index = key
        try:
            image = self.source[index]
        except DataError as error:  # returned, not raised: a worker's traceback is no message for a user
            return error
        if self.augment is not None:
            image = self.augment(image, epoch, index)
        return image, self.source.targets[index]


def _collate(samples: list[tuple[Tensor, Tensor] | DataError]) -> tuple[Tensor, Tensor] | DataError:
    images, targets = [], []
    for sample in samples:
        if isinstance(sample, DataError):
            return sample
        images.append(sample[0])
        targets.append(sample[1])
    return torch.stack(images), torch.stack(targets)


def _obey_parent_only(_worker: int) -> None:
    """A signal may reach the whole process group; the main process decides when its workers end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # macOS has none: there a group's SIGTERM ends the workers as well
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


class Read(NamedTuple):
    """Some pictures in order: uint8 ``[G, C, H, W]`` of those that could be read, and by position what is wrong."""

    images: Tensor
    errors: dict[int, DataError]


def read_pictures(source: FileSource, workers: int, batch_size: int = 256) -> Generator[Read, None, None]:
    """Decode every picture once, in order, batch by batch."""
    order = Order(len(source), batch_size, training=False)
    yield from DataLoader(
        _Pictures(source, None),
        batch_sampler=_KeyedBatches(order),
        collate_fn=_good_and_bad,
        num_workers=workers,
        worker_init_fn=_obey_parent_only,
        generator=torch.Generator(),
    )


def _good_and_bad(samples: list[tuple[Tensor, Tensor] | DataError]) -> Read:
    # one tensor for all: a worker sends each of its tensors through an open file of its own
    images = [sample[0] for sample in samples if not isinstance(sample, DataError)]
    errors = {number: sample for number, sample in enumerate(samples) if isinstance(sample, DataError)}
    return Read(torch.stack(images) if images else torch.empty(0), errors)
