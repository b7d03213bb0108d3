"""Which pictures the words of a command line mean."""

import glob
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnncli.core.errors import ConfigError, DataError
from cnncli.core.files import user_path
from cnncli.data.decode import open_image
from cnncli.data.folders import find_pictures

STANDARD_INPUT = "-"


@dataclass
class Asked:
    """Files to answer for, in order, or one picture's bytes; ``missing`` is path → cause for what is not there."""

    paths: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    picture: bytes | None = None


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
        for line in given.splitlines():
            if line.strip():
                _add(asked, os.fsdecode(line))
    asked.paths = list(dict.fromkeys(asked.paths))
    return asked


def _add(asked: Asked, word: str) -> None:
    """The files that one word means."""
    path = user_path(word)
    if path.is_dir():
        try:
            found = sorted(find_pictures(path))
        except DataError as error:
            asked.missing[word] = str(error).removeprefix(f"{path}: ")
            return
        asked.paths += found
        if not found:
            asked.missing[word] = "no pictures in this folder"
    elif path.exists():
        asked.paths.append(path)
    elif matches := sorted(glob.glob(str(path), recursive=True)):
        for match in matches:
            _add(asked, match)
    else:
        asked.missing[word] = "no such file or folder"


def _is_picture(content: bytes) -> bool:
    """Whether bytes are a picture rather than a list of paths."""
    try:
        open_image(io.BytesIO(content))
    except DataError:
        return False
    return True
