"""Writing files so that a reader sees the old content or the new, never half of it."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from cnncli.core.errors import ConfigError, StorageError

_counter = itertools.count()


def _temporary(folder: Path) -> Path:
    """A name for a file that is not yet what it will be; short, as the one that it gets may be as long as names can."""
    return folder / f".cnncli.{os.getpid()}.{next(_counter)}.tmp"


def try_folder(folder: Path) -> None:
    """Raise ``OSError`` where no file can be made in ``folder``; the access rights alone do not tell."""
    temporary = _temporary(folder)
    try:
        open(temporary, "xb").close()
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(
    path: Path, write: Callable[[BinaryIO], object], advice: str = "free some space or choose --runs-dir"
) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it to the disk, and rename it into place.

    A file that is replaced leaves its access rights. Raises ``StorageError`` when the disk refuses; ``path`` is then
    as it was and the temporary file gone.
    """
    temporary = _temporary(path.parent)
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error}); {advice}") from error
    finally:
        temporary.unlink(missing_ok=True)


def user_path(path: str | Path) -> Path:
    """``path`` as a person writes it: ``~`` is the home folder, ``~name`` that of another user.

    Raises ``ConfigError`` where there is no such home. Every path that comes from a config, an option or the
    environment passes here. Relative ones are then seen from the working folder (data also from ``$CNNCLI_DATA``), and
    from the file that names them for ``extends`` and ``plugins``.
    """
    if not str(path).startswith("~"):
        return Path(path)
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        here = f"; the one of that name here is ./{path}" if os.path.lexists(path) else "; write the path in full"
        raise ConfigError(f"{path}: there is no such home folder ({error}){here}") from error


def real_path(path: Path) -> Path:
    """``path`` from the root, links followed; ``Path.resolve`` raises for links in a circle."""
    return Path(os.path.realpath(path))


SIGNATURES = "signatures"  # the part of the cache folder where the components' signatures are remembered
RANGES = "ranges"  # the part of the cache folder where the depth and the range of values of pictures are remembered
CHOICES = "choices"  # the part of the cache folder where runs remember how they were found to be fastest


def cache_folder() -> Path:
    """Where what can be made again is kept: ``$CNNCLI_CACHE``, else the user's cache folder."""
    named, shared = os.environ.get("CNNCLI_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        return user_path(named) if named else user_path(shared or "~/.cache") / "cnncli"
    except ConfigError as error:  # a user who has no home
        raise StorageError(f"the cache folder cannot be told ({error}); set CNNCLI_CACHE to a folder") from error


def write_text(path: Path, text: str) -> None:
    """``write_atomically`` for UTF-8 text."""

    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    write_atomically(path, write)


def remember(path: Path, text: str, keep: int) -> None:
    """``write_text`` into a folder of the cache, made if need be, of whose JSON files the ``keep`` newest stay.

    Raises ``OSError`` or ``StorageError``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    files = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    for old in files[:-keep]:
        old.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut; Windows cannot open a folder and needs no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
