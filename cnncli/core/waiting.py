"""What a command waits for, told where the waiting is done, and shown by whoever has a place to show it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

Shower = Callable[[str], AbstractContextManager[None]]

_shower: ContextVar[Shower | None] = ContextVar("shower", default=None)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Inside, ``what`` is going on, and nothing is shown of it yet; where nobody shows it nothing happens."""
    show = _shower.get()
    if show is None:
        yield
        return
    with show(what):
        yield


@contextmanager
def showing(show: Shower) -> Iterator[None]:
    """Let ``show`` tell a person of what is waited for inside."""
    token = _shower.set(show)
    try:
        yield
    finally:
        _shower.reset(token)
