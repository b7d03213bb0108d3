"""How one of several ranks talks: the first one as a process alone would, the others only of errors."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from cnncli.compute.place import OUTCOME, Place, place
from cnncli.core.errors import CnncliError, ConfigError, Interrupted, RankLost


@contextmanager
def one_voice() -> Iterator[None]:
    """Nothing is shown of a rank that is not the first."""
    if not place().rank:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def tell(error: CnncliError) -> int:
    """Print an error as one line for each fault, once for all ranks that find the same; returns the exit code."""
    try:
        here = place()
    except ConfigError:  # which is the error, then
        here = Place()
    outcome = os.environ.get(OUTCOME) if here.count > 1 else None
    who = f"rank {here.rank}: " if here.rank and outcome is None else ""
    word = "interrupted" if isinstance(error, Interrupted) else "error"
    if outcome is None or _is_first(Path(outcome), error):
        for fault in error.lines():
            print(f"{who}{word}: {fault}", file=sys.stderr)
    # torchrun starts again what has failed, which nobody wants who has asked it to stop
    asked = isinstance(error, Interrupted) and "TORCHELASTIC_RUN_ID" in os.environ and here.count > 1
    return 0 if asked else error.exit_code


def _is_first(outcome: Path, error: CnncliError) -> bool:
    """Whether no other rank has ended with an error before; the launcher finds the code, and sees who is lost."""
    if isinstance(error, RankLost):
        return False
    try:
        with outcome.open("x", encoding="utf-8") as file:
            file.write(str(error.exit_code))
    except OSError:  # another has told, or the launcher is gone
        return False
    return True
