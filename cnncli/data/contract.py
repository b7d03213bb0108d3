"""What the rest of the package may expect of a data set, whatever its kind.

Every kind offers the same two things, ``offers`` and ``open``: pictures, rows, series and text, a file for each.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cnncli.config.sections import DatasetConfig
from cnncli.core.members import Members
from cnncli.core.spec import DataSpec, Split, Wants
from cnncli.data.sample_ids import Naming
from cnncli.data.slicing import Slicing
from cnncli.data.sources import Source

Track = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""Shows progress over an iterable: ``(items, how many, what is being done)`` → the same items."""


class Remembered(NamedTuple):
    """The members of a run; with ``elsewhere`` all samples are judged that training has not seen, as ``test``.

    ``home`` is the folder from which the run's pictures have their names, where it is known and still there.
    """

    members: Members
    elsewhere: bool = False
    home: Path | None = None


class Opened(NamedTuple):
    """Splits ready for loaders, what the model must know of them, and what the run remembers."""

    spec: DataSpec
    sources: dict[Split, Source]
    members: Members | None = None  # of data sets that can change
    naming: Naming | None = None  # of samples; None: by what they hold
    slicing: Slicing | None = None  # None: there are no columns and no folders


class Raw(Protocol):
    """Any kind of data set."""

    @property
    def offers(self) -> tuple[Wants, ...]:
        """What a task can learn from it; the first is the usual."""

    def open(
        self,
        config: DatasetConfig,
        wants: Wants,
        track: Track,
        spec: DataSpec | None,
        remembered: Remembered | None = None,
    ) -> Opened:
        """Carve validation out of training, fit everything on the training part, and encode all splits.

        With the ``spec`` of a checkpoint nothing is fitted: its preprocessing is used; and the splits are those that
        it has ``remembered``. Raises ``DataError``.
        """
