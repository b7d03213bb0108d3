"""Decoded pictures kept from run to run: arrays on disk that are mapped into memory, shared by all processes.

``<cache>/decoded/<key>/`` holds one ``.npy`` file for each array and ``about.json``. The key is a hash of everything
that the content depends on, so an entry is never out of date, only no longer asked for; when room is needed those
that were not used for longest go first. A process that holds an entry keeps it even when another removes it.
"""

import errno
import io
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from hashlib import sha256
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock, Timeout
from pydantic import BaseModel
from torch import Tensor

from cnncli.core.errors import ConfigError, StorageError
from cnncli.core.files import CHOICES, RANGES, SIGNATURES, cache_folder, sync_folder

FORMAT = 1  # of the entries; another number and all are made anew
LIMIT = 20.0  # GiB that all entries together may take, unless CNNCLI_CACHE_LIMIT says otherwise
ABOUT = "about.json"

_on: ContextVar[bool] = ContextVar("on", default=True)
_refused: set[Path] = set()  # entries that could not be kept: this process does not try again


class Array(NamedTuple):
    """What becomes one file: its shape and type, and its content in parts along the first axis."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    parts: Iterable[Tensor]


class Content(NamedTuple):
    """What becomes an entry: ``what`` it is in words, how many ``samples``, their class names where they are known."""

    what: str
    samples: int
    arrays: Mapping[str, Array]
    classes: tuple[str, ...] = ()


class _Stored(BaseModel):
    shape: tuple[int, ...]
    dtype: str
    bytes: int  # of the file


class About(BaseModel):
    """``about.json`` of an entry."""

    format: int
    what: str
    samples: int
    classes: tuple[str, ...]
    arrays: dict[str, _Stored]


class Entry(NamedTuple):
    """An entry in use: its class names and its arrays, memory-mapped; writing to them changes no file."""

    classes: tuple[str, ...]
    arrays: dict[str, Tensor]


class Listed(NamedTuple):
    """An entry as it lies on the disk; ``used`` in seconds since 1970."""

    path: Path
    what: str
    samples: int
    bytes: int
    used: float


class _NoRoom(OSError):
    """The limit or the disk does not allow an entry."""


def folder() -> Path:
    """Where entries lie."""
    return cache_folder() / "decoded"


def limit() -> int:
    """The bytes that all entries together may take; raises ``ConfigError`` when $CNNCLI_CACHE_LIMIT is no number."""
    given = os.environ.get("CNNCLI_CACHE_LIMIT") or str(LIMIT)
    try:
        gibibytes = float(given)
    except ValueError:
        gibibytes = -1.0
    if not 0 <= gibibytes < 2**30:
        raise ConfigError(f"CNNCLI_CACHE_LIMIT is '{given}'; give the gibibytes that the cache may take, for example 5")
    return int(gibibytes * 2**30)


@contextmanager
def switched(on: bool) -> Iterator[None]:
    """Inside, nothing is read from the cache or written to it unless ``on``."""
    token = _on.set(on)
    try:
        yield
    finally:
        _on.reset(token)


def is_on() -> bool:
    """Whether anything is read from the cache or written to it."""
    return _on.get()


def kept(identity: Any, build: Callable[[], Content]) -> Entry | None:
    """The entry for ``identity`` (plain values that say what its content depends on), built where it is not there yet.

    Of several processes one builds and the others wait. None, with a warning, where nothing can be kept. What
    ``build`` raises is passed on, and nothing of the entry stays. Raises ``ConfigError`` for an impossible limit.
    """
    if not _on.get() or not limit():
        return None
    key = sha256(json.dumps([FORMAT, identity]).encode()).hexdigest()
    path = folder() / key
    found = _opened(path)
    if found is not None or path in _refused:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock_of(path)):
            _sweep()
            return _opened(path) or _built(path, build())
    except (OSError, NotImplementedError) as error:  # filelock's word for a file system without locks
        _refused.add(path)
        _warn(f"decoded pictures cannot be kept in '{path.parent}' ({error}); this run goes on without")
        return None


def entries() -> list[Listed]:
    """Every entry, the last used first."""
    found = [_listed(path) for path in folder().glob("*") if len(path.name) == 64 and path.is_dir()]
    return sorted((entry for entry in found if entry is not None), key=lambda entry: -entry.used)


def clear() -> int:
    """Remove every entry, what runs have chosen by measuring, and remembered signatures; the bytes of the entries.

    Raises ``StorageError`` when an entry cannot be removed.
    """
    listed = entries()
    try:
        for entry in listed:
            _remove(entry.path)
        _sweep()
        for remembered in (CHOICES, RANGES, SIGNATURES):
            shutil.rmtree(cache_folder() / remembered, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"{folder()}: cannot be cleared ({error}); remove it by hand") from error
    return sum(entry.bytes for entry in listed)


def _built(path: Path, content: Content) -> Entry | None:
    """Write an entry beside its place and move it there when it is complete."""
    temporary = path.with_suffix(".tmp")
    for left in (path, temporary):  # a damaged entry, or what a process that died was writing
        shutil.rmtree(left, ignore_errors=True)
    _make_room(sum(prod(array.shape) * array.dtype.itemsize for array in content.arrays.values()))
    temporary.mkdir()
    try:
        stored = {name: _store(temporary / f"{name}.npy", array) for name, array in content.arrays.items()}
        about = About(format=FORMAT, what=content.what, samples=content.samples, classes=content.classes, arrays=stored)
        _write(temporary / ABOUT, [about.model_dump_json(indent=1).encode()])
        temporary.rename(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _opened(path)


def _store(path: Path, array: Array) -> _Stored:
    """One ``.npy`` file, part by part: written rather than mapped, because a full disk kills who writes to a map."""
    dtype = torch.empty(0, dtype=array.dtype).numpy().dtype
    header = io.BytesIO()
    about = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, about)
    parts = (part.contiguous().numpy().data for part in array.parts)
    return _Stored(shape=array.shape, dtype=dtype.name, bytes=_write(path, chain([header.getvalue()], parts)))


def _write(path: Path, parts: Iterable[bytes | memoryview]) -> int:
    """Write a file through to the disk; its size in bytes."""
    with open(path, "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _opened(path: Path) -> Entry | None:
    """The entry at ``path``; None when it is not there, or not whole."""
    try:
        about = About.model_validate_json((path / ABOUT).read_bytes())
        arrays = {name: _mapped(path / f"{name}.npy", stored) for name, stored in about.arrays.items()}
    except (OSError, ValueError):  # pydantic's and numpy's errors are ValueErrors
        return None
    with suppress(OSError):  # a cache that may only be read
        os.utime(path)
    return Entry(about.classes, arrays)


def _mapped(path: Path, stored: _Stored) -> Tensor:
    """The array of a file; raises ``ValueError`` or ``OSError`` when the file is not the one that was stored."""
    if path.stat().st_size != stored.bytes:
        raise ValueError(f"{path}: has been cut")
    try:
        array = np.load(path, mmap_mode="c")
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        array = np.load(path, mmap_mode="r")  # private pages for more than the machine's memory are not promised
    if array.shape != stored.shape or array.dtype.name != stored.dtype:
        raise ValueError(f"{path}: holds another array")
    with warnings.catch_warnings(action="ignore"):  # nothing here writes to the pictures
        return torch.from_numpy(array)


def _make_room(size: int) -> None:
    """Remove the entries that were not used for longest until ``size`` bytes fit; raises ``_NoRoom`` if they cannot.

    They fit within the limit, and when as much stays free on the disk.
    """
    allowed, listed = limit(), entries()
    taken, free = sum(entry.bytes for entry in listed), shutil.disk_usage(folder()).free
    if size > allowed:
        raise _NoRoom(f"{size / 2**30:.1f} GiB are more than CNNCLI_CACHE_LIMIT, {allowed / 2**30:.3g} GiB")
    if free + taken < 2 * size:
        raise _NoRoom(f"{size / 2**30:.1f} GiB would fill the disk, {free / 2**30:.1f} GiB are free")
    while listed and (taken + size > allowed or free < 2 * size):
        oldest = listed.pop()
        _remove(oldest.path)
        taken, free = taken - oldest.bytes, free + oldest.bytes


def _listed(path: Path) -> Listed | None:
    """What lies at ``path``; None when another process has just removed it."""
    try:
        used = path.stat().st_mtime
        size = sum(file.stat().st_size for file in path.iterdir())
    except FileNotFoundError:
        return None
    try:
        about = About.model_validate_json((path / ABOUT).read_bytes())
    except (OSError, ValueError):
        return Listed(path, "(damaged)", 0, size, used)
    return Listed(path, about.what, about.samples, size, used)


def _remove(path: Path) -> None:
    """Remove an entry and its lock; another process may do the same at the same time."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)
    _lock_of(path).unlink(missing_ok=True)


def _sweep() -> None:
    """Remove what processes that died have left: what is still being written is locked."""
    for temporary in folder().glob("*.tmp"):
        with suppress(Timeout), FileLock(_lock_of(temporary), timeout=0):
            shutil.rmtree(temporary, ignore_errors=True)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


@cache
def _warn(text: str) -> None:
    """One line on standard error, once."""
    print(f"warning: {text}", file=sys.stderr)
