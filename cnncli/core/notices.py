"""What is worth a look but stops nothing: told where it is found, shown or collected by whoever listens."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from cnncli.core.errors import one_line


@dataclass(frozen=True)
class Notice:
    """``kind`` is a word for programs, ``text`` a line for people."""

    kind: str
    text: str


_listener: ContextVar[Callable[[Notice], None] | None] = ContextVar("listener", default=None)


def notice(kind: str, text: str) -> None:
    """Tell whoever listens; where nobody does, nothing happens."""
    listener = _listener.get()
    if listener is not None:
        listener(Notice(kind, text))


def show(found: Notice) -> None:
    """A notice as a line on standard error."""
    print(f"note: {one_line(found.text)}", file=sys.stderr)


@contextmanager
def listening(listener: Callable[[Notice], None]) -> Iterator[None]:
    """Hand every different notice of what runs inside to ``listener``, once."""
    told: set[Notice] = set()

    def once(found: Notice) -> None:
        if found not in told:
            told.add(found)
            listener(found)

    token = _listener.set(once)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def collecting() -> Iterator[list[Notice]]:
    """The different notices of what runs inside, in their order."""
    found: list[Notice] = []
    with listening(found.append):
        yield found
