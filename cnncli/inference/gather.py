"""Which pictures the words of a command line mean."""

import codecs
import glob
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnncli.core.errors import ConfigError, DataError
from cnncli.core.files import user_path
from cnncli.data.decode import open_image
from cnncli.data.folders import find_pictures

STANDARD_INPUT = "-"


@dataclass
class Asked:
    """Files to answer for, in order, or one picture's bytes, or pictures and arrays ``held`` in memory.

    ``missing`` is path → cause for what is not there.
    """

    paths: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    picture: bytes | None = None
    held: Sequence[Any] | None = None

    @property
    def names(self) -> list[str]:
        """What each is called."""
        if self.held is not None:
            return [f"picture {number}" for number in range(len(self.held))]
        return [str(path) for path in self.paths] if self.picture is None else [STANDARD_INPUT]


def gather(words: Sequence[str]) -> Asked:
    """Files, the pictures of folders, and globs; ``-`` reads a picture, or paths line by line, from standard input.

    Every file is taken once. What does not exist is ``missing``, not an error: it must not stop the others. Raises
    ``ConfigError`` for a picture on standard input beside other words.
    """
    asked = Asked()
    for word in words:
        if word != STANDARD_INPUT:
            _add(asked, word)
            continue
        given = sys.stdin.buffer.read()
        if _is_picture(given):
            if len(words) > 1:
                raise ConfigError("a picture on standard input stands alone; leave the other paths out")
            return Asked(picture=given)
        for line in given.removeprefix(codecs.BOM_UTF8).splitlines():
            if line.strip():
                _add(asked, os.fsdecode(line))
    asked.paths = list(dict.fromkeys(asked.paths))
    return asked


def _add(asked: Asked, word: str) -> None:
    """The files that one word means."""
    path = user_path(word)
    if os.path.isdir(path):
        try:
            found = sorted(find_pictures(path))
        except DataError as error:
            asked.missing[word] = str(error).removeprefix(f"{path}: ")
            return
        asked.paths += found
        if not found:
            asked.missing[word] = "no pictures in this folder"
    elif os.path.exists(path):
        asked.paths.append(path)
    elif os.path.lexists(path):  # which a glob would find as well
        asked.missing[word] = "a link that leads nowhere, or in a circle"
    elif matches := _matches(str(path)):
        for match in matches:
            _add(asked, match)
    else:
        asked.missing[word] = "no such file or folder"


def _matches(pattern: str) -> list[str]:
    """The paths that a pattern means; below ``**`` no link to a folder is followed, so none is followed for ever."""
    start, parts = Path(pattern).anchor, Path(pattern).parts
    if "**" not in parts:
        return sorted(glob.glob(pattern))
    first = parts.index("**")
    found = []
    for root in glob.glob(os.path.join(*parts[:first])) if first else [start or "."]:
        for folder, folders, _ in os.walk(root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += glob.glob(os.path.join(glob.escape(folder), *parts[first + 1 :] or ["*"]))
    return sorted({os.path.normpath(path) for path in found})


def _is_picture(content: bytes) -> bool:
    """Whether bytes are a picture rather than a list of paths."""
    try:
        open_image(io.BytesIO(content))
    except DataError:
        return False
    return True
