"""Which samples make which batch, and which of them are this process's where several train together."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from cnncli.core.seeding import derive_seed


@dataclass(frozen=True)
class Share:
    """Part ``index`` of ``count`` of everything."""

    index: int = 0
    count: int = 1

    def of(self, number: int) -> slice:
        """Its part of so many: all parts follow each other and differ by at most one."""
        return slice(self.index * number // self.count, (self.index + 1) * number // self.count)

    def size(self, number: int) -> int:
        """How many of so many that are."""
        return (self.index + 1) * number // self.count - self.index * number // self.count


class Part(NamedTuple):
    """This process's samples of a batch, int64 ``[B]``, and the place of the first of them in the epoch."""

    indices: Tensor
    first: int

    @property
    def positions(self) -> Tensor:
        """The place of each in the epoch, int64 ``[B]``."""
        return torch.arange(self.first, self.first + len(self.indices))


@dataclass(frozen=True)
class Order:
    """Which samples make which batch: shuffled anew each epoch for training, as stored for evaluation.

    Training shares every batch, so that the batches do not depend on how many processes there are; evaluation shares
    the set, each sample once.
    """

    samples: int
    batch_size: int
    training: bool
    seed: int = 0
    weights: Tensor | None = None  # float64 [N]: draw samples with these chances, with replacement
    share: Share = field(default_factory=Share)

    def batches(self, epoch: int) -> list[Tensor]:
        """The indices of each whole batch of an epoch, int64 ``[B]``.

        In training a last batch of one sample joins the one before it: BatchNorm cannot learn from one sample.
        """
        if not self.training:
            return list(torch.arange(self.samples).split(self.batch_size))
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "shuffle", epoch))
        if self.weights is None:
            drawn = torch.randperm(self.samples, generator=generator)
        else:
            drawn = torch.multinomial(self.weights, self.samples, replacement=True, generator=generator)
        batches = list(drawn.split(self.batch_size))
        if self.batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def parts(self, epoch: int) -> list[Part]:
        """This process's part of each batch.

        A batch that is too small to give every process two samples is given to all of them as it is: the mean of
        equal gradients is that gradient.
        """
        if not self.training:
            of_set = torch.arange(self.samples)[self.share.of(self.samples)]
            return [Part(indices, int(indices[0])) for indices in of_set.split(self.batch_size) if len(indices)]
        found, place = [], 0
        for batch in self.batches(epoch):
            own = slice(0, len(batch)) if self._is_small(len(batch)) else self.share.of(len(batch))
            found.append(Part(batch[own], place + own.start))
            place += len(batch)
        return found

    @property
    def repeated(self) -> int | None:
        """The number of the batch that this process trains on, too, while the first one counts it."""
        last = self.samples - (len(self) - 1) * self.batch_size
        return len(self) - 1 if self.training and self.share.index > 0 and self._is_small(last) else None

    def _is_small(self, size: int) -> bool:
        return self.share.count > 1 and size < 2 * self.share.count

    def __len__(self) -> int:
        if not self.training:
            return -(-self.share.size(self.samples) // self.batch_size)
        full, rest = divmod(self.samples, self.batch_size)
        joined = full > 0 and rest == 1
        return full + (rest > 0 and not joined)
