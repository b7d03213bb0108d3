"""Pictures into ``train``, ``val`` and ``test`` class folders: stratified, what is alike on one side, nothing lost."""

import csv
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any, Literal

from cnncli.core.errors import ConfigError, DataError, StorageError
from cnncli.core.files import write_text
from cnncli.core.printable import shell_word
from cnncli.curate.labels import Labelled
from cnncli.data.contract import Track
from cnncli.data.duplicates import find_duplicates, join
from cnncli.data.names import compile_pattern
from cnncli.data.signatures import sign_all

How = Literal["copy", "link", "move"]
LISTING = "split.csv"
COLUMNS = ("split", "label", "file", "source", "how", "group")


@dataclass(frozen=True)
class Placed:
    """A picture, where it goes (below the new folder), and the number of the group that must stay together."""

    source: Path
    label: str
    split: str
    file: str
    group: int


def check_request(source: Path, destination: Path, val: float, test: float) -> None:
    """Raise ``ConfigError`` for parts that leave nothing, a folder that is not free, or one inside the other.

    The next split would take such copies for a class.
    """
    _check_parts(val, test)
    inner, outer = destination.resolve(), source.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise ConfigError(f"{destination}: lies in {source}, or the other way round; choose a folder beside it")
    _check_free(destination)


def _check_parts(val: float, test: float) -> None:
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise ConfigError(f"--val {val} --test {test}: two parts from 0 up, together below 1")


def _check_free(destination: Path) -> None:
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        advice = "undo it first (cnncli data undo)" if (destination / LISTING).is_file() else "choose an empty folder"
        raise ConfigError(f"{destination}: is there already; {advice}")


def group(items: Sequence[Labelled], root: Path, group_by: str | None, track: Track) -> list[int]:
    """A group number for each picture: duplicates share one, and those with the same first group of ``group_by``."""
    pairs = [(pair.first, pair.second) for pair in find_duplicates(sign_all([i.path for i in items], track))]
    if group_by is not None:
        compiled = compile_pattern("--group-by", group_by)
        first: dict[str, int] = {}
        for number, item in enumerate(items):
            match = compiled.search(_below(item.path, root).as_posix())
            if match is None or match[1] is None:
                raise DataError(f"{item.path}: --group-by '{group_by}' finds nothing in it; change it")
            pairs.append((first.setdefault(match[1], number), number))
    return join(len(items), pairs)


def _below(path: Path, root: Path) -> Path:
    """``path`` as seen from ``root``; a table may name pictures elsewhere."""
    return Path(os.path.relpath(path, root))


def assign(items: Sequence[Labelled], groups: Sequence[int], val: float, test: float, seed: int) -> list[str]:
    """``train``, ``val`` or ``test`` for each picture: each class in the wanted parts as nearly as groups allow.

    Raises ``ConfigError`` for parts that leave nothing to train on, ``DataError`` for a class with too few groups.
    """
    _check_parts(val, test)
    found, lacking = _fill(items, groups, val, test, seed)
    if lacking:
        split, label = lacking[0]
        cause = f"class '{label}' has too few unlike pictures for {split}"
        raise DataError(f"{cause}; add some, or {_less(items, groups, val, test, seed)}")
    return found


def _less(items: Sequence[Labelled], groups: Sequence[int], val: float, test: float, seed: int) -> str:
    """The parts to ask for instead, so that every class has enough."""
    for less in dict.fromkeys(((0.0, test), (val, 0.0), (0.0, 0.0))):
        if not _fill(items, groups, *less, seed)[1]:
            return f"ask for less: --val {less[0]:g} --test {less[1]:g}"
    return "remove the class"


def _fill(
    items: Sequence[Labelled], groups: Sequence[int], val: float, test: float, seed: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """The split of each picture, and each split that has nothing of a class, with that class."""
    shares = {name: share for name, share in (("val", val), ("test", test)) if share > 0}
    totals = Counter(item.label for item in items)
    wanted = {s: {label: max(round(share * n), 1) for label, n in totals.items()} for s, share in shares.items()}
    wanted["train"] = {label: n - sum(wanted[s][label] for s in shares) for label, n in totals.items()}
    members = defaultdict(list)
    for number, of_group in enumerate(groups):
        members[of_group].append(number)
    order = list(members.values())
    Random(seed).shuffle(order)
    order.sort(key=len, reverse=True)  # the large ones first: they are the hardest to place
    found = [""] * len(items)
    counted = [Counter(items[number].label for number in numbers) for numbers in order]
    left = Counter(label for counts in counted for label in counts)  # groups not yet placed
    lacking = {(split, label) for split in wanted for label in totals}  # splits that have nothing of a class yet
    for numbers, counts in zip(order, counted, strict=True):
        best = _roomiest(wanted, counts, left, lacking)
        for number in numbers:
            found[number] = best
        for label, n in counts.items():
            wanted[best][label] -= n
            left[label] -= 1
            lacking.discard((best, label))
    return found, sorted(lacking)


def _roomiest(
    wanted: dict[str, dict[str, int]], counts: Counter[str], left: Counter[str], lacking: set[tuple[str, str]]
) -> str:
    """The split with most room left after a group; single pictures so fill every split to the last place.

    When no more groups of a class are left than splits that have nothing of it, those splits come first.
    """
    short = {label for label in counts if left[label] <= sum((split, label) in lacking for split in wanted)}
    first = [split for split in wanted if any((split, label) in lacking for label in short)]
    return max(first or wanted, key=lambda split: min(wanted[split][label] - n for label, n in counts.items()))


def place(items: Sequence[Labelled], splits: Sequence[str], groups: Sequence[int], root: Path) -> list[Placed]:
    """Where each picture goes; names that meet in one folder get those of their own folders in front."""
    taken = Counter((split, item.label, item.path.name) for item, split in zip(items, splits, strict=True))
    found = []
    for item, split, number in zip(items, splits, groups, strict=True):
        name = item.path.name
        if any("\ud800" <= letter <= "\udfff" for letter in str(item.path)):
            raise DataError(f"{str(item.path)!a}: its name is not UTF-8; rename it")
        if taken[split, item.label, name] > 1:
            name = "__".join(part for part in _below(item.path, root).parts if part != "..")
        found.append(Placed(item.path.absolute(), item.label, split, f"{split}/{item.label}/{name}", number))
    if len({placed.file for placed in found}) < len(found):
        raise DataError(f"{root}: two pictures would get the same name; rename one")
    return found


def write(placed: Sequence[Placed], destination: Path, how: How) -> None:
    """Fill ``destination``; the listing is written first, so that whatever was done can be undone.

    Raises ``ConfigError`` when there is something already, ``StorageError`` when the disk refuses.
    """
    _check_free(destination)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([p.split, p.label, p.file, str(p.source), how, p.group] for p in placed)
    try:
        destination.mkdir(parents=True, exist_ok=True)
        write_text(destination / LISTING, text.getvalue())
        for item in placed:
            target = destination / item.file
            target.parent.mkdir(parents=True, exist_ok=True)
            if how == "link":
                target.symlink_to(item.source)
            elif how == "move":
                _move(item.source, target)
            else:
                shutil.copy2(item.source, target)
    except OSError as error:
        undo = f"cnncli data undo {shell_word(destination)}"
        raise StorageError(f"{error.filename or destination}: {error.strerror or error}; then: {undo}") from error


def _move(source: Path, target: Path) -> None:
    """Move a file; a link that is relative to its folder leads to the same file from the new one."""
    if source.is_symlink() and not (led := Path(os.readlink(source))).is_absolute():
        target.symlink_to(os.path.relpath(source.parent / led, target.parent))
        source.unlink()
    else:
        shutil.move(source, target)


def summary(placed: Sequence[Placed], destination: Path) -> dict[str, Any]:
    """How many pictures of each class went where, and how many of them had to stay with others."""
    counts: dict[str, dict[str, int]] = {}
    for item in placed:
        of_split = counts.setdefault(item.split, {})
        of_split[item.label] = of_split.get(item.label, 0) + 1
    sizes = Counter(item.group for item in placed)
    return {
        "destination": str(destination),
        "listing": str(destination / LISTING),
        "pictures": len(placed),
        "splits": {name: dict(sorted(counts[name].items())) for name in ("train", "val", "test") if name in counts},
        "kept_together": sum(size for size in sizes.values() if size > 1),
    }


def undo(destination: Path) -> int:
    """Put back what was moved and remove what was copied or linked; returns how many files that were.

    Files that the listing does not name stay, and so does the listing until all others are done. Raises ``DataError``
    when there is no listing, or something would be lost: then nothing is changed.
    """
    listing = destination / LISTING
    try:
        reader = csv.DictReader(StringIO(listing.read_text(encoding="utf-8")))
        rows = list(reader)
    except (OSError, ValueError):
        raise DataError(f"{listing}: cannot be read; only what 'cnncli data split' wrote can be undone") from None
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise DataError(f"{listing}: is not a listing of 'cnncli data split'; nothing was changed")
    for row in rows:
        if fault := _undo_fault(row, destination):
            raise DataError(f"{fault}; nothing was changed, fix that first")
    done = 0
    for row in rows:
        target, source = destination / row["file"], Path(row["source"])
        if row["how"] != "move":
            done += target.is_symlink() or target.exists()
            target.unlink(missing_ok=True)
        elif target.exists() and not source.exists():
            source.parent.mkdir(parents=True, exist_ok=True)
            _move(target, source)
            done += 1
        elif target.exists():
            target.unlink()  # half of a move to another disk: the source was not yet removed
    listing.unlink()
    for parent, _, _ in os.walk(destination, topdown=False):
        if not any(Path(parent).iterdir()):
            Path(parent).rmdir()
    return done


def _undo_fault(row: dict[str, str], destination: Path) -> str | None:
    """Why a row of a listing cannot be undone without losing something; None when it can."""
    target, source = destination / row["file"], Path(row["source"])
    if Path(row["file"]).is_absolute() or ".." in Path(row["file"]).parts:
        return f"{destination / LISTING}: '{row['file']}' lies outside {destination}"
    if not source.exists():
        # of a moved file one of the two must be there, of a copied one the first: else the last would be removed
        return None if row["how"] == "move" and target.exists() else f"{source}: is gone"
    if row["how"] == "link" or not target.exists():
        return None
    # what an interrupted copy or move left is the beginning of the other
    if not source.read_bytes().startswith(target.read_bytes()):
        return f"{target}: is no longer the same as {source}"
    return None
