"""The folder of an export: filled out of sight, and moved to its place when all of it is right."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnncli.core.errors import ConfigError, StorageError
from cnncli.core.files import try_folder
from cnncli.deploy.description import NAME

OWN = {
    NAME, "card.md", "model.onnx", "model.pt2", "model.safetensors",
    "index.html", "sw.js", "app.webmanifest", "icon.svg", "page", "ort",
}  # fmt: skip
"""All that an export can have at its top."""


def check_place(out: Path) -> None:
    """Raise ``ConfigError`` where ``out`` holds something else than an export, ``StorageError`` where nothing fits."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: is a file; name a folder")
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    others = found - OWN if NAME in found else found
    if others:
        raise ConfigError(f"--out {out}: holds something else than an export ('{min(others)}'); name another folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try_folder(out.parent)
    except OSError as error:
        raise StorageError(f"--out {out}: cannot be made ({error.strerror}); choose another folder") from error


@contextmanager
def becoming(out: Path) -> Iterator[Path]:
    """A folder that takes the place of ``out`` when the block ends well, and is gone when it does not."""
    check_place(out)
    target = out.resolve()
    new, old = (target.parent / f".cnncli.{os.getpid()}.{word}.tmp" for word in ("new", "old"))
    try:
        new.mkdir()
        yield new
        if target.exists():
            target.rename(old)
        new.rename(target)
    except OSError as error:
        raise StorageError(f"--out {out}: cannot be written ({error}); free some space or choose another") from error
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
