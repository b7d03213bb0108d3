"""Which pictures belong on one side of a split: those that are the same to the eye, and those of a group."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnncli.core.members import Ids
from cnncli.core.notices import notice
from cnncli.data import cache
from cnncli.data.contract import Track
from cnncli.data.duplicates import find_duplicates, join
from cnncli.data.signatures import sign_all
from cnncli.data.sources import FileSource

TO_THE_EYE = 10_000  # pictures: of more only equal files are found, or training would begin after minutes
KEPT = "alike"


def together(
    source: FileSource, content: Ids, groups: Sequence[str] | None, cached: bool, track: Track
) -> torch.Tensor | None:
    """A group number for each picture ``[N]``: equal ones share it, and those of which ``groups`` says the same.

    None where no picture belongs to another.
    """
    pairs = _equal(content)
    if len(source) <= TO_THE_EYE:
        alike = _alike(source, cached, track)
        pairs += [(int(alike[row]), row) for row in np.flatnonzero(alike != np.arange(len(alike))).tolist()]
    else:
        text = f"{len(source):,} pictures are too many to look for copies that are not equal files"
        notice("only_equal_files", f"{text}; cnncli data check finds those")
    if groups is not None:
        pairs += _equal(np.unique(groups, return_inverse=True)[1])
    return torch.tensor(join(len(source), pairs)) if pairs else None


def _equal(values: NDArray[Any]) -> list[tuple[int, int]]:
    """Each position with the first of an equal value, where that is another."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    firsts = first[inverse]
    return [(int(firsts[row]), row) for row in np.flatnonzero(firsts != np.arange(len(values))).tolist()]


def _alike(source: FileSource, cached: bool, track: Track) -> Ids:
    """The first picture that each is the same as to the eye ``[N]``, kept in the cache for the next run."""
    if cached:
        entry = cache.kept([KEPT, source.digest], lambda: _content(source, track))
        if entry is not None:
            return entry.arrays[KEPT].numpy()
    return _found(source.paths, track)


def _content(source: FileSource, track: Track) -> cache.Content:
    array = cache.Array((len(source),), torch.int64, [torch.from_numpy(_found(source.paths, track))])
    return cache.Content(f"copies among {source.paths[0].parent.parent}", len(source), {KEPT: array})


def _found(paths: Sequence[Path], track: Track) -> Ids:
    pairs = find_duplicates(sign_all(list(paths), track, "looking for copies among"))
    return np.array(join(len(paths), [(pair.first, pair.second) for pair in pairs]), dtype=np.int64)
