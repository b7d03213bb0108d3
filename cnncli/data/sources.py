"""One split of a data set, in memory or, for pictures, in files.

Both kinds give the same thing for an index, so everything after them is shared.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from cnncli.core.devices import WITHOUT_FLOAT64
from cnncli.core.spec import Decode
from cnncli.data.decode import read_image
from cnncli.data.geometry import innermost
from cnncli.data.lazy_targets import LazyTargets
from cnncli.data.paths import Paths
from cnncli.data.stamps import stamps_of


def movable(targets: Tensor, device: torch.device) -> Tensor:
    """``targets`` in a type that ``device`` has."""
    return targets.float() if targets.dtype == torch.float64 and device.type in WITHOUT_FLOAT64 else targets


def moved(values: Tensor, device: torch.device) -> Tensor:
    """``values`` on ``device``; what overlaps in memory, as windows of a series do, overlaps there, too."""
    if isinstance(values, LazyTargets) or not _overlaps(values):
        return values.to(device)
    base = values.as_strided((_span(values),), (1,)).to(device)
    return base.as_strided(values.shape, values.stride(), base.storage_offset())


def size_moved(values: Tensor) -> int:
    """The bytes that ``values`` take where they are ``moved`` to."""
    if isinstance(values, LazyTargets):
        return values.ahead.nbytes
    return values.element_size() * (_span(values) if _overlaps(values) else values.numel())


def _overlaps(values: Tensor) -> bool:
    return values.numel() > _span(values)


def _span(values: Tensor) -> int:
    """How many places in memory lie between the first and the last value, both included."""
    if values.numel() == 0:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(values.shape, values.stride(), strict=True))


@dataclass(frozen=True)
class ArraySource:
    """Samples in memory: ``inputs`` ``[N, …]`` and ``targets`` ``[N, …]``.

    Pictures are uint8 ``[N, C, H, W]``, rows float32 ``[N, F]``, windows of a series float32 ``[N, T, F]``,
    characters int64 ``[N, T]``; windows and blocks may be overlapping views of one tensor. Of inputs that are shared
    with other splits ``rows`` ``[N]`` are the split's own. ``paths`` ``[N]`` are the files that pictures come from.
    """

    inputs: Tensor
    targets: Tensor
    rows: Tensor | None = None
    paths: Paths | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tensor:
        return self.inputs[index if self.rows is None else self.rows[index]]

    @property
    def shape(self) -> tuple[int, ...]:
        """One sample's shape."""
        return tuple(self.inputs.shape[1:])

    def gather(self, indices: Tensor) -> Tensor:
        """The inputs of the samples at ``indices``, with the order in memory that they have."""
        rows = indices if self.rows is None else self.rows[indices]
        if self.inputs.ndim == 4 and innermost(self.inputs):
            return self.inputs.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
        return self.inputs.index_select(0, rows) if self.inputs.is_contiguous() else self.inputs[rows]

    def to(self, device: torch.device) -> "ArraySource":
        """The samples on ``device``; where they lie there nothing is copied."""
        targets = moved(movable(self.targets, device), device)
        if device.type == self.inputs.device.type:
            return ArraySource(self.inputs, targets, self.rows)
        if _overlaps(self.inputs):
            return ArraySource(moved(self.inputs, device), targets, None if self.rows is None else self.rows.to(device))
        inputs = self.inputs if self.rows is None else self.gather(torch.arange(len(self)))
        return ArraySource(inputs.to(device), targets)

    @property
    def size_moved(self) -> int:
        """The bytes that the samples take on another device."""
        shared = self.rows is not None and not _overlaps(self.inputs)
        sample = self.inputs.element_size() * torch.Size(self.shape).numel()
        return size_moved(self.targets) + (len(self) * sample if shared else size_moved(self.inputs))

    def subset(self, indices: Tensor) -> "ArraySource":
        """The samples at ``indices``, in that order."""
        if self.rows is not None:
            return ArraySource(self.inputs, self.targets[indices], self.rows[indices])
        return ArraySource(self.inputs[indices], self.targets[indices])


class Held:
    """Samples on a device for all that need them there: moved when they are first asked for, and once."""

    def __init__(self, source: ArraySource, device: torch.device) -> None:
        self.source, self.device = source, device
        self._there: ArraySource | None = None

    def get(self) -> ArraySource:
        """The samples, on the device."""
        if self._there is None:
            self._there = self.source.to(self.device)
        return self._there

    def let_go(self) -> None:
        """Give their memory on the device back until they are asked for again."""
        self._there = None


@dataclass(frozen=True)
class FileSource:
    """Pictures in files, decoded when asked for; of a part, ``rows`` says which pictures of the ``whole`` they are."""

    paths: Paths
    targets: Tensor
    decode: Decode
    whole: "FileSource | None" = None
    rows: Tensor | None = None

    @cached_property
    def stamps(self) -> list[Any]:
        """What tells whether a file is still the same, of every file; looked up once."""
        return stamps_of(self.paths.texts)

    @cached_property
    def digest(self) -> str:
        """One text that tells whether all files are still the same."""
        return sha256(json.dumps(self.stamps).encode()).hexdigest()

    def decoded_as(self, decode: Decode) -> "FileSource":
        """The same files decoded in another way."""
        whole = None if self.whole is None else self.whole.decoded_as(decode)
        other = replace(self, decode=decode, whole=whole)
        for known in ("stamps", "digest"):  # what was looked up need not be again
            if known in self.__dict__:
                other.__dict__[known] = self.__dict__[known]
        return other

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tensor:
        return read_image(self.paths[index], self.decode)

    @property
    def shape(self) -> tuple[int, ...]:
        """One decoded sample's ``(C, H, W)``."""
        return (self.decode.channels, *self.decode.size)

    def gather(self, indices: Tensor) -> Tensor:
        """The pictures at ``indices``."""
        return torch.stack([self[index] for index in indices.tolist()])

    def subset(self, indices: Tensor) -> "FileSource":
        """The samples at ``indices``, in that order."""
        paths = self.paths.at(indices.tolist())
        rows = indices if self.rows is None else self.rows[indices]
        return FileSource(paths, self.targets[indices], self.decode, self.whole or self, rows)


Source = ArraySource | FileSource
