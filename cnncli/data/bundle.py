"""From a dataset section to splits, their spec and their loaders."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from cnncli.core.config import DatasetConfig, Statistics
from cnncli.core.errors import DataError
from cnncli.core.registry import datasets, transforms
from cnncli.core.spec import DataSpec, Preprocess
from cnncli.data.loaders import Loader, MemoryLoader, Normalizer, Order, StreamLoader, into_memory
from cnncli.data.raw import RawData
from cnncli.data.sources import ArraySource, FileSource, Source
from cnncli.data.splits import stratified_split
from cnncli.data.transforms import Augment

Split = Literal["train", "val", "test"]
Track = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""Shows progress over an iterable: ``(items, how many, what is being done)`` → the same items."""

MEMORY_LIMIT = 2 * 1024**3  # bytes of decoded pictures that 'memory: auto' keeps in memory
EVAL_INPUT_VALUES = 2**22  # about as many input values make an evaluation batch that keeps a CPU busy
STATISTICS_SAMPLES = 2_000  # pictures looked at for 'normalize: dataset' when they stay in files
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass
class DataBundle:
    """The splits of a data set as separate sources, and what the model must know of them."""

    config: DatasetConfig
    spec: DataSpec
    sources: dict[Split, Source]
    track: Track
    _loaders: dict[tuple[Split, bool], Loader] = field(default_factory=dict)

    def loader(self, split: Split, device: torch.device, *, training: bool = False, seed: int = 0) -> Loader:
        """Batches of ``split``: shuffled and augmented when ``training``, else in order and in large batches.

        Raises ``DataError`` when the data have no such split.
        """
        if split not in self.sources:
            raise DataError(f"{self.config.name} has no {split} split; {_how_to_get(split)}")
        if (split, training) not in self._loaders:
            self._loaders[split, training] = self._make_loader(split, device, training, seed)
        return self._loaders[split, training]

    def _make_loader(self, split: Split, device: torch.device, training: bool, seed: int) -> Loader:
        source = self.sources[split] = self._placed(self.sources[split])
        config = self.config
        size = config.batch_size if training else self._eval_batch_size()
        order = Order(len(source), size, training, seed)
        normalizer = Normalizer(self.spec.preprocess, device)
        augment = None
        if training and config.augment:
            _, height, width = self.spec.input_shape
            chain = [transforms.build(t.name, (height, width), **t.args) for t in config.augment]
            augment = Augment(chain, seed)
            augment.check(self.spec.input_shape)
        if isinstance(source, ArraySource) and config.memory != "never":
            return MemoryLoader(source, order, normalizer, augment)
        return StreamLoader(source, order, normalizer, augment, _workers(config, len(source)))

    def _placed(self, source: Source) -> Source:
        """``source`` decoded into memory where the config and the size of the set allow it."""
        if isinstance(source, ArraySource) or not in_memory(self.config, source):
            return source
        return decode(source, self.config, self.track)

    def _eval_batch_size(self) -> int:
        if self.config.eval_batch_size is not None:
            return self.config.eval_batch_size
        values = torch.Size(self.spec.input_shape).numel()
        return max(self.config.batch_size, min(1024, EVAL_INPUT_VALUES // values))


def build_data(config: DatasetConfig, track: Track, spec: DataSpec | None = None) -> DataBundle:
    """Open the data set, carve validation out of training, and describe the result.

    With the ``spec`` of a checkpoint the data must have the same classes and shape, and its preprocessing is
    used. Raises ``DataError``, or ``StorageError`` when the set is neither there nor downloadable.
    """
    raw: RawData = datasets.build(config.name, **config.args)
    sources = _splits(raw, config)
    if spec is None:
        if isinstance(sources["train"], FileSource) and in_memory(config, sources["train"]):
            sources["train"] = decode(sources["train"], config, track)
        preprocess = _preprocess(config, sources["train"])
        spec = DataSpec(sources["train"].shape, raw.classes, preprocess)
    elif spec.classes != raw.classes or spec.input_shape != raw.train.shape:
        raise DataError(
            f"{config.name}: the data have {_described(raw.classes, raw.train.shape)}, "
            f"the checkpoint {_described(spec.classes, spec.input_shape)}; use the data it was trained on"
        )
    return DataBundle(config, spec, sources, track)


def in_memory(config: DatasetConfig, source: Source) -> bool:
    """Whether the decoded pictures of ``source`` are kept in memory."""
    size = len(source) * torch.Size(source.shape).numel()
    return config.memory == "always" or (config.memory == "auto" and size <= MEMORY_LIMIT)


def decode(source: FileSource, config: DatasetConfig, track: Track) -> ArraySource:
    """Every picture of ``source`` decoded into one tensor."""
    images = torch.empty((len(source), *source.shape), dtype=torch.uint8)
    done = 0
    batches = into_memory(source, _workers(config, len(source)))
    for batch, _ in track(batches, -(-len(source) // 256), f"decoding {len(source):,} pictures"):
        images[done : done + len(batch)] = batch
        done += len(batch)
    return ArraySource(images, source.targets)


def _workers(config: DatasetConfig, samples: int) -> int:
    if config.workers != "auto":
        return max(config.workers, 0)
    return 0 if samples < 512 else min(os.cpu_count() or 1, 8)  # starting a process costs more than 512 pictures


def _splits(raw: RawData, config: DatasetConfig) -> dict[Split, Source]:
    sources: dict[Split, Source] = {"train": raw.train}
    if raw.val is not None:
        sources["val"] = raw.val
    elif config.val_fraction > 0:
        kept, taken = stratified_split(raw.train.targets, config.val_fraction, config.split_seed)
        sources |= {"train": raw.train.subset(kept), "val": raw.train.subset(taken)}
    if raw.test is not None:
        sources["test"] = raw.test
    return sources


def _preprocess(config: DatasetConfig, train: Source) -> Preprocess:
    channels = train.shape[0]
    chosen = config.normalize
    if isinstance(chosen, Statistics):
        mean, std = tuple(chosen.mean), tuple(chosen.std)
    elif chosen == "imagenet":
        mean, std = IMAGENET
        if channels == 1:
            mean, std = (sum(mean) / 3,), (sum(std) / 3,)
    elif chosen == "dataset":
        mean, std = _statistics(train)
    else:
        mean, std = ((0.5,), (0.5,)) if chosen == "half" else ((0.0,), (1.0,))
        mean, std = mean * channels, std * channels
    if not len(mean) == len(std) == channels:
        raise DataError(f"dataset.normalize gives {len(mean)} means and {len(std)} deviations for {channels} channels")
    return Preprocess(mean, std)


def _statistics(train: Source) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over the training part, for pixels scaled to 0…1."""
    if isinstance(train, ArraySource):
        images = train.images
    else:
        step = max(len(train) // STATISTICS_SAMPLES, 1)
        images = torch.stack([train[i] for i in range(0, len(train), step)])
    # a histogram is exact, whatever the size of the set, and needs no float copy of it
    histogram = torch.stack([_histogram(images[:, c]) for c in range(images.shape[1])]).double()
    share = histogram / histogram.sum(1, keepdim=True)
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean = (share * levels).sum(1)
    std = ((share * levels**2).sum(1) - mean**2).clamp_min(0).sqrt()
    std[std < 1e-3] = 1.0  # a channel that never changes
    return tuple(mean.tolist()), tuple(std.tolist())


def _histogram(channel: Tensor) -> Tensor:
    """How often each of the 256 levels occurs in uint8 ``[N, H, W]``; int64 ``[256]``."""
    return sum(
        (torch.bincount(part.flatten(), minlength=256) for part in channel.split(1024)),
        torch.zeros(256).long(),
    )


def _described(classes: tuple[str, ...], shape: tuple[int, ...]) -> str:
    names = ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")
    return f"{len(classes)} classes ({names}) of {'×'.join(map(str, shape))}"


def _how_to_get(split: str) -> str:
    if split == "val":
        return "set dataset.val_fraction above 0"
    return "add a test folder, or set dataset.test_fraction where the data set has it"
