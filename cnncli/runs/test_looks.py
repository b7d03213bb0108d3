"""How often the test split of a run was looked at: a figure that was chosen by looking is no test any more."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from cnncli.core.errors import StorageError
from cnncli.core.files import write_text
from cnncli.core.notices import notice
from cnncli.core.printable import json_text
from cnncli.runs.run_folder import RunFolder

FILE = "test_looks.json"
WAIT = 10.0  # seconds for another process that counts


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class _Look:
    at: str  # local time, ISO 8601
    checkpoint: str  # its file's name


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class _Counted:
    since_training: bool  # whether there can have been no look before the first one here
    looks: tuple[_Look, ...] = ()


@dataclass(frozen=True)
class TestLooks:
    """How many evaluations on the test split are known of, and whether these are all."""

    __test__ = False  # pytest takes it for a class of tests

    count: int
    are_all: bool

    def __str__(self) -> str:
        times = "once" if self.count == 1 else f"{self.count} times"
        if self.are_all:
            return f"test looked at {times}"
        return f"test looked at {times} here; looks before that are unknown"


def count_look(checkpoint: Path, *, in_training: bool = False) -> TestLooks | None:
    """Count an evaluation of ``checkpoint`` on its test split in the folder of its run.

    A checkpoint that was copied away from it has a count of its own, beside it. None where nothing can be written: then
    a notice says so.
    """
    run = RunFolder(checkpoint.parent)
    is_at_home = run.environment.is_file() and run.config.is_file()
    path = checkpoint.parent / (FILE if is_at_home else f"{checkpoint.stem}.{FILE}")
    try:
        with FileLock(path.parent / f".{path.stem}.lock", timeout=WAIT):
            before = _read(path) or _Counted(since_training=in_training and is_at_home)
            look = _Look(time.strftime("%Y-%m-%dT%H:%M:%S"), checkpoint.name)
            found = _Counted(before.since_training, (*before.looks, look))
            write_text(path, json_text(TypeAdapter(_Counted).dump_python(found), indent=2) + "\n")
    except (OSError, StorageError, Timeout) as error:
        notice("test_looks", f"{path}: this look at test cannot be counted ({error})")
        return None
    return TestLooks(len(found.looks), found.since_training)


def _read(path: Path) -> _Counted | None:
    """What was counted before; None where nothing was, or the file is damaged."""
    if not path.is_file():
        return None
    try:
        return TypeAdapter(_Counted).validate_python(json.loads(path.read_bytes()))
    except ValueError as error:  # pydantic's is one
        cause = str(error).splitlines()[0]
        notice("test_looks", f"{path}: is damaged ({cause}); the looks at test are counted anew")
        return _Counted(since_training=False)
