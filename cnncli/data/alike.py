"""Which pictures belong on one side of a split: those that are the same to the eye, and those of a group."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from cnncli.core.members import Ids
from cnncli.core.notices import notice
from cnncli.data import cache
from cnncli.data.contract import Track
from cnncli.data.duplicates import find_duplicates, join
from cnncli.data.signatures import sign_all
from cnncli.data.sources import FileSource

TO_THE_EYE = 10_000  # pictures: of more only equal files are found, or training would begin after minutes
KEPT = "alike"


def together(source: FileSource, content: Ids, groups: Sequence[str] | None, cached: bool, track: Track) -> Ids:
    """A group number for each picture ``[N]``: equal ones share it, and those of which ``groups`` says the same."""
    pairs = _equal(content.tolist())
    if len(source) <= TO_THE_EYE:
        pairs += enumerate(_alike(source, cached, track).tolist())
    else:
        text = f"{len(source):,} pictures are too many to look for copies that are not equal files"
        notice("only_equal_files", f"{text}; cnncli data check finds those")
    if groups is not None:
        pairs += _equal(groups)
    return np.array(join(len(source), pairs), dtype=np.int64)


def _equal(values: Sequence[object]) -> list[tuple[int, int]]:
    """Each position with the first of an equal value."""
    first: dict[object, int] = {}
    return [(first.setdefault(value, position), position) for position, value in enumerate(values)]


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
