"""Pictures in files as a data set: which are training, validation and test, and what a run remembers of that."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.slices import Slices
from cnncli.core.spec import DataSpec, Decode, Split
from cnncli.data.alike import together
from cnncli.data.contents import contents
from cnncli.data.contract import Opened, Remembered, Track
from cnncli.data.names import nfc
from cnncli.data.paths import Paths
from cnncli.data.pictures import PictureSet
from cnncli.data.remembered import Samples, find_parts, members_of, tell_unknown
from cnncli.data.sample_ids import Known, known
from cnncli.data.slicing import Slicing
from cnncli.data.sources import FileSource, Source
from cnncli.data.splits import carve, left_by

ORDER: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class FilePictures:
    """Files in the parts that the data tell, with their names ``[N]`` from the root and what is learned of each.

    ``groups`` ``[N]`` are kept together where cnncli makes the splits; ``where`` is the place in messages.
    """

    where: str
    root: Path
    parts: Mapping[Split, FileSource]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    decode: Decode
    seen: tuple[int, int]
    test_fraction: float
    numbers: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    slicing: Callable[[list[int], str], Slices] | None = None  # of the pictures at these positions

    def open(self, config: DatasetConfig, track: Track, spec: DataSpec | None, remembered: Remembered | None) -> Opened:
        """The splits that are told, carved or remembered; what is alike stays together where they are carved."""
        told = [self.parts[split] for split in ORDER if split in self.parts]
        content = np.concatenate([contents(part, config.cache, track) for part in told])
        targets = torch.cat([part.targets for part in told])
        comparable = spec is None or self.classes == spec.classes
        samples = Samples(self.names, content, "pictures", self.where, targets if comparable else None)
        if remembered is not None:
            parts = find_parts(remembered, samples, self._names_from(remembered.home))
        else:
            if spec is not None:
                tell_unknown(self.where)
            parts = self._carved(config, samples, track)
        sources: dict[Split, Source] = {split: self._select(told, targets, rows) for split, rows in parts.items()}
        pictures = PictureSet(self.classes, self.decode, self.seen, self.numbers)
        spec, sources = pictures.finish(sources, config, track, spec)
        members = members_of("path", samples, parts, targets) if remembered is None else remembered.members
        return Opened(spec, sources, members, lambda split: self._known(parts[split].tolist()), self._slicing(parts))

    def _slicing(self, parts: Mapping[Split, Tensor]) -> Slicing | None:
        """The slices of each part, where there are any."""
        found = self.slicing
        return None if found is None else lambda split, by: found(parts[split].tolist(), by)

    def _known(self, rows: list[int]) -> Known:
        """The names of the pictures at ``rows``, and their groups."""
        groups = [] if self.groups is None else [self.groups[row] for row in rows]
        return known([self.names[row] for row in rows], groups)

    def _names_from(self, home: Path | None) -> tuple[str, ...]:
        """The names of the pictures as seen from another folder; none where it is not given."""
        if home is None:
            return ()
        try:
            between = os.path.relpath(os.path.realpath(self.root), os.path.realpath(home))
        except ValueError:  # on another drive
            return ()
        if between == ".":
            return self.names
        return tuple(nfc(os.path.normpath(f"{between}/{name}").replace(os.sep, "/")) for name in self.names)

    def _carved(self, config: DatasetConfig, samples: Samples, track: Track) -> dict[Split, Tensor]:
        """The positions of each split: as told, else what is carved out of training."""
        parts: dict[Split, Tensor] = {}
        begin = 0
        for split in ORDER:
            if split in self.parts:
                parts[split] = torch.arange(begin, begin + len(self.parts[split]))
                begin += len(self.parts[split])
        fractions: dict[Split, tuple[float, int, str]] = {
            "test": (self.test_fraction, 0, "test_fraction"),
            "val": (config.val_fraction, config.split_seed, "val_fraction"),
        }
        wanted = [split for split, (fraction, *_) in fractions.items() if split not in parts and fraction > 0]
        if "test" in wanted:
            fractions["val"] = (config.val_fraction, config.split_seed, left_by(self.parts["train"].targets))
        if not wanted:
            return parts
        train = self.parts["train"]
        own = None if self.groups is None else self.groups[: len(train)]
        groups = together(train, samples.content[: len(train)], own, config.cache, track)
        for split in wanted:
            here = parts["train"]
            kept, taken = carve(train.targets[here], *fractions[split], groups=None if groups is None else groups[here])
            parts |= {"train": here[kept], split: here[taken]}
        return parts

    def _select(self, told: list[FileSource], targets: Tensor, rows: Tensor) -> FileSource:
        """The pictures at ``rows``: as a part of those that were told together, where they are, else on their own."""
        begin = 0
        for part in told:
            end = begin + len(part)
            if len(rows) and begin <= int(rows.min()) and int(rows.max()) < end:
                here = rows - begin
                return part if torch.equal(here, torch.arange(len(part))) else part.subset(here)
            begin = end
        texts = [text for part in told for text in part.paths.texts]
        return FileSource(Paths(texts[row] for row in rows.tolist()), targets[rows], self.decode)
