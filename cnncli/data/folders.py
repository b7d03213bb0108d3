"""What a folder of pictures holds: its splits, its classes, its pictures, and what is passed over."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cnncli.core.errors import DataError, SamplesGone
from cnncli.core.notices import notice
from cnncli.core.spec import Split
from cnncli.data.kinds import is_picture
from cnncli.data.names import near_equal, nfc, resembles_split, split_of
from cnncli.data.paths import Paths

_SYSTEM = {"@eadir", "#recycle", "#snapshot", "__macosx", "$recycle.bin", "system volume information", "lost+found",
           "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # fmt: skip
_USUAL = (".jpg", ".png", ".jpeg")
_LISTING = "split.csv"  # what 'cnncli data split' writes beside the splits


@dataclass(frozen=True)
class Part:
    """One split: its class names, sorted, and of every picture its path, its class and its name.

    Names are paths from the root of the data, with ``/``, in Unicode's composed form (NFC): the same wherever the
    folder lies. Pictures are sorted by class, then by name.
    """

    folder: Path
    classes: tuple[str, ...]
    paths: Paths
    labels: tuple[int, ...]
    names: tuple[str, ...]


@dataclass
class Passed:
    """What was passed over, counted by kind; of the kinds with few members ``names`` are some."""

    counts: Counter[str] = field(default_factory=Counter)
    names: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, name: str) -> None:
        """Count one thing of a kind."""
        self.counts[kind] += 1
        if name not in self.names[kind] and len(self.names[kind]) < 4:
            self.names[kind].append(name)

    def tell(self, root: Path) -> None:
        """One notice for all, where there is anything."""
        if self.counts:
            parts = [f"{kind}: {count:,} ({self._some(kind)})" for kind, count in sorted(self.counts.items())]
            notice("passed_over", f"{root}: passed over {'; '.join(parts)}")

    def _some(self, kind: str) -> str:
        names = self.names[kind]
        return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


class Found(NamedTuple):
    """A picture below a folder: its path, and its name as seen from there."""

    name: str
    text: str  # its path


def read_folder(root: Path, strict: bool = True, to_judge: bool = False) -> dict[Split, Part]:
    """The splits of a folder in ``train/<class>/…`` or ``<class>/…`` layout; notices say what is worth a look.

    Raises ``DataError`` for a folder that cannot be listed, for two folders of one split, for one that may be meant as
    a split, and, if ``strict``, for a class without pictures, fewer than two classes, and splits of other classes.
    ``to_judge`` a training part is not needed.
    """
    passed = Passed()
    splits = split_folders(root, passed, to_judge)
    parts = {split: _read_part(root, folder, passed) for split, folder in splits.items()}
    passed.tell(root)
    for one, other in near_equal(dict.fromkeys(name for part in parts.values() for name in part.classes)):
        notice("similar_classes", f"{root}: the classes '{one}' and '{other}' are written almost alike; are they one?")
    if strict:
        for part in parts.values():
            _must_be_several(part)
            _must_agree(part, parts["train"])
            _must_be_filled(part)
    return parts


def split_folders(root: Path, passed: Passed | None = None, to_judge: bool = False) -> dict[Split, Path]:
    """``train``, ``val`` and ``test`` → their folders; a folder without such parts is ``train`` itself.

    Raises ``DataError`` where it is not clear which folder is which split, or none is to train on.
    """
    folders = [entry for entry in _listed(root) if _is_folder(entry) and not ignored(entry.name)]
    named = {entry.name: split for entry in folders if (split := split_of(entry.name)) is not None}
    others = [entry.name for entry in folders if entry.name not in named]
    if not named or (others and all(_is_flat(entry) for entry in folders if entry.name in named)):
        if len(others) > 1 and all(resembles_split(entry.name) and not _is_flat(entry) for entry in folders):
            raise DataError(f"{root}: {_quoted(sorted(others))} look like splits; call them train, val and test")
        return {"train": root}  # a class may be called 'test', too
    unclear = sorted(name for name in others if resembles_split(name))
    if unclear:
        raise DataError(
            f"{root}: beside {_quoted(sorted(named))} the folder {_quoted(unclear)} looks like a split; "
            "call it train, val or test, or move it away"
        )
    found: dict[Split, Path] = {}
    for name, split in sorted(named.items(), key=lambda item: (("train", "val", "test").index(item[1]), item[0])):
        if split in found:
            raise DataError(f"{root}: '{found[split].name}' and '{name}' are both {split} folders; join or rename them")
        found[split] = root / name
    if "train" not in found and not to_judge:
        raise SamplesGone(f"{root}: has {', '.join(sorted(named))} but no train folder; add one")
    _must_differ(found.values())
    if passed is not None:
        _pass_over_beside(root, set(named), passed)
    return found


def find_pictures(folder: Path) -> list[Path]:
    """Every picture below ``folder``; links to folders are not followed, so that nothing is endless.

    Raises ``DataError`` for a folder that cannot be listed.
    """
    passed = Passed()
    found = [Path(picture.text) for picture in walk(folder, passed)]
    passed.tell(folder)
    return found


def walk(folder: Path, passed: Passed, below: str = "") -> Iterator[Found]:
    """Every picture below ``folder``, in no order; what is passed over is counted in ``passed``."""
    inner: list[tuple[str, str]] = []
    for entry in _listed(folder):
        name = entry.name
        if name.endswith(_USUAL) and name[0] != "." and not _is_folder(entry):  # nearly all
            yield Found(below + nfc(name), entry.path)
            continue
        kind = ignored(name)
        if kind is not None:
            passed.add(f"{kind} {'folders' if _is_folder(entry) else 'files'}", name)
        elif _is_plain_folder(entry):
            inner.append((entry.path, f"{below}{nfc(name)}/"))
        elif _is_folder(entry):
            passed.add("links to folders", name)
        elif is_picture(name, entry.path):
            yield Found(f"{below}{nfc(name)}", entry.path)
        else:
            passed.add("files that are no pictures", os.path.splitext(name)[1].lower() or name)
    for path, name in inner:
        yield from walk(Path(path), passed, name)


def _read_part(root: Path, folder: Path, passed: Passed) -> Part:
    """The classes and pictures of one split; class folders whose names are one after NFC are joined."""
    above = "" if folder == root else f"{nfc(folder.name)}/"
    by_class: dict[str, list[Path]] = defaultdict(list)
    for entry in _listed(folder):
        kind = ignored(entry.name)
        if kind is not None:
            passed.add(f"{kind} {'folders' if _is_folder(entry) else 'files'}", entry.name)
        elif _is_folder(entry):
            if entry.is_symlink() and _leads_up(entry.path):
                passed.add("links to a folder above", entry.name)
            else:
                by_class[nfc(entry.name)].append(Path(entry.path))
        elif is_picture(entry.name, entry.path):
            passed.add("pictures outside class folders", entry.name)
        elif entry.name != _LISTING:
            passed.add("files that are no pictures", os.path.splitext(entry.name)[1].lower() or entry.name)
    _must_differ(path for paths in by_class.values() for path in paths)
    classes = tuple(sorted(by_class))
    found: list[Found] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if len(by_class[name]) > 1:
            notice("joined_classes", f"{folder}: {len(by_class[name])} folders are called '{name}' to the eye; joined")
        for path in by_class[name]:
            _must_not_hold_splits(path, alone=len(by_class) == 1)
        pictures = [item for path in by_class[name] for item in walk(path, passed, f"{above}{name}/")]
        pictures.sort(key=lambda item: item[0].replace("/", "\0"))  # folder by folder, as paths are sorted
        if len(by_class[name]) > 1:  # where two have one name
            pictures.sort(key=lambda item: (item.name, item.text))
        found += pictures
        labels += [label] * len(pictures)
    return Part(folder, classes, Paths(text for _, text in found), tuple(labels), tuple(name for name, _ in found))


def _must_be_several(part: Part) -> None:
    if len(part.classes) < 2:
        inside = next((part.folder / name for name in part.classes), None)
        deeper = inside is not None and set(split_folders(inside)) != {"train"}
        advice = f"name the folder {inside}" if deeper else "one folder for each of two or more classes is needed"
        raise DataError(f"{part.folder}: has {len(part.classes)} class folders; {advice}")


def _must_be_filled(part: Part) -> None:
    there = set(part.labels)
    for label, name in enumerate(part.classes):
        if label not in there:
            raise DataError(f"{part.folder / name}: no pictures in this class folder; add some or remove the folder")


def _must_agree(part: Part, train: Part) -> None:
    missing, extra = sorted(set(train.classes) - set(part.classes)), sorted(set(part.classes) - set(train.classes))
    pairs = [f"'{b}' is '{a}' there" for a, b in near_equal([*missing, *extra]) if a in missing and b in extra]
    if missing or extra:
        advice = f"; {', '.join(pairs)}: give them one name" if pairs else ""
        raise DataError(
            f"{part.folder}: its classes differ from the training part's (missing: {missing}, extra: {extra}){advice}"
        )


def _must_differ(folders: Iterable[Path]) -> None:
    """Raise ``DataError`` where two of the folders are one, by a link."""
    seen: dict[tuple[int, int], Path] = {}
    for folder in sorted(folders, key=lambda path: (path.is_symlink(), path)):
        found = os.stat(folder)
        other = seen.setdefault((found.st_dev, found.st_ino), folder) if found.st_ino else folder
        if other != folder:
            raise DataError(f"{folder}: is the same folder as '{other.name}', by a link; remove one of them")


def _must_not_hold_splits(folder: Path, alone: bool) -> None:
    """Raise ``DataError`` for a class folder that holds splits: all would be mixed."""
    inner = {entry.name: split_of(entry.name) for entry in _listed(folder) if _is_folder(entry)}
    if len({split for split in inner.values() if split is not None}) > 1:
        names = [name for name, split in sorted(inner.items()) if split is not None]
        advice = f"put them above the classes, as in {names[-1]}/{folder.name}"
        if alone:
            advice = f"name the folder {folder}"
        raise DataError(f"{folder}: holds {_quoted(names)}, which look like splits; {advice}")


def _pass_over_beside(root: Path, named: set[str], passed: Passed) -> None:
    """Count what lies beside the splits."""
    for entry in _listed(root):
        kind = ignored(entry.name)
        if kind is not None:
            passed.add(f"{kind} {'folders' if _is_folder(entry) else 'files'}", entry.name)
        elif _is_folder(entry) and entry.name not in named:
            passed.add("folders beside the splits", entry.name)
        elif not _is_folder(entry) and entry.name != _LISTING:
            passed.add("files beside the splits", entry.name)


@contextmanager
def _listable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        raise DataError(f"{folder}: cannot be listed ({cause}); make it readable or move it away") from error


def _listed(folder: Path) -> list["os.DirEntry[str]"]:
    """What lies in a folder; raises ``DataError`` where that cannot be told."""
    with _listable(folder), os.scandir(folder) as entries:
        return list(entries)


def ignored(name: str) -> str | None:
    """As what a file or folder is passed over for its name; None where it is not."""
    if name.startswith("."):
        return "hidden"
    return "system" if name.lower() in _SYSTEM else None


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder, or a link to one; a link in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_plain_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False)


def _leads_up(link: str) -> bool:
    """Whether a link leads to a folder that it lies in."""
    target, here = os.path.realpath(link), os.path.realpath(os.path.dirname(link))
    return os.path.commonpath([target, here]) == target


def _is_flat(entry: "os.DirEntry[str]") -> bool:
    """Whether a folder holds pictures and no folders: a class does, a split does not."""
    inner = [found for found in _listed(Path(entry.path)) if ignored(found.name) is None]
    return not any(map(_is_folder, inner)) and any(is_picture(found.name, found.path) for found in inner)


def _quoted(names: Iterable[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)
