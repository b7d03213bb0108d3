"""Carving one split out of another: stratified, and the same for the same seed on every machine."""

import torch
from torch import Tensor

from cnncli.core.errors import DataError
from cnncli.core.seeding import derive_seed


def stratified_split(targets: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the samples that stay and of those taken out, each sorted.

    ``fraction`` of every class is taken out (rounded, but of a class with two or more samples at least one is
    taken and one stays). ``targets`` is int64 ``[N]``. Raises ``DataError`` when nothing can be taken out.
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
        raise DataError("no class has two samples, so no validation part can be split off; set val_fraction: 0")
    return torch.cat(kept).sort().values, torch.cat(taken).sort().values
