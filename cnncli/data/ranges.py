"""One range of values for all pictures of a data set that have more than 8 bits, chosen from the training part."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnncli.core.cores import usable_cores
from cnncli.core.errors import DataError, StorageError
from cnncli.core.files import RANGES, cache_folder, remember
from cnncli.core.notices import notice
from cnncli.core.spec import DataSpec, Decode, Split
from cnncli.data import cache
from cnncli.data.contract import Track
from cnncli.data.decode import raw_values
from cnncli.data.headers import Headers, can_be_unusual, look
from cnncli.data.levels import Pixels, Range
from cnncli.data.paths import Paths, as_paths
from cnncli.data.sources import FileSource, Source

FORMAT = 2  # of what is remembered
KEPT = 2_000  # sets that are remembered
TYPES = ((0.0, 1.0), (0.0, 255.0), (0.0, 65535.0), (0.0, 4294967295.0))  # of which mixed sets have one
FEW = 32  # of 256 levels, for nearly all pixels of all pictures, are a loss


@dataclass
class Values:
    """Of the deep pictures of a training part: the extremes, those of 98 % of the pixels of each, what is no number."""

    low: float = np.inf
    high: float = -np.inf
    usual_low: float = np.inf
    usual_high: float = -np.inf
    wide: bool = False  # some are of 16 bits
    odd: int = 0  # pictures with pixels that are no finite numbers
    first_odd: str = ""

    def add(self, path: Path, pixels: Pixels) -> None:
        """Take in one picture."""
        finite = pixels[np.isfinite(pixels)]
        self.wide |= pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2
        if len(finite) < pixels.size:
            self.odd, self.first_odd = self.odd + 1, self.first_odd or str(path)
        if len(finite):
            usual = np.percentile(finite, (1, 99))
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            self.usual_low, self.usual_high = min(self.usual_low, usual[0]), max(self.usual_high, usual[1])


def with_range(sources: dict[Split, Source], cached: bool, track: Track, spec: DataSpec | None) -> dict[Split, Source]:
    """``sources`` whose files are decoded with one range: the given one, that of ``spec``, or the training part's.

    A set of 8 bits has none. Notices tell what of the files is not read, and what the range loses. Raises
    ``DataError`` for a deep picture of the training part that cannot be read.
    """
    train = sources.get("train")
    if spec is not None:
        decode: Decode | None = getattr(spec.preprocess, "decode", None)
        return _all_with(sources, None if decode is None else decode.value_range)
    if not isinstance(train, FileSource) or not can_be_unusual(train.paths.texts):
        return sources
    whole = train.whole or train
    headers = Headers(**_remembered([whole.digest], cached, lambda: asdict(look(whole.paths))))
    _tell(headers, train.decode.channels)
    if not headers.deep or train.decode.value_range is not None:
        return sources
    rows = "" if train.rows is None else sha256(train.rows.numpy().tobytes()).hexdigest()
    values = Values(**_remembered([whole.digest, rows], cached, lambda: asdict(_measure(train, track))))
    return _all_with(sources, _chosen(values, headers))


def tell_of(paths: Iterable[Path], track: Track) -> None:
    """The notices that training on files would give; what cannot be read is passed over."""
    source = FileSource(named := as_paths(paths), torch.zeros(len(named), dtype=torch.long), Decode((1, 1)))
    with suppress(DataError):
        with_range({"train": source}, False, track, None)


def _chosen(values: Values, headers: Headers) -> Range | None:
    """The range for what was measured; a set that mixes 8 bits and more is read on the full scale of its types."""
    if values.odd:
        cause = f"{values.odd:,} training pictures have pixels that are not finite numbers, first {values.first_odd}"
        notice("not_finite", f"{cause}; NaN is read as the lowest value, infinity as the highest or lowest")
    if values.low > values.high:
        return None
    mixed = headers.deep < headers.total
    if mixed:
        types = TYPES[2:] if values.wide else TYPES
        found = next((full for full in types if values.low >= 0 and values.high <= full[1]), None)
        chosen = found or (values.low, max(values.high, values.low + 1))
        notice(
            "mixed_depths",
            f"{headers.deep:,} of {headers.total:,} pictures have more than 8 bits, first {headers.first_deep}: there "
            f"{chosen[0]:g} is black and {chosen[1]:g} white; dataset.value_range sets other values",
        )
    else:
        chosen = (values.low, values.high if values.high > values.low else values.low + 1)
    _tell_losses(values, chosen)
    return chosen


def _tell_losses(values: Values, chosen: Range) -> None:
    used = 255 * (values.usual_high - values.usual_low) / (chosen[1] - chosen[0])
    if used < FEW and values.high > values.low:
        notice(
            "levels_lost",
            f"values from {chosen[0]:g} to {chosen[1]:g} are brought to 256 levels, of which {used:.0f} hold 98 % of "
            f"the pixels; set dataset.value_range: [{values.usual_low:g}, {values.usual_high:g}] to see more of them",
        )


def _tell(headers: Headers, channels: int) -> None:
    if headers.alpha and channels in (1, 3):
        cause = f"{headers.alpha:,} pictures have a channel for transparency, first {headers.first_alpha}"
        notice("transparent", f"{cause}; white is put behind them, dataset.channels: 4 keeps it")
    if headers.frames:
        cause = f"{headers.frames:,} files have several frames or pages, first {headers.first_frames}"
        notice("several_frames", f"{cause}; the first of each is read")
    if headers.cut:
        cause = f"{headers.cut:,} pictures have colours of 16 bits, first {headers.first_cut}"
        notice("levels_lost", f"{cause}; the upper 8 bits are read; save arrays as .npy to keep more")


def _measure(train: FileSource, track: Track) -> Values:
    """The values of all deep pictures of a split, read once on all cores."""
    found = Values()
    with ThreadPoolExecutor(usable_cores()) as pool:
        pixels = pool.map(raw_values, train.paths) if len(train.paths) < 512 else _in_turn(pool, train.paths)
        what = f"measuring {len(train.paths):,} pictures"
        for path, values in zip(train.paths, track(pixels, len(train.paths), what), strict=True):
            if values is not None:
                found.add(path, values)
    return found


def _in_turn(pool: ThreadPoolExecutor, paths: Paths) -> Any:
    """``raw_values`` of many files, few of which wait in memory at a time."""
    for start in range(0, len(paths), 256):
        yield from pool.map(raw_values, paths[start : start + 256])


def _remembered(identity: list[str], cached: bool, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``find`` gives, kept in the cache folder for the next run of the same files."""
    if not (cached and cache.is_on()):
        return find()
    path = cache_folder() / RANGES / f"{sha256(json.dumps([FORMAT, identity]).encode()).hexdigest()}.json"
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    found = find()
    with suppress(OSError, StorageError):  # a cache that cannot be written is told of where pictures are kept
        remember(path, json.dumps(found), KEPT)
    return found


def _all_with(sources: dict[Split, Source], value_range: Range | None) -> dict[Split, Source]:
    """The sources, read with a range."""
    return {split: _with(source, value_range) if isinstance(source, FileSource) else source
            for split, source in sources.items()}  # fmt: skip


def _with(source: FileSource, value_range: Range | None) -> FileSource:
    if source.decode.value_range == value_range:
        return source
    decode = replace(source.decode, value_range=value_range)
    return source.decoded_as(decode)
