"""The pictures of a split decoded once: mapped from the cache, or in memory, or left in their files."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.cores import usable_cores
from cnncli.core.notices import notice
from cnncli.core.registry import session_parts
from cnncli.data import cache
from cnncli.data.contract import Track
from cnncli.data.loaders import read_pictures
from cnncli.data.sources import ArraySource, FileSource, Source

MEMORY_LIMIT = 2 * 1024**3  # bytes of decoded pictures that 'memory: auto' keeps in memory
WORTH_WORKERS = 512  # pictures: starting a process costs more than decoding fewer


def in_memory(config: DatasetConfig, source: Source) -> bool:
    """Whether the decoded pictures of ``source`` are kept in memory."""
    size = len(source) * torch.Size(source.shape).numel()
    return config.memory == "always" or (config.memory == "auto" and size <= MEMORY_LIMIT)


def decoded(source: FileSource, config: DatasetConfig, track: Track) -> Source:
    """``source`` with its pictures mapped from the cache, or else in memory, or else as it is.

    The cache keeps the whole that ``source`` is a part of, so that another split of it needs no decoding.
    """
    if config.memory == "never" or not len(source):  # the run's pictures of a split may be gone
        return source
    whole = source.whole or source
    entry = cache.kept(_identity(whole), lambda: _content(whole, config, track)) if config.cache else None
    if entry is not None:
        return ArraySource(entry.arrays["pictures"].permute(0, 3, 1, 2), source.targets, source.rows, source.paths)
    return _decode(source, config, track) if in_memory(config, source) else source


def _identity(source: FileSource) -> Any:
    """Everything that the pixels depend on, as plain values."""
    return [version("pillow"), asdict(source.decode), source.digest]


def _content(source: FileSource, config: DatasetConfig, track: Track) -> cache.Content:
    (channels, height, width), samples = source.shape, len(source)
    folder = os.fsencode(os.path.abspath(source.paths[0].parent.parent)).decode(errors="replace")
    pictures = cache.Array((samples, height, width, channels), torch.uint8, _parts(source, config, track))
    return cache.Content(f"{folder} {height}×{width}", samples, {"pictures": pictures})


def _decode(source: FileSource, config: DatasetConfig, track: Track) -> ArraySource:
    """Every picture of ``source`` in one tensor, as it would come from the cache: the channels are innermost."""
    channels, height, width = source.shape
    images = torch.empty((len(source), height, width, channels), dtype=torch.uint8)
    done = 0
    for part in _parts(source, config, track):
        images[done : done + len(part)] = part
        done += len(part)
    return ArraySource(images.permute(0, 3, 1, 2), source.targets, paths=source.paths)


def _parts(source: FileSource, config: DatasetConfig, track: Track) -> Iterator[Tensor]:
    """Every picture in order, uint8 ``[G, H, W, C]`` at a time; raises ``DataError`` for the first unreadable one."""
    with closing(read_pictures(source, workers(config, len(source)))) as batches:  # an error ends the workers, too
        for read in track(batches, -(-len(source) // 256), f"decoding {len(source):,} pictures"):
            for error in read.errors.values():
                raise error
            yield read.images.permute(0, 2, 3, 1)


def workers(config: DatasetConfig, samples: int) -> int:
    """How many processes decode ``samples`` pictures; none where they would not find what they need."""
    wanted = workers_for(samples) if config.workers == "auto" else max(config.workers, 0)
    parts = session_parts({config.name, *(transform.name for transform in config.augment)}) if wanted else []
    if parts:
        advice = "for workers put it into a file, and name that under plugins"
        notice("session_parts", f"{parts[0]} is registered in this session: no worker processes are used; {advice}")
        return 0
    return wanted


def workers_for(samples: int) -> int:
    """How many processes are worth their start for ``samples`` pictures: none, or one a core, at most eight."""
    return 0 if samples < WORTH_WORKERS else min(usable_cores(), 8)
