"""What a file of a picture holds, as one number: it tells equal files apart from others wherever they lie."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from cnncli.core.cores import usable_cores
from cnncli.core.members import Ids
from cnncli.data import cache
from cnncli.data.contract import Track
from cnncli.data.sources import FileSource

ENDS = 2**16  # bytes at the beginning and at the end of a file that are read
CHUNK = 512


def content_of(path: Path) -> int:
    """A hash of the file's size and its first and last 64 KiB; -1 for a file that cannot be read.

    Pictures that differ at all differ there: whatever is changed, compression changes what follows it.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            data = file.read(ENDS)
            if size > ENDS:
                file.seek(max(size - ENDS, ENDS))
                data += file.read(ENDS)
    except OSError:  # whoever decodes the file says what is wrong with it
        return -1
    return int.from_bytes(blake2b(size.to_bytes(8, "little") + data, digest_size=8).digest(), "little", signed=True)


def contents(source: FileSource, cached: bool, track: Track) -> Ids:
    """``content_of`` every file ``[N]``, kept in the cache folder for the next run with the same files."""
    if not cached:
        return np.concatenate([part.numpy() for part in _parts(source, track)])
    entry = cache.kept(["contents", source.digest], lambda: _content(source, track))
    if entry is None:
        return contents(source, False, track)
    found: Ids = entry.arrays["contents"].numpy()
    return found


def _content(source: FileSource, track: Track) -> cache.Content:
    array = cache.Array((len(source),), torch.int64, _parts(source, track))
    return cache.Content(f"hashes of {source.paths[0].parent.parent}", len(source), {"contents": array})


def _parts(source: FileSource, track: Track) -> Iterator[torch.Tensor]:
    starts = range(0, len(source), CHUNK)
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in track(starts, len(starts), f"reading {len(source):,} files"):
            yield torch.tensor(list(pool.map(content_of, source.paths[start : start + CHUNK])), dtype=torch.int64)
