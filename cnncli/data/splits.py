"""Carving one split out of another: stratified, and the same for the same seed on every machine."""

import torch
from torch import Tensor

from cnncli.core.errors import DataError
from cnncli.core.seeding import derive_seed

LEFT = "test_fraction, which leaves too few for validation"  # the key that is to blame where test was carved before
_NO_VALIDATION = "dataset.val_fraction: 0 and checkpoint.monitor: train/loss"


def _advice(key: str) -> str:
    """What helps where ``key`` asked for a part and there is none to take."""
    if key == LEFT:
        return "lower dataset.test_fraction, or set dataset.test_fraction: 0"
    others = f"dataset.{key}: 0, " if key != "val_fraction" else ""  # what has no test part has no validation part
    return f"add more, or set {others}{_NO_VALIDATION}"


def stratified_split(targets: Tensor, fraction: float, seed: int, key: str = "val_fraction") -> tuple[Tensor, Tensor]:
    """Indices of the samples that stay and of those taken out, each sorted.

    ``fraction`` of every class is taken out (rounded, but of a class with two or more samples at least one is
    taken and one stays). ``targets`` is int64 ``[N]``. Raises ``DataError`` when nothing can be taken out,
    with ``key`` as the setting that asked for it.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "split"))
    kept, taken = [], []
    for label in targets.unique().tolist():
        members = torch.nonzero(targets == label).flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        taken.append(members[:count])
        kept.append(members[count:])
    if not taken or sum(map(len, taken)) == 0:
        raise DataError(f"no class has two samples, so no part of them can be split off; {_advice(key)}")
    return torch.cat(kept).sort().values, torch.cat(taken).sort().values


def carve(targets: Tensor, fraction: float, seed: int, key: str = "val_fraction") -> tuple[Tensor, Tensor]:
    """``stratified_split`` for class numbers ``[N]``, ``random_split`` for any other targets ``[N, …]``."""
    if targets.ndim == 1 and not targets.is_floating_point():
        return stratified_split(targets, fraction, seed, key)
    return random_split(len(targets), fraction, seed, key)


def random_split(samples: int, fraction: float, seed: int, key: str = "val_fraction") -> tuple[Tensor, Tensor]:
    """Positions of the samples that stay and of those taken out at random, each sorted; at least one of each.

    Raises ``DataError`` for fewer than two samples, with ``key`` as the setting that asked for it.
    """
    if samples < 2:
        raise DataError(f"{samples} samples cannot be split in two; {_advice(key)}")
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(derive_seed(seed, "split")))
    count = min(max(round(fraction * samples), 1), samples - 1)
    return order[count:].sort().values, order[:count].sort().values
