"""Carving one split out of another: stratified, and the same for the same seed on every machine."""

from collections import Counter

import torch
from torch import Tensor

from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.core.seeding import derive_seed

LEFT = "test_fraction, which leaves too few for validation"  # the key that is to blame where test was carved before
LEFT_ONE = "test_fraction, of which the smallest leaves too few"  # the same where a lower one would not help
_NO_VALIDATION = "dataset.val_fraction: 0 and checkpoint.monitor: train/loss"


def _advice(key: str) -> str:
    """What helps where ``key`` asked for a part and there is none to take."""
    if key in (LEFT, LEFT_ONE):
        lower = "lower dataset.test_fraction, " if key == LEFT else ""
        return f"add more, {lower}set dataset.test_fraction: 0, or set {_NO_VALIDATION}"
    others = f"dataset.{key}: 0, " if key != "val_fraction" else ""  # what has no test part has no validation part
    return f"add more, or set {others}{_NO_VALIDATION}"


def stratified_split(
    targets: Tensor, fraction: float, seed: int, key: str = "val_fraction", groups: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Indices of the samples that stay and of those taken out, each sorted.

    ``fraction`` of every class is taken out (rounded, but of a class with two or more samples at least one is
    taken and one stays). ``targets`` is int64 ``[N]``. Samples of one group ``[N]`` stay together. Raises ``DataError``
    when nothing can be taken out, with ``key`` as the setting that asked for it.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "split"))
    taking = _Taking(groups)
    for label in targets.unique().tolist():
        members = torch.nonzero(targets == label).flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        taking.take(members, min(max(round(fraction * len(members)), 1), len(members) - 1))
    kept, taken = taking.result(len(targets), key)
    if len(taken) == 0:
        left = " beside those of the test part" if key in (LEFT, LEFT_ONE) else ""
        cause = "each class is one group of samples" if taking.too_large else f"no class has two samples{left}"
        raise DataError(f"{cause}, so no part of them can be split off; {_advice(key)}")
    return kept, taken


def carve(
    targets: Tensor, fraction: float, seed: int, key: str = "val_fraction", groups: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """``stratified_split`` for class numbers ``[N]``, ``random_split`` for any other targets ``[N, …]``."""
    if targets.ndim == 1 and not targets.is_floating_point():
        return stratified_split(targets, fraction, seed, key, groups)
    return random_split(len(targets), fraction, seed, key, groups)


def random_split(
    samples: int, fraction: float, seed: int, key: str = "val_fraction", groups: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The same without classes: ``fraction`` of all samples, at least one on each side. Raises ``DataError``."""
    if samples < 2:
        raise DataError(f"{samples} samples cannot be split in two; {_advice(key)}")
    generator = torch.Generator().manual_seed(derive_seed(seed, "split"))
    taking = _Taking(groups)
    count = min(max(round(fraction * samples), 1), samples - 1)
    taking.take(torch.randperm(samples, generator=generator), count)
    kept, taken = taking.result(samples, key)
    if len(taken) == 0:
        raise DataError(f"all samples belong together, so no part of them can be split off; {_advice(key)}")
    return kept, taken


def left_by(targets: Tensor) -> str:
    """The key to blame where nothing of ``targets`` is left for validation beside the test part."""
    return LEFT if _largest(targets) > 2 else LEFT_ONE


def can_be_carved(targets: Tensor) -> bool:
    """Whether there is something of ``targets`` ``[N, …]`` to take out."""
    return _largest(targets) > 1


def _largest(targets: Tensor) -> int:
    """How many samples the largest class has; without classes all samples are one."""
    if targets.ndim == 1 and not targets.is_floating_point() and len(targets):
        return int(torch.bincount(targets).max())
    return len(targets)


class _Taking:
    """Takes samples out in a given order, but those of a group only together: each group goes one way."""

    def __init__(self, groups: Tensor | None) -> None:
        self.groups: list[int] | None = None if groups is None else groups.tolist()
        self.sizes = Counter(self.groups or ())
        self.goes: dict[int, bool] = {}  # group → whether it is taken out
        self.taken: list[int] = []
        self.too_large = 0

    def take(self, members: Tensor, count: int) -> None:
        """Take about ``count`` of ``members``, in their order; a group that is larger than that stays."""
        if self.groups is None:
            self.taken += members[:count].tolist()
            return
        left = count
        here = Counter(self.groups[member] for member in members.tolist())
        for member in members.tolist():
            group = self.groups[member]
            if group not in self.goes:
                self.goes[group] = here[group] <= left
                self.too_large += here[group] > count > 0
                left -= here[group] if self.goes[group] else 0
            if self.goes[group]:
                self.taken.append(member)

    def result(self, samples: int, key: str) -> tuple[Tensor, Tensor]:
        """What stays and what is taken out, each sorted."""
        if self.groups is not None:
            self.taken = [member for member in range(samples) if self.goes.get(self.groups[member], False)]
        if self.too_large:
            text = f"{self.too_large} groups of samples that belong together are larger than the split of {key}"
            notice("large_group", f"{text}; they stay in training")
        out = torch.zeros(samples, dtype=torch.bool)
        out[torch.tensor(self.taken, dtype=torch.int64)] = True
        return torch.nonzero(~out).flatten(), torch.nonzero(out).flatten()
