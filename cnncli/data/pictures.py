"""Pictures as a data set: classes, splits, and the statistics that the network's input is scaled by."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from cnncli.config.sections import DatasetConfig, Statistics
from cnncli.core.errors import DataError
from cnncli.core.spec import DataSpec, Decode, Numbers, Pictures, Split, Wants
from cnncli.data.columns import mean_and_std
from cnncli.data.contract import Opened, Track
from cnncli.data.decoded import decoded, in_memory
from cnncli.data.ranges import with_range
from cnncli.data.sources import ArraySource, FileSource, Source
from cnncli.data.splits import LEFT, carve

STATISTICS_SAMPLES = 2_000  # pictures looked at for 'normalize: dataset' when they are too many for memory
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class PictureData:
    """Pictures: ``train`` and, where there are any, ``val`` and ``test``; ``classes`` in the order of the targets.

    ``seen`` is the (height, width) of the centre that the network sees, where that is not the whole picture. Where
    numbers are learned there are no classes: ``numbers`` are their names, and the targets are float64 ``[N, K]``.
    """

    classes: tuple[str, ...]
    train: Source
    val: Source | None = None
    test: Source | None = None
    seen: tuple[int, int] | None = None
    numbers: tuple[str, ...] = ()
    test_carved: bool = False  # out of the training part
    offers: ClassVar[tuple[Wants, ...]] = ("classes",)

    def open(self, config: DatasetConfig, wants: Wants, track: Track, spec: DataSpec | None) -> Opened:
        """Splits, the training part decoded where it can be; the statistics are those of the training part."""
        sources = with_range(self._splits(config), config.cache, track, spec)
        if spec is None:
            decode = getattr(sources["train"], "decode", None)
            if isinstance(sources["train"], FileSource):
                sources["train"] = decoded(sources["train"], config, track)
            preprocess = fit_pictures(config, sources["train"], decode)
            spec = DataSpec(self.input_shape, self.classes, preprocess, *self._scale(sources["train"]))
        else:
            self._must_match(spec, config.name)
        return Opened(spec, sources)

    def _scale(self, train: Source) -> tuple[tuple[int, ...], Numbers | None]:
        """Where numbers are learned, the network's output, and their mean and deviation over the training part."""
        if not self.numbers:
            return (), None
        scales = [mean_and_std(column.numpy()) for column in train.targets.unbind(1)]
        mean, std = tuple(mean for mean, _ in scales), tuple(std for _, std in scales)
        return (len(self.numbers),), Numbers(self.numbers, mean, std)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``(C, H, W)`` as the network sees it."""
        return (self.train.shape[0], *(self.seen or self.train.shape[1:]))

    def _must_match(self, spec: DataSpec, name: str) -> None:
        """Raise ``DataError`` unless the data have the classes and the shape that a network was trained on."""
        missing, extra = set(spec.classes) - set(self.classes), set(self.classes) - set(spec.classes)
        if missing or extra:
            raise DataError(
                f"{name}: its classes differ from the checkpoint's (missing: {_few(missing)}, extra: {_few(extra)}); "
                "use data with the same class names"
            )
        numbers = () if spec.numbers is None else spec.numbers.names
        if (spec.classes, numbers, spec.input_shape) != (self.classes, self.numbers, self.input_shape):
            raise DataError(
                f"{name}: the data have {_described(self.classes, self.numbers, self.input_shape)}, "
                f"the checkpoint {_described(spec.classes, numbers, spec.input_shape)}; use the data it was trained on"
            )

    def _splits(self, config: DatasetConfig) -> dict[Split, Source]:
        sources: dict[Split, Source] = {"train": self.train}
        if self.val is not None:
            sources["val"] = self.val
        elif config.val_fraction > 0:
            kept, taken = carve(
                self.train.targets, config.val_fraction, config.split_seed, LEFT if self.test_carved else "val_fraction"
            )
            sources |= {"train": self.train.subset(kept), "val": self.train.subset(taken)}
        if self.test is not None:
            sources["test"] = self.test
        return sources


def fit_pictures(config: DatasetConfig, train: Source, decode: Decode | None) -> Pictures:
    """What the config says about the statistics, or those of the training part; raises ``DataError``."""
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
    return Pictures(mean, std, decode)


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


def _described(classes: tuple[str, ...], numbers: tuple[str, ...], shape: tuple[int, ...]) -> str:
    learned = numbers or classes
    names = ", ".join(learned[:5]) + (", …" if len(learned) > 5 else "")
    return f"{len(learned)} {'numbers' if numbers else 'classes'} ({names}) of {'×'.join(map(str, shape))}"
