"""A part of the training samples, for the question whether more of them would help.

A smaller part is always inside a larger one of the same seed.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, Fault
from cnncli.core.seeding import derive_seed
from cnncli.core.slices import Slices
from cnncli.core.spec import DataSpec, Split
from cnncli.data.sample_ids import Known
from cnncli.data.slicing import Slicing

KEY = "dataset.train_fraction"


def part_of(targets: Tensor, spec: DataSpec, config: DatasetConfig) -> Tensor:
    """The positions of the training samples that are used, sorted: ``train_fraction`` of each class, at least one.

    Without classes it is of all samples. Of a series or a text it is the last of the windows or blocks, those nearest
    to validation. Raises ``ConfigError`` for several series, whose windows lie one series after the other.
    """
    fraction, samples = config.train_fraction, len(targets)
    if spec.kind.only is not None:
        if getattr(spec.preprocess, "parts", ()):
            cause = "takes the last windows, and there are several series; leave it out, or choose a file with one"
            raise ConfigError(Fault("", KEY, cause))
        return torch.arange(samples - _count(samples, fraction), samples)
    generator = torch.Generator().manual_seed(derive_seed(config.train_fraction_seed, "part"))
    kept = []
    for members in _classes(targets):
        order = torch.randperm(len(members), generator=generator)
        kept.append(members[order[: _count(len(members), fraction)]])
    return torch.cat(kept).sort().values


def _count(samples: int, fraction: float) -> int:
    return min(max(round(fraction * samples), 1), samples)


def _classes(targets: Tensor) -> list[Tensor]:
    """The positions of each class; all in one where there are no classes."""
    if targets.ndim > 1 or targets.is_floating_point():
        return [torch.arange(len(targets))]
    return [torch.nonzero(targets == label).flatten() for label in targets.unique().tolist()]


def naming_part(naming: Callable[[Split], Known], rows: Tensor) -> Callable[[Split], Known]:
    """``naming`` of a data set of whose training part only ``rows`` are used."""

    def names(split: Split) -> Known:
        found = naming(split)
        if split != "train":
            return found
        here = rows.numpy()
        return Known(found.ids[here], found.groups[here] if len(found.groups) else found.groups)

    return names


def slicing_part(slicing: Slicing, rows: Tensor) -> Slicing:
    """The same for slices."""

    def slices(split: Split, by: str) -> Slices:
        found = slicing(split, by)
        return replace(found, index=found.index[rows.numpy()]) if split == "train" else found

    return slices
