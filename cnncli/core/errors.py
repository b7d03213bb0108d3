"""Everything a user can cause, as one hierarchy: each class knows the exit code that the command ends with.

The printed form is ``error: <file>[:line][: key]: cause; what to do``, one line for each fault.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from cnncli.core.printable import printable

LONGEST = 1000  # characters of a line; a value of the user's can have any number


def one_line(text: str) -> str:
    """``text`` as one line of printable characters, the middle of a very long one left out."""
    line = " ".join(text.split())
    line = printable(line)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 300]} … {line[-250:]}"


class CnncliError(Exception):
    """A failure that is explained in one line, without a traceback."""

    exit_code = 1

    def lines(self) -> list[str]:
        """The message as printed after ``error: ``, one string for each fault."""
        return [one_line(str(self))]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and where: ``where`` is ``file:line``, ``key`` a dotted path."""

    where: str
    key: str
    cause: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.cause) if part)


class ConfigError(CnncliError):
    """A config or command line that cannot be run; it carries every fault found, not only the first."""

    exit_code = 2

    def __init__(self, faults: str | Fault | Sequence[Fault]) -> None:
        if isinstance(faults, str):
            faults = Fault("", "", faults)
        self.faults = [faults] if isinstance(faults, Fault) else list(faults)
        super().__init__("\n".join(map(str, self.faults)))

    def lines(self) -> list[str]:
        return [one_line(str(fault)) for fault in self.faults]


class DoesNotFit(ConfigError):
    """A network that cannot take samples of their size."""


class NothingToTrain(ConfigError):
    """A network none of whose parameters learns."""


class NoMap(ConfigError):
    """A network without a layer that knows places of the picture."""


class DataError(CnncliError):
    """Data that is missing, unreadable or contradicts itself."""

    exit_code = 3


class SamplesGone(DataError):
    """The samples that a run knew are not there; what helps depends on the command, which adds it."""


class PlaceGone(DataError):
    """There is nothing at the ``place`` where data should lie; the ``key`` that names it, where that is known."""

    def __init__(self, message: str, place: str, key: str = "") -> None:
        super().__init__(message)
        self.place, self.key = place, key


class CheckpointError(CnncliError):
    """A checkpoint that cannot be read, or does not belong to what it is used for."""

    exit_code = 4


class FitsInOrder(CheckpointError):
    """Weights under other names than those of the network, whose entries they fit in their order."""


class TrainingError(CnncliError):
    """Training that cannot go on: diverged, out of memory, a worker died."""

    exit_code = 5


class RankLost(TrainingError):
    """One of several processes that train together has ended, and the others cannot go on."""


class StorageError(CnncliError):
    """The disk or the network failed."""

    exit_code = 6


class Interrupted(CnncliError):
    """The run was stopped by a signal; 130 after Ctrl-C, 143 after SIGTERM.

    ``run_dir`` is the folder of the run that can be continued, if there is one.
    """

    def __init__(self, message: str, signum: int, run_dir: str | None = None) -> None:
        super().__init__(message)
        self.exit_code, self.run_dir = 128 + signum, run_dir


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The advice that follows an unknown name: the nearest one, or all of them when they are few.

    Names of several words of which it is one (``cnn`` in ``simple_cnn``) come before those that are spelled alike.
    """
    holding = [each for each in known if name.lower() in each.lower().split("_")]
    near = get_close_matches(name.lower(), holding, n=1, cutoff=0) or get_close_matches(name.lower(), known, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    if not known:
        return "it takes none"
    if len(known) <= 16:
        return f"known: {', '.join(known)}"
    return f"known: {', '.join(known[:12])}, … ({len(known)} in all)"
