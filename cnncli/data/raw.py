"""What a data set hands over: its splits as the publisher made them, before validation is carved out.

Four kinds offer the same two things, ``offers`` and ``open``: pictures (here), rows (``tabular``), series and text.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from cnncli.core.config import DatasetConfig, Statistics
from cnncli.core.errors import DataError
from cnncli.core.spec import DataSpec, Decode, Preprocess, Wants
from cnncli.data import cache
from cnncli.data.loaders import read_pictures
from cnncli.data.sources import ArraySource, FileSource, Source
from cnncli.data.splits import stratified_split

Split = Literal["train", "val", "test"]
Track = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""Shows progress over an iterable: ``(items, how many, what is being done)`` → the same items."""

MEMORY_LIMIT = 2 * 1024**3  # bytes of decoded pictures that 'memory: auto' keeps in memory
STATISTICS_SAMPLES = 2_000  # pictures looked at for 'normalize: dataset' when they are too many for memory
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Opened(NamedTuple):
    """Splits ready for loaders, and what the model must know of them."""

    spec: DataSpec
    sources: dict[Split, Source]


class Raw(Protocol):
    """Any kind of data set."""

    @property
    def offers(self) -> tuple[Wants, ...]:
        """What a task can learn from it; the first is the usual."""

    def open(self, config: DatasetConfig, wants: Wants, track: Track, spec: DataSpec | None) -> Opened:
        """Carve validation out of training, fit everything on the training part, and encode all splits.

        With the ``spec`` of a checkpoint nothing is fitted: its preprocessing is used. Raises ``DataError``.
        """


@dataclass(frozen=True)
class RawData:
    """Pictures: ``train`` and, where there are any, ``val`` and ``test``; ``classes`` in the order of the targets.

    ``seen`` is the (height, width) of the centre that the network sees, where that is not the whole picture.
    """

    classes: tuple[str, ...]
    train: Source
    val: Source | None = None
    test: Source | None = None
    seen: tuple[int, int] | None = None
    offers: ClassVar[tuple[Wants, ...]] = ("classes",)

    def open(self, config: DatasetConfig, wants: Wants, track: Track, spec: DataSpec | None) -> Opened:
        """Splits, the training part decoded where it can be; the statistics are those of the training part."""
        sources = self._splits(config)
        if spec is None:
            if isinstance(sources["train"], FileSource):
                sources["train"] = decoded(sources["train"], config, track)
            spec = DataSpec(self.input_shape, self.classes, _preprocess(config, sources["train"], self.decode))
        else:
            self._must_match(spec, config.name)
        return Opened(spec, sources)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``(C, H, W)`` as the network sees it."""
        return (self.train.shape[0], *(self.seen or self.train.shape[1:]))

    @property
    def decode(self) -> Decode | None:
        """How the files are decoded, where the pictures come from files."""
        return self.train.decode if isinstance(self.train, FileSource) else None

    def _must_match(self, spec: DataSpec, name: str) -> None:
        """Raise ``DataError`` unless the data have the classes and the shape that a network was trained on."""
        missing, extra = set(spec.classes) - set(self.classes), set(self.classes) - set(spec.classes)
        if missing or extra:
            raise DataError(
                f"{name}: its classes differ from the checkpoint's (missing: {_few(missing)}, extra: {_few(extra)}); "
                "use data with the same class names"
            )
        if spec.classes != self.classes or spec.input_shape != self.input_shape:
            raise DataError(
                f"{name}: the data have {_described(self.classes, self.input_shape)}, "
                f"the checkpoint {_described(spec.classes, spec.input_shape)}; use the data it was trained on"
            )

    def _splits(self, config: DatasetConfig) -> dict[Split, Source]:
        sources: dict[Split, Source] = {"train": self.train}
        if self.val is not None:
            sources["val"] = self.val
        elif config.val_fraction > 0:
            kept, taken = stratified_split(self.train.targets, config.val_fraction, config.split_seed)
            sources |= {"train": self.train.subset(kept), "val": self.train.subset(taken)}
        if self.test is not None:
            sources["test"] = self.test
        return sources


def data_root() -> Path:
    """Where data sets are looked for and downloaded to: ``$CNNCLI_DATA``, else ``data``."""
    return Path(os.environ.get("CNNCLI_DATA") or "data")


def find_data(path: str, what: str = "file") -> Path:
    """``path`` as it is, or else inside the data folder; raises ``DataError`` when neither is there."""
    for candidate in (Path(path), data_root() / path):
        if candidate.exists():
            return candidate
    raise DataError(f"{path}: no such {what}, neither here nor in '{data_root()}'")


def in_memory(config: DatasetConfig, source: Source) -> bool:
    """Whether the decoded pictures of ``source`` are kept in memory."""
    size = len(source) * torch.Size(source.shape).numel()
    return config.memory == "always" or (config.memory == "auto" and size <= MEMORY_LIMIT)


def decoded(source: FileSource, config: DatasetConfig, track: Track) -> Source:
    """``source`` with its pictures mapped from the cache, or else in memory, or else as it is.

    The cache keeps the whole that ``source`` is a part of, so that another split of it needs no decoding.
    """
    if config.memory == "never":
        return source
    whole = source.whole or source
    entry = cache.kept(_identity(whole), lambda: _content(whole, config, track)) if config.cache else None
    if entry is not None:
        return ArraySource(entry.arrays["pictures"].permute(0, 3, 1, 2), source.targets, source.rows)
    return _decode(source, config, track) if in_memory(config, source) else source


def _identity(source: FileSource) -> Any:
    """Everything that the pixels depend on, as plain values."""
    return [version("pillow"), asdict(source.decode), source.stamps]


def _content(source: FileSource, config: DatasetConfig, track: Track) -> cache.Content:
    (channels, height, width), samples = source.shape, len(source)
    place = os.fsencode(os.path.abspath(source.paths[0].parent.parent)).decode(errors="replace")
    pictures = cache.Array((samples, height, width, channels), torch.uint8, _parts(source, config, track))
    return cache.Content(f"{place} {height}×{width}", samples, {"pictures": pictures})


def _decode(source: FileSource, config: DatasetConfig, track: Track) -> ArraySource:
    """Every picture of ``source`` in one tensor, as it would come from the cache: the channels are innermost."""
    channels, height, width = source.shape
    images = torch.empty((len(source), height, width, channels), dtype=torch.uint8)
    done = 0
    for part in _parts(source, config, track):
        images[done : done + len(part)] = part
        done += len(part)
    return ArraySource(images.permute(0, 3, 1, 2), source.targets)


def _parts(source: FileSource, config: DatasetConfig, track: Track) -> Iterator[Tensor]:
    """Every picture in order, uint8 ``[G, H, W, C]`` at a time; raises ``DataError`` for the first unreadable one."""
    with closing(read_pictures(source, workers(config, len(source)))) as batches:  # an error ends the workers, too
        for read in track(batches, -(-len(source) // 256), f"decoding {len(source):,} pictures"):
            for error in read.errors.values():
                raise error
            yield read.images.permute(0, 2, 3, 1)


def workers(config: DatasetConfig, samples: int) -> int:
    """How many processes decode ``samples`` pictures."""
    if config.workers != "auto":
        return max(config.workers, 0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if samples < 512 else min(cores, 8)  # starting a process costs more than 512 pictures


def _preprocess(config: DatasetConfig, train: Source, decode: Decode | None) -> Preprocess:
    channels = train.shape[0]
    chosen = config.normalize
    if isinstance(chosen, Statistics):
        mean, std = tuple(chosen.mean), tuple(chosen.std)
    elif chosen == "imagenet":
        mean, std = IMAGENET
        if channels == 1:
            mean, std = (sum(mean) / 3,), (sum(std) / 3,)
    elif chosen == "dataset":
        # the same samples whether pictures stay in files or lie in the cache, so that the result is the same, too
        everything = isinstance(train, ArraySource) and (decode is None or in_memory(config, train))
        mean, std = _statistics(train, len(train) if everything else STATISTICS_SAMPLES)
    else:
        mean, std = ((0.5,), (0.5,)) if chosen == "half" else ((0.0,), (1.0,))
        mean, std = mean * channels, std * channels
    if not len(mean) == len(std) == channels:
        raise DataError(f"dataset.normalize gives {len(mean)} means and {len(std)} deviations for {channels} channels")
    return Preprocess(mean, std, decode)


def _statistics(train: Source, samples: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over about ``samples`` of a split, for pixels scaled to 0…1."""
    # a histogram is exact, whatever the size of the set, and needs no float copy of it
    histogram = torch.zeros(train.shape[0], 256, dtype=torch.float64)
    for part in torch.arange(0, len(train), max(len(train) // samples, 1)).split(1024):
        channels = train.gather(part).unbind(1)
        histogram += torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in channels])
    share = histogram / histogram.sum(1, keepdim=True)
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean = (share * levels).sum(1)
    std = ((share * levels**2).sum(1) - mean**2).clamp_min(0).sqrt()
    std[std < 1e-3] = 1.0  # a channel that never changes
    return tuple(mean.tolist()), tuple(std.tolist())


def _few(names: set[str]) -> str:
    """Up to five names, or 'none'."""
    return ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "") or "none"


def _described(classes: tuple[str, ...], shape: tuple[int, ...]) -> str:
    names = ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")
    return f"{len(classes)} classes ({names}) of {'×'.join(map(str, shape))}"
