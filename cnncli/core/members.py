"""Which sample was training, validation or test: remembered, so that what was trained on is never judged as unseen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cnncli.core.checks import require
from cnncli.core.spec import Split

Ids = NDArray[np.int64]
By = Literal["path", "key", "content", "span"]
SPLITS: tuple[Split, ...] = get_args(Split)
_NOTHING = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Span:
    """One part of a series or a text: from ``begin`` to ``end`` (not included), times in ISO 8601 or positions.

    ``content`` is a hash of its values, ``rows`` how many there were; ``series`` is empty where there is one only.
    """

    split: Split
    begin: str
    end: str
    rows: int
    content: int
    series: str = ""


@dataclass(frozen=True, eq=False)
class Members:
    """The samples of a run, in the order in which training saw them: those of training first, then the others.

    ``split`` ``[N]`` are positions in ``SPLITS``, ``content`` ``[N]`` hashes of what each sample holds, ``names`` its
    path from the root of the data (``by`` "path") or the value of its key column ("key"); by "content" there are none.
    Series and texts have ``spans`` instead. ``targets`` ``[n, …]`` are those of the training part, or of all.
    """

    by: By
    split: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    content: Ids = field(default_factory=lambda: _NOTHING)
    names: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    targets: NDArray[np.generic] = field(default_factory=lambda: _NOTHING)

    def check(self) -> None:
        """Raise ``ValueError`` where the parts are not those of the same samples."""
        count = len(self.split)
        require(len(self.content) == count, "members.content: has another length than split")
        require(len(self.names) == (count if self.by in ("path", "key") else 0), "members.names: are not one a sample")
        require(not self.split.size or int(self.split.max()) < len(SPLITS), "members.split: names a split that is none")
        require(bool(np.all(np.diff(self.split.astype(np.int8)) >= 0)), "members.split: is not in order")
        require((self.by == "span") == bool(self.spans), "members.spans: belong to series and texts, and only to them")
        require(not (self.spans and count), "members.spans: are given beside samples")
        if self.spans:
            require(len(self.targets) == 0, "members.targets: are given beside spans")
            require(any(span.split == "train" for span in self.spans), "members.spans: none is of training")
        else:
            trained = int((self.split == 0).sum())
            require(trained > 0 and len(self.targets) in (trained, count), "members.targets: are not one a sample")

    @property
    def learned(self) -> NDArray[np.generic]:
        """The targets of the training part ``[n, …]``."""
        return self.targets[: len(self.of("train"))]

    def of(self, split: Split) -> Ids:
        """The positions of one split's samples."""
        return np.flatnonzero(self.split == SPLITS.index(split))


def in_order(parts: dict[Split, Ids]) -> tuple[NDArray[np.uint8], Ids]:
    """The split of each member and its position among all samples, ``[N]`` both, from the positions of each split."""
    there = [(code, parts[split]) for code, split in enumerate(SPLITS) if split in parts]
    codes = np.concatenate([np.full(len(rows), code, dtype=np.uint8) for code, rows in there])
    return codes, np.concatenate([np.asarray(rows, dtype=np.int64) for _, rows in there])


def few(names: Sequence[str], most: int = 3) -> str:
    """The first few names, for a line of text."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
