"""How the last work on a run ended, where it did not end with a result."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cnncli.core.errors import Interrupted, StorageError, one_line
from cnncli.core.files import write_text
from cnncli.core.printable import json_text

ENDED = "ended.json"


@dataclass(frozen=True)
class Ending:
    """``cause`` is the line that was told."""

    state: Literal["interrupted", "failed"]
    cause: str


def read_ending(run: Path) -> Ending | None:
    """How the work in this folder ended; None where that is not known."""
    try:
        found = json.loads((run / ENDED).read_bytes())
        state, cause = found["state"], str(found["cause"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Ending(state, cause) if state in ("interrupted", "failed") else None


@contextmanager
def keeping_end(run: Path) -> Iterator[None]:
    """Write down how the work inside ends if it fails; what an earlier one left is removed.

    A process that is killed leaves nothing, which says that it was interrupted.
    """
    (run / ENDED).unlink(missing_ok=True)
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        state = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"
        cause = one_line(str(error)) or type(error).__name__
        with suppress(StorageError, OSError):  # the disk may be what failed, and what failed first is told
            write_text(run / ENDED, json_text({"state": state, "cause": cause}, indent=2) + "\n")
        raise
