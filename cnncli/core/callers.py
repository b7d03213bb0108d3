"""Who has called: the command line, or a program (a script, a notebook) that goes on when the call has ended."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_program: ContextVar[bool] = ContextVar("program", default=False)


@contextmanager
def from_program() -> Iterator[None]:
    """What runs inside was called by a program."""
    token = _program.set(True)
    try:
        yield
    finally:
        _program.reset(token)


def called_by_program() -> bool:
    """Whether the process belongs to a program, which must survive."""
    return _program.get()


def script_advice() -> str:
    """What helps first where a program's processes are no copies of it: they begin with its script (spawn)."""
    if called_by_program() and multiprocessing.get_start_method() != "fork":
        return "put what the script does under: if __name__ == '__main__':, or "
    return ""
