"""One split of a data set, in memory or, for pictures, in files.

Both kinds give the same thing for an index, so everything behind them is shared.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from cnncli.core.spec import Decode
from cnncli.data.decode import read_image


@dataclass(frozen=True)
class ArraySource:
    """Samples in memory: ``inputs`` ``[N, …]`` and ``targets`` ``[N, …]``.

    Pictures are uint8 ``[N, C, H, W]``, rows float32 ``[N, F]``, windows of a series float32 ``[N, T, F]``,
    characters int64 ``[N, T]``; windows and blocks may be overlapping views of one tensor.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tensor:
        return self.inputs[index]

    @property
    def shape(self) -> tuple[int, ...]:
        """One sample's shape."""
        return tuple(self.inputs.shape[1:])

    def subset(self, indices: Tensor) -> "ArraySource":
        """The samples at ``indices``, in that order."""
        return ArraySource(self.inputs[indices], self.targets[indices])


@dataclass(frozen=True)
class FileSource:
    """Pictures in files, decoded when asked for."""

    paths: tuple[Path, ...]
    targets: Tensor
    decode: Decode

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tensor:
        return read_image(self.paths[index], self.decode)

    @property
    def shape(self) -> tuple[int, ...]:
        """One decoded sample's ``(C, H, W)``."""
        return (self.decode.channels, *self.decode.size)

    def subset(self, indices: Tensor) -> "FileSource":
        """The samples at ``indices``, in that order."""
        return FileSource(tuple(self.paths[i] for i in indices.tolist()), self.targets[indices], self.decode)


Source = ArraySource | FileSource
