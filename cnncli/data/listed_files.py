"""The files that a table of pictures means, also where another system wrote their paths in another way."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnncli.core.files import user_path
from cnncli.core.notices import notice
from cnncli.data.kinds import has_picture_extension
from cnncli.data.names import nfc

_ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|[\\/]")  # C:\ or \\server\ or /home


@dataclass(frozen=True)
class Files:
    """The file of every row, and for those that are not there row → what is to be said of it, perhaps nothing."""

    paths: list[Path]
    absent: dict[int, str]


def find_files(cells: Sequence[str], folder: Path, table: str) -> Files:
    r"""The file that each cell means, seen from ``folder``.

    Where there is none of that name: ``\`` is read as ``/``, another computer's folder in front of all paths is left
    out, and a file whose name differs in case, in Unicode's form or by a missing extension is taken if it is the only
    one. What was read in such a way is a notice.
    """
    paths = [folder / (user_path(cell) if cell.startswith("~") else cell) for cell in cells]
    missing = [row for row, path in enumerate(paths) if not os.path.isfile(path)]  # Path's own raises for odd names
    if not missing:
        return Files(paths, {})
    finder = _Finder(folder, _foreign_parts([cells[row] for row in missing], folder))
    absent, read = dict[int, str](), list[int]()
    for row in missing:
        found = finder.find(cells[row])
        if isinstance(found, Path):
            paths[row] = found
            read.append(row)
        else:
            absent[row] = found
    if read:
        first = f"first '{cells[read[0]]}' as '{paths[read[0]]}'"
        notice("paths_read", f"{table}: {len(read):,} paths are written in another way than their files, {first}")
    return Files(paths, absent)


def _parts(cell: str) -> list[str]:
    return [part for part in re.split(r"[\\/]", cell) if part not in ("", ".")]


def _foreign_parts(cells: Sequence[str], folder: Path) -> int:
    """How many parts at the beginning of absolute paths are another computer's folder.

    All have them in common, and without them the first file is found below ``folder``; 0 where there are none.
    """
    absolute = [_parts(cell) for cell in cells if _ABSOLUTE.match(cell)]
    if not absolute:
        return 0
    shared = absolute[0][:-1]
    for parts in absolute:
        while parts[: len(shared)] != shared:
            shared = shared[:-1]
    for count in range(1, len(shared) + 1):
        if isinstance(_Finder(folder, count).find("/" + "/".join(absolute[0])), Path):
            return count
    return 0


class _Finder:
    """Looks for files as people would, with every folder listed once."""

    def __init__(self, folder: Path, foreign: int) -> None:
        self.folder, self.foreign = folder, foreign
        self.listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, cell: str) -> Path | str:
        """The file that a cell means, or why there is none."""
        parts, here = _parts(cell), self.folder
        if _ABSOLUTE.match(cell):
            if not self.foreign:
                return f": a path of another computer, and nothing below '{self.folder}' fits its end"
            parts = parts[self.foreign :]
        for number, part in enumerate(parts):
            names = self._matching(here, part, last=number == len(parts) - 1)
            if len(names) != 1:
                return f": fits {len(names)} files, {', '.join(names[:3])}" if names else ""
            here = here / names[0]
        return here if os.path.isfile(here) else ": is no file"

    def _matching(self, folder: Path, name: str, last: bool) -> list[str]:
        """What lies in a folder under a name as it is written.

        Else in another form of Unicode, else in another case, else without its extension.
        """
        if name == ".." or os.path.exists(folder / name):
            return [name]
        if folder not in self.listed:
            self.listed[folder] = _index(folder)
        index = self.listed[folder]
        forms = [f"form {nfc(name)}", f"case {nfc(name).casefold()}"]
        forms += [f"stem {nfc(name)}"] if last else []
        return next((index[form] for form in forms if form in index), [])


def _index(folder: Path) -> dict[str, list[str]]:
    index: dict[str, list[str]] = defaultdict(list)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    for name in names:
        form = nfc(name)
        index[f"form {form}"].append(name)
        index[f"case {form.casefold()}"].append(name)
        if has_picture_extension(name):
            index[f"stem {os.path.splitext(form)[0]}"].append(name)
    return dict(index)
