"""The samples of a run found again among those that lie there now."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnncli.core.errors import DataError, SamplesGone
from cnncli.core.members import SPLITS, Ids, Members, few, in_order
from cnncli.core.notices import notice
from cnncli.core.spec import Split
from cnncli.data.contract import Remembered

Flags = NDArray[np.bool_]

FEW_DISTINCT = 0.5  # of the training rows are different: below, equal rows say little


@dataclass(frozen=True)
class Samples:
    """What lies there now: names ``[N]``, or none, hashes of the content ``[N]``; ``what`` and ``where`` in words.

    ``targets`` ``[N, …]`` are None where they cannot be compared with those of a run.
    """

    names: Sequence[str]
    content: Ids
    what: str
    where: str
    targets: Tensor | None = None

    def called(self, position: int) -> str:
        """One sample, for a message."""
        return self.names[position] if len(self.names) else f"row {position + 1}"


def members_of(by: str, samples: Samples, parts: dict[Split, Tensor], targets: Tensor) -> Members:
    """What a new run remembers: of every split the samples at ``parts``, and their ``targets`` of ``[N, …]``.

    Where the content alone tells samples apart it tells their targets as well, and those of training are enough.
    """
    codes, order = in_order({split: rows.numpy() for split, rows in parts.items()})
    names = tuple(samples.names[row] for row in order) if len(samples.names) else ()
    learned = targets[parts["train"] if by == "content" else torch.from_numpy(order)].numpy()
    if learned.dtype == np.int64 and learned.size and learned.min() >= 0 and learned.max() < 2**15:
        learned = learned.astype(np.int16)
    members = Members(by, codes, samples.content[order], names, targets=learned)  # type: ignore[arg-type]
    members.check()
    return members


def tell_unknown(where: str) -> None:
    """Say that a checkpoint does not know its samples."""
    text = f"{where}: the checkpoint does not say which samples it was trained on; the data are split again"
    notice("split_anew", f"{text}, which is right only if the data have not changed since")


def find_parts(remembered: Remembered, samples: Samples, names_at_home: Sequence[str] = ()) -> dict[Split, Tensor]:
    """The positions of each split's samples among those that lie there now, in the order of the run.

    ``names_at_home`` are those of pictures elsewhere as they would be seen from the run's own folder. Raises
    ``SamplesGone`` where none of the run's are there, ``DataError`` where nothing is left to judge.
    """
    members = remembered.members
    found = _match(members, samples)
    if remembered.elsewhere:
        return {"test": _unseen(members, samples, found, names_at_home)}
    changed = _changed(members, samples, found)
    leaked = _leaked(members, samples, found)
    parts: dict[Split, Tensor] = {}
    for split in SPLITS:
        own = members.of(split)
        here = own[(found[own] >= 0) & ~leaked[own]]
        if len(own):
            parts[split] = torch.from_numpy(found[here])
    _tell(members, samples, found, changed, leaked)
    if not any(len(rows) for rows in parts.values()):
        raise SamplesGone(f"{samples.where}: none of the {samples.what} that the run knew are there")
    return parts


def _member(members: Members, position: int) -> str:
    return members.names[position] if members.names else f"row {position + 1} of the run"


def _match(members: Members, samples: Samples) -> Ids:
    """The position now of every member ``[N]``, -1 where it is gone.

    First what has name and content, then the content under another name, then the name with a new content. Where a
    key names the samples it alone counts; where nothing does, of equal contents those of training come first.
    """
    found = np.full(len(members.split), -1, dtype=np.int64)
    free = np.ones(len(samples.content), dtype=bool)
    if members.by != "content":
        at = {name: position for position, name in enumerate(samples.names)}
        named = np.array([at.get(name, -1) for name in members.names], dtype=np.int64)
        same = (named >= 0) & ((samples.content[named] == members.content) | (members.by == "key"))
        found[same] = named[same]
        free[named[same]] = False
    if members.by != "key":
        _by_content(members, samples, found, free)
    if members.by == "path":
        left = np.flatnonzero((found < 0) & (named >= 0))
        left = left[~np.isin(samples.content[named[left]], members.content)]  # another sample of the run lies there now
        for row in left[free[named[left]]]:
            if free[named[row]]:
                found[row], free[named[row]] = named[row], False
    return found


def _by_content(members: Members, samples: Samples, found: Ids, free: Flags) -> None:
    """Fill ``found`` with positions of equal content, each used once."""
    lost, there = (np.flatnonzero(each) for each in (found < 0, free))
    if not len(lost) or not len(there):
        return
    lost = lost[np.argsort(members.content[lost], kind="stable")]
    there = there[np.argsort(samples.content[there], kind="stable")]
    wanted, given = members.content[lost], samples.content[there]
    # the n-th of equal members is the n-th of the samples that are equal to it
    place = np.arange(len(wanted)) - np.searchsorted(wanted, wanted) + np.searchsorted(given, wanted)
    fits = given[np.minimum(place, len(given) - 1)] == wanted
    fits &= place < len(given)
    found[lost[fits]] = there[place[fits]]
    free[found[lost[fits]]] = False


def _changed(members: Members, samples: Samples, found: Ids) -> Ids:
    """The members that are there with another content."""
    there = np.flatnonzero(found >= 0)
    changed: Ids = there[samples.content[found[there]] != members.content[there]]
    return changed


def _relabelled(members: Members, samples: Samples, found: Ids) -> Ids:
    """The members that are there with another target than in the run, as far as it keeps them."""
    if samples.targets is None or members.by == "content":
        return np.zeros(0, dtype=np.int64)
    there = np.flatnonzero(found[: len(members.targets)] >= 0)
    now, then = samples.targets.numpy()[found[there]], members.targets[there]
    if now.shape != then.shape:
        return np.zeros(0, dtype=np.int64)
    differs = now != then
    relabelled: Ids = there[differs if differs.ndim == 1 else differs.any(axis=1)]
    return relabelled


def _leaked(members: Members, samples: Samples, found: Ids) -> Flags:
    """Which members ``[N]`` would be judged though training has seen what is there now, by name or by content."""
    leaked = np.zeros(len(found), dtype=bool)
    if members.by == "content":
        return leaked
    train = members.of("train")
    contents = set(members.content[train].tolist()) if members.by == "path" else set()
    names = {members.names[row] for row in train}
    for row in np.flatnonzero((found >= 0) & (members.split > 0)).tolist():
        position = int(found[row])
        name, content = samples.names[position], int(samples.content[position])
        as_before = name == members.names[row] and content == int(members.content[row])
        leaked[row] = not as_before and (name in names or content in contents)
    return leaked


def _unseen(members: Members, samples: Samples, found: Ids, names_at_home: Sequence[str]) -> Tensor:
    """The positions of all samples but those that were trained on; rows of which there are few different ones stay.

    A picture was trained on if its content was, or if it lies where one of training lay. In a copy of the run's folder,
    which one unchanged picture shows it to be, it lies there under the same path from the root.
    """
    train = members.of("train")
    if members.by == "content" and len(np.unique(members.content[train])) < FEW_DISTINCT * len(train):
        equal = int(np.isin(samples.content, members.content[train]).sum())
        if equal:
            text = f"{equal:,} {samples.what} are equal to rows of training; they are judged as well"
            notice("equal_rows", f"{samples.where}: {text}")
        return torch.arange(len(samples.content))
    seen = np.zeros(len(samples.content), dtype=bool)
    names = {members.names[row] for row in train} if members.names else set()
    here = found[train]
    seen[here[here >= 0]] = True
    if members.by == "path":
        seen = np.isin(samples.content, members.content[train])
        if names_at_home:
            seen |= np.array([name in names for name in names_at_home])
        same = np.array([name in names for name in samples.names])
        if (seen & same).any():  # these are the run's own pictures
            seen |= same
        elif same.any():
            text = f"{int(same.sum()):,} {samples.what} have the paths of training {samples.what} and another content"
            notice("same_paths", f"{samples.where}: {text}; they are judged as others")
    if seen.any():
        known = [samples.called(row) for row in np.flatnonzero(seen).tolist()]
        text = f"{len(known):,} of {len(seen):,} {samples.what} were trained on and are left out"
        notice("trained_on", f"{samples.where}: {text} ({few(known)})")
    if seen.all():
        how = ", by their path or by their content" if members.by == "path" else ""
        raise DataError(
            f"{samples.where}: all {samples.what} were trained on{how}; name data that the network has not seen"
        )
    _tell_validation(members, samples, found, seen, names_at_home)
    return torch.from_numpy(np.flatnonzero(~seen))


def _tell_validation(members: Members, samples: Samples, found: Ids, seen: Flags, names_at_home: Sequence[str]) -> None:
    """Say how many of the samples that are judged, those not ``seen`` ``[N]``, were validation."""
    own = members.of("val")
    validation = np.zeros(len(seen), dtype=bool)
    validation[found[own][found[own] >= 0]] = True
    if names_at_home and members.names:
        names = {members.names[row] for row in own}
        validation |= np.array([name in names for name in names_at_home])
    if count := int((validation & ~seen).sum()):
        text = f"{count:,} of the {int((~seen).sum()):,} {samples.what} that are judged were validation"
        notice("validation_samples", f"{samples.where}: {text}, which picked the best epoch")


def _tell(members: Members, samples: Samples, found: Ids, changed: Ids, leaked: Flags) -> None:
    """Count and name what is new, gone, changed, or known from training."""
    used = np.zeros(len(samples.content), dtype=bool)
    used[found[found >= 0]] = True
    groups = {
        "new": (
            "are new since the run began and are not used",
            [samples.called(int(row)) for row in np.flatnonzero(~used)],
        ),
        "gone": ("that the run knew are gone", [_member(members, int(row)) for row in np.flatnonzero(found < 0)]),
        "changed": ("have another content than in the run", [samples.called(int(found[row])) for row in changed]),
        "relabelled": (
            "have another label than in the run",
            [samples.called(int(found[row])) for row in _relabelled(members, samples, found)],
        ),
        "trained_on": (
            "were judged in the run but are now what it was trained on; they are left out",
            [samples.called(int(found[row])) for row in np.flatnonzero(leaked)],
        ),
    }
    for kind, (text, names) in groups.items():
        if names:
            notice(f"{kind}_samples", f"{samples.where}: {len(names):,} {samples.what} {text} ({few(names)})")
