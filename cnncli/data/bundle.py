"""From a dataset section to splits, their spec and their loaders."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from pydantic import ValidationError
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.members import Members
from cnncli.core.registry import tasks, transforms
from cnncli.core.seeding import derive_seed
from cnncli.core.slices import Slices
from cnncli.core.spec import DataSpec, Pictures, Split, Wants
from cnncli.data import cache
from cnncli.data.contract import Opened, Raw, Remembered, Track
from cnncli.data.decoded import MEMORY_LIMIT, decoded, workers
from cnncli.data.glance import glance
from cnncli.data.loaders import Loader, MemoryLoader, StreamLoader, normalizer_for
from cnncli.data.mixing import Mix
from cnncli.data.order import Order, Share
from cnncli.data.part import naming_part, part_of, slicing_part
from cnncli.data.places import build, file_of
from cnncli.data.sample_ids import Known, Naming, by_content
from cnncli.data.slicing import Slicing
from cnncli.data.sources import ArraySource, FileSource, Held, Source
from cnncli.data.transforms import Augment, Built

FEATURES_BATCH = 4096


@dataclass
class DataBundle:
    """The splits of a data set as separate sources, and what the model must know of them."""

    config: DatasetConfig
    spec: DataSpec
    sources: dict[Split, Source]
    track: Track
    embed: Callable[[Tensor], Tensor] | None = None  # inputs → the features that a network learns from instead
    members: Members | None = None  # of data sets that can change
    naming: Naming | None = None  # of samples; None: by what they hold
    slicing: Slicing | None = None  # None: there are no columns and no folders
    share: Share = field(default_factory=Share)  # of this process
    unused: int = 0  # training samples that dataset.train_fraction leaves out
    _loaders: dict[tuple[Split, torch.device, bool, int, bool, Share], Loader] = field(default_factory=dict)
    _held: dict[tuple[Split, torch.device], Held] = field(default_factory=dict)

    def names(self, split: Split) -> Known:
        """What the samples of ``split`` are called, and their groups, in their order."""
        return by_content(self.sources[split]) if self.naming is None else self.naming(split)

    def slices(self, split: Split, by: str) -> Slices:
        """The slices of ``split`` by a column, or by ``folder``; raises ``DataError`` where there is no such thing."""
        if self.slicing is None:
            cause = f"has neither columns nor folders, so that there is no '{by}' to slice by"
            raise DataError(f"{self.config.name}: {cause}; leave it out, or give the data as a table or in folders")
        return self.slicing(split, by)

    def loader(
        self,
        split: Split,
        device: torch.device,
        *,
        training: bool = False,
        seed: int = 0,
        embedded: bool = True,
        share: Share | None = None,
    ) -> Loader:
        """Batches of ``split``: shuffled and augmented when ``training``, else in order and in large batches.

        Where there is an embedding they hold features, computed once, unless ``embedded`` is false. Raises
        ``DataError`` when the data have no such split.
        """
        if split not in self.sources:
            raise DataError(f"{self.config.name} has no {split} split; {_how_to_get(split)}")
        embedded = embedded and self.embed is not None
        share = share or self.share
        key = (split, device, training, seed if training else 0, embedded, share)  # evaluation draws nothing
        if key not in self._loaders:
            make = self._features_loader if embedded else self._make_loader
            self._loaders[key] = make(split, device, training, seed, share)
        return self._loaders[key]

    def _features_loader(self, split: Split, device: torch.device, training: bool, seed: int, share: Share) -> Loader:
        """The same samples in the same batches, as features."""
        assert self.embed is not None
        # in order, not augmented and all of them, whatever the features are for
        plain = self.loader(split, device, embedded=False, share=Share())
        batches = self.track(plain.epoch(0), len(plain), f"computing the features of {split}")
        features = torch.cat([self.embed(inputs) for inputs, _ in batches])
        for (held_split, _), held in self._held.items():
            if held_split == split:
                held.let_go()  # from here on only features are asked for
        size = self.config.batch_size if training else FEATURES_BATCH
        source = ArraySource(features, self.sources[split].targets)
        order = Order(len(source), size, training, seed, self._weights(source) if training else None, share)
        return MemoryLoader(Held(source, device), order, device)

    def _make_loader(self, split: Split, device: torch.device, training: bool, seed: int, share: Share) -> Loader:
        source = self.sources[split]
        if isinstance(source, FileSource):
            source = self.sources[split] = decoded(source, self.config, self.track)
        config = self.config
        size = config.batch_size if training else self._eval_batch_size()
        order = Order(len(source), size, training, seed, self._weights(source) if training else None, share)
        normalizer = normalizer_for(self.spec, device)
        augment, mix = self._augment(seed) if training and config.augment else (None, None)
        on_host = augment is not None and device.type != "cpu" and self._one_by_one()
        if isinstance(source, ArraySource):
            at_once = self._at_once(source, device) and not on_host
            if at_once or normalizer is None:
                held = self._hold(split, source, device if at_once else torch.device("cpu"))
                return MemoryLoader(held, order, device, normalizer, augment, mix)
        assert normalizer is not None
        return StreamLoader(source, order, normalizer, workers(config, len(source)), augment, mix)

    @property
    def picture_size(self) -> tuple[int, int]:
        """The (height, width) that the network sees."""
        _, height, width = self.spec.input_shape
        return height, width

    def _weights(self, source: Source) -> Tensor | None:
        """The chance of each sample of being drawn, float64 ``[N]``; None where all are seen once an epoch."""
        if self.config.sampler == "shuffle":
            return None
        if not self.spec.classes or source.targets.ndim > 1:
            raise ConfigError(f"dataset.sampler: {self.config.name} has no classes to balance; remove it")
        return 1 / torch.bincount(source.targets).double()[source.targets]

    def _augment(self, seed: int) -> tuple[Augment | None, Mix | None]:
        """The transforms of single pictures and those of batches."""
        self.spec.require(Pictures, "dataset.augment")
        size, classes = self.picture_size, len(self.spec.classes)
        each = [t for t in self.config.augment if "batches" not in transforms.get(t.name).traits]
        mixers = [transforms.build(t.name, **t.args) for t in self.config.augment if t not in each]
        augment = Augment([(t.name, Built(t.name, size, t.args)) for t in each], size, seed)
        augment.check(self.sources["train"].shape)
        own = derive_seed(seed, "share", self.share.index) if self.share.index else seed  # each mixes its own samples
        return augment if each else None, Mix(mixers, classes, own) if mixers else None

    def _one_by_one(self) -> bool:
        """Whether pictures are augmented one at a time, for which a GPU would be asked thousands of small things."""
        return any("one_by_one" in transforms.get(t.name).traits for t in self.config.augment)

    def _hold(self, split: Split, source: ArraySource, device: torch.device) -> Held:
        """The samples of ``split`` on ``device``, the same for all loaders."""
        if (split, device) not in self._held:
            self._held[split, device] = Held(source, device)
        return self._held[split, device]

    def _at_once(self, source: ArraySource, device: torch.device) -> bool:
        """Whether all samples are handed to the device at once; a GPU keeps half of its free memory for the rest."""
        if self.config.memory != "auto" or device.type == "cpu":
            return self.config.memory != "never"
        if device.type != "cuda":
            return source.size_moved <= MEMORY_LIMIT
        free, _ = torch.cuda.mem_get_info(device)
        return 2 * source.size_moved <= free

    def _eval_batch_size(self) -> int:
        if self.config.eval_batch_size is not None:
            return self.config.eval_batch_size
        values = torch.Size(self.spec.input_shape).numel()
        return max(self.config.batch_size, min(1024, self.spec.kind.eval_values // values))


def build_data(
    config: DatasetConfig,
    track: Track,
    spec: DataSpec | None = None,
    wants: Wants = "classes",
    remembered: Remembered | None = None,
) -> DataBundle:
    """Open the data set for a task that ``wants`` such targets, carve validation out of training, and describe it.

    With the ``spec`` of a checkpoint the data must have the same classes and shape, and its preprocessing is used; the
    splits are those that it has ``remembered``. Raises ``DataError``, or ``StorageError`` when the set is neither there
    nor downloadable, ``ConfigError`` when the data cannot answer what the task asks.
    """
    file = file_of(config)
    with cache.switched(config.cache):
        if file is None:
            raw: Raw = build(config)
        else:  # of any size: the wait is shown
            (raw,) = [build(config) for _ in track([0], 1, f"reading {file}")]
    opened = open_raw(raw, config, wants, track, spec, remembered)
    if spec is None and remembered is None:
        glance(config.name if file is None else str(file), opened)
    bundle = DataBundle(config, opened.spec, opened.sources, track, members=opened.members, naming=opened.naming,
                        slicing=opened.slicing)  # fmt: skip
    if config.train_fraction < 1 and "train" in opened.sources:
        _use_part(bundle)
    return bundle


def _use_part(bundle: DataBundle) -> None:
    """Leave out the training samples that ``train_fraction`` does not take."""
    whole = bundle.sources["train"]
    rows = part_of(whole.targets, bundle.spec, bundle.config)
    bundle.sources["train"], bundle.unused = whole.subset(rows), len(whole) - len(rows)
    if bundle.naming is not None:
        bundle.naming = naming_part(bundle.naming, rows)
    if bundle.slicing is not None:
        bundle.slicing = slicing_part(bundle.slicing, rows)


def open_raw(
    raw: Raw,
    config: DatasetConfig,
    wants: Wants,
    track: Track,
    spec: DataSpec | None = None,
    remembered: Remembered | None = None,
) -> Opened:
    """A data set's splits; raises what ``build_data`` raises, but for what is wrong with its arguments."""
    if wants not in raw.offers:
        fitting = [name for name in tasks if getattr(tasks.get(name).factory, "wants", None) in raw.offers]
        raise ConfigError(
            f"{config.name} has {' or '.join(raw.offers)} to learn, the task wants {wants}; "
            f"set task: {' or '.join(fitting)}"
        )
    try:
        return raw.open(config, wants, track, spec, remembered)
    except ValidationError as error:  # of what no network could be told: a blank class, more steps than anyone reads
        cause = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise DataError(f"{config.name}: cannot be described ({error.title}: {cause}); change the data") from error


def _how_to_get(split: str) -> str:
    if split == "val":
        return "set dataset.val_fraction above 0"
    return "add a test folder, or set dataset.test_fraction where the data set has it"
