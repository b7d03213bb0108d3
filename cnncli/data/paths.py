"""The paths of many files: kept as texts, because a ``Path`` of each takes longer to make than all else of a start."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload


class Paths(Sequence[Path]):
    """Paths that are made when they are asked for; ``texts`` are what they are made from."""

    __slots__ = ("texts",)

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(texts)

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> "Paths": ...
    def __getitem__(self, index: int | slice) -> "Path | Paths":
        return Paths(self.texts[index]) if isinstance(index, slice) else Path(self.texts[index])

    def __iter__(self) -> Iterator[Path]:
        return map(Path, self.texts)

    def at(self, positions: Iterable[int]) -> "Paths":
        """Those at ``positions``, in that order."""
        return Paths(self.texts[position] for position in positions)


def as_paths(paths: Iterable[Path]) -> Paths:
    """``paths`` in this form, if they are not."""
    return paths if isinstance(paths, Paths) else Paths(map(os.fspath, paths))
