"""Which class a picture belongs to, by its folder, its name, or a table."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cnncli.core.errors import DataError
from cnncli.core.printable import JOINERS
from cnncli.data.folders import find_pictures, ignored
from cnncli.data.kinds import has_picture_extension
from cnncli.data.names import compile_pattern, nfc, split_of
from cnncli.data.picture_table import read_listing
from cnncli.data.table_file import read_texts


@dataclass(frozen=True)
class Labelled:
    """A picture and its class."""

    path: Path
    label: str


def label_pictures(source: Path, pattern: str | None, table: Path | None) -> list[Labelled]:
    """Every picture of ``source`` with its class, sorted by path.

    The class is what a ``table`` with columns path and label says, else the first group of ``pattern`` in the path
    below ``source``, else the class folder, else the name without the number at its end. Raises ``DataError`` when a
    picture has no class, or all have the same.
    """
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; name the one that holds the pictures")
    if table is not None:
        found = _by_table(source, table)
    elif pattern is not None:
        found = _by_pattern(source, pattern)
    elif any(has_picture_extension(file.name) for file in source.iterdir() if not file.name.startswith(".")):
        found = _by_name(source)
    else:
        found = _by_folder(source)
    counts = Counter(item.label for item in found)
    if len(counts) < 2:
        raise DataError(f"{source}: {len(found)} pictures of {len(counts)} classes; two or more classes are needed")
    for label in counts:
        if label.startswith(".") or re.search(r"[/\\\0]", label):
            raise DataError(f"{source}: '{label}' cannot be the name of a folder; choose another --pattern or --labels")
    return sorted(found, key=lambda item: str(item.path))


def _by_table(source: Path, table: Path) -> list[Labelled]:
    if not table.is_file():
        raise DataError(f"{table}: no such table; check --labels")
    paths, labels, _ = read_listing(
        read_texts(table, True, names=("path", "label"), can_be_told=False), table.name, "path", "label"
    )
    absent = [path for path in paths if not (source / path).is_file()]
    if absent:
        raise DataError(f"{table}: {len(absent)} of its files are not in {source}, first '{absent[0]}'")
    if len(set(paths)) < len(paths):
        twice = next(path for path, count in Counter(paths).items() if count > 1)
        raise DataError(f"{table}: '{twice}' is listed twice; keep one row of it")
    return [Labelled(source / path, label) for path, label in zip(paths, labels, strict=True)]


def _by_pattern(source: Path, pattern: str) -> list[Labelled]:
    compiled = compile_pattern("--pattern", pattern)
    found = []
    for path in sorted(find_pictures(source)):
        match = compiled.search(path.relative_to(source).as_posix())
        if match is None or not match[1]:
            raise DataError(f"{path}: --pattern '{pattern}' finds no class in it; change it, or move the file away")
        found.append(Labelled(path, nfc(match[1])))
    return found


def _by_name(source: Path) -> list[Labelled]:
    found = []
    for path in sorted(find_pictures(source)):
        label = before_number(path.stem)
        if label is None:
            raise DataError(f"{path}: its name has no class before a number (cat.0.jpg); give --pattern or --labels")
        found.append(Labelled(path, label))
    return found


def before_number(stem: str) -> str | None:
    """The class in ``cat.0``, ``cat_12``, ``cat (3)`` and ``🐈（4）``: all before the number at the end; None without.

    In every script: a mark belongs to the letter before it, and an emoji is a name like any other.
    """
    text = nfc(stem)
    end = _end(text, len(text), _divides)
    start = _end(text, end, str.isdecimal)
    label = text[: _end(text, start, _divides)]
    named = any(not sign.isdecimal() and not _divides(sign) for sign in label)
    return label if start < end and named else None


def _end(text: str, end: int, is_over: Callable[[str], bool]) -> int:
    """Where ``text[:end]`` ends without the signs at its end that are over."""
    while end and is_over(text[end - 1]):
        end -= 1
    return end


def _divides(sign: str) -> bool:
    """Whether a sign stands between names rather than in them: a space, a bracket, a dash or the like."""
    if sign.isascii():
        return not sign.isalnum()
    return unicodedata.category(sign)[0] in "PZC" and sign not in JOINERS


def _by_folder(source: Path) -> list[Labelled]:
    folders = sorted(p for p in source.iterdir() if p.is_dir() and ignored(p.name) is None)
    parts = {folder.name for folder in folders if split_of(folder.name) is not None}
    if parts:
        raise DataError(f"{source}: is split already ({', '.join(sorted(parts))}); name one of its parts")
    return [Labelled(path, nfc(folder.name)) for folder in folders for path in sorted(find_pictures(folder))]
