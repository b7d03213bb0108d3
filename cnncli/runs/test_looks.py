"""How often the test split was looked at: who chooses by it, look by look, finds a network that is good at it alone."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import ConfigDict, NonNegativeInt, TypeAdapter
from pydantic.dataclasses import dataclass

from cnncli.core.errors import StorageError, one_line
from cnncli.core.files import write_text
from cnncli.runs.run_folder import RunFolder

NAME = "test_looks.json"
WAIT = 10.0  # seconds for others who count at the same time
Command = Literal["train", "eval", "adopt"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Looks:
    """How often it is known to have been looked at, and whether there may have been looks before these."""

    count: NonNegativeInt
    earlier: Literal["none", "unknown"] = "none"

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        return {"test_looks": self.count, **({"earlier_test_looks": "unknown"} if self.earlier == "unknown" else {})}

    def __str__(self) -> str:
        times = "once" if self.count == 1 else f"{self.count:,} times"
        return f"test looked at {times}" + ("; earlier looks are unknown" if self.earlier == "unknown" else "")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _Look:
    date: str
    checkpoint: str
    command: Command


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _File:
    earlier: Literal["none", "unknown"]
    looks: list[_Look]

    @property
    def counted(self) -> Looks:
        return Looks(len(self.looks), self.earlier)


def in_run(checkpoint: Path) -> bool:
    """Whether a checkpoint lies in the folder of a run."""
    run = RunFolder(checkpoint.parent)
    return run.config.is_file() and run.environment.is_file()


def looks_file(checkpoint: Path) -> Path:
    """Where the looks of a checkpoint are counted: in its run's folder, or beside it where it was copied away."""
    return checkpoint.with_name(NAME if in_run(checkpoint) else f"{checkpoint.name}.{NAME}")


def read_looks(run: RunFolder) -> Looks | None:
    """The looks that were counted in a run; None where none were, or the file cannot be read."""
    try:
        return _read(run.path / NAME).counted
    except (OSError, ValueError):
        return None


def count_look(checkpoint: Path, command: Command, warn: Callable[[str], None]) -> Looks:
    """Count one look at the test split and say how many there were, this one included.

    It never fails: where the count cannot be written, or was damaged, that is a warning.
    """
    path = looks_file(checkpoint)
    look = _Look(datetime.now(UTC).isoformat(timespec="seconds"), checkpoint.name, command)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=WAIT)
    except (OSError, Timeout) as error:
        warn(one_line(f"{path}: this look at the test split is not counted ({error})"))
        found = _before(checkpoint, path, warn)
        return Looks(len(found.looks) + 1, found.earlier)
    try:
        found = _before(checkpoint, path, warn)
        found = _File(found.earlier, [*found.looks, look])
        content = TypeAdapter(_File).dump_python(found)
        try:
            write_text(path, json.dumps({"count": len(found.looks), **content}, indent=2) + "\n")
        except StorageError as error:
            warn(one_line(f"this look at the test split is not counted: {error}"))
        return found.counted
    finally:
        lock.release()


def _before(checkpoint: Path, path: Path, warn: Callable[[str], None]) -> _File:
    """What was counted so far."""
    try:
        return _read(path)
    except FileNotFoundError:
        # a run that has a result has looked before it was counted; of a copy nobody knows
        unseen = in_run(checkpoint) and not RunFolder(checkpoint.parent).result.exists()
        return _File("none" if unseen else "unknown", [])
    except (OSError, ValueError) as error:
        cause = str(error).splitlines()[0]
        warn(one_line(f"{path}: cannot be read ({cause}); looks at the test split are counted from zero"))
        return _File("unknown", [])


def _read(path: Path) -> _File:
    """Raises ``OSError``, or ``ValueError`` for another file."""
    try:
        content = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it holds no count")
    content.pop("count", None)
    return TypeAdapter(_File).validate_python(content)
