"""Who is told what a run measures: records with a step. One that fails is dropped, and never costs the run."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cnncli.core.errors import one_line
from cnncli.core.plugins import plugin_line
from cnncli.runs.history import Record


@dataclass(frozen=True)
class RunStart:
    """What a logger is told when it begins.

    ``settings`` are what was set, as text: ``{"optimizer.lr": "0.002", "seed": "1"}``. A run that goes on with
    ``epoch`` epochs and ``step`` optimizer steps will do the later ones again.
    """

    name: str  # digits/20260311-091205
    folder: Path
    settings: Mapping[str, str]
    epoch: int = 0
    step: int = 0


class Logger(Protocol):
    """What a logger has. It is made from a ``RunStart`` and its own arguments."""

    def log(self, record: Record, step: int) -> None:
        """Take metrics by name after ``step`` optimizer steps.

        A record with ``epoch`` is a line of metrics.jsonl. One of a single step has ``train/step/loss``,
        ``train/step/gradient_norm`` and ``train/step/lr``. The last has ``best_epoch`` and the final metrics.
        """

    def close(self) -> None:
        """The run has ended, whether or not it is finished."""


class Loggers:
    """Several loggers; one that raises anything is dropped with a warning, and the others go on."""

    def __init__(self) -> None:
        self._kept: dict[str, Logger] = {}

    def add(self, name: str, make: Callable[[], Logger]) -> None:
        """Make a logger that warnings call by its ``name``, unless that fails."""
        made: list[Logger] = []
        if _succeeds(name, lambda: made.append(make())):
            self._kept[name] = made[0]

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def log(self, record: Record, step: int) -> None:
        """Hand a record to all of them."""
        for name in list(self._kept):
            self._use(name, lambda logger: logger.log(dict(record), step))

    def close(self) -> None:
        """Close all of them."""
        for name in list(self._kept):
            self._use(name, lambda logger: logger.close())

    def _use(self, name: str, work: Callable[[Logger], None]) -> None:
        logger = self._kept[name]
        if not _succeeds(name, lambda: work(logger)):
            del self._kept[name]


def _succeeds(name: str, work: Callable[[], None]) -> bool:
    try:
        work()
    except Exception as error:  # a logger is a plug-in, a disk, or a server: it can raise anything
        warn_of(f"{name} cannot be written", error)
        return False
    return True


def warn_of(what: str, error: Exception) -> None:
    """A line on standard error about what a logger could not do."""
    where = plugin_line(error)
    cause = one_line(str(error)) or type(error).__name__
    told = f"{where}: {type(error).__name__}: {cause}" if where else cause
    print(f"warning: {what} ({told}); the run goes on without it", file=sys.stderr)
