"""A line that says what is waited for: after a second, and in a terminal it vanishes again."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from cnncli.core.printable import printable

PATIENCE = 1.0  # seconds after which a person wants to know
_ERASE = "\r\x1b[2K"


class Status:
    """The line about one thing that is waited for."""

    def __init__(self, what: str, stream: TextIO) -> None:
        self._what, self._stream, self._begun = printable(what), stream, time.monotonic()
        self._vanishes = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._over, self._lock, self._shown = threading.Event(), threading.Lock(), False
        self._thread = threading.Thread(target=self._show, daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def hide(self) -> None:
        """Take the line away, so that another can be printed."""
        with self._lock:
            if self._shown and self._vanishes:
                self._write(_ERASE)
            self._shown = False

    def end(self) -> None:
        """The waiting is over."""
        self._over.set()
        self.hide()

    def _show(self) -> None:
        while not self._over.wait(PATIENCE):
            with self._lock:
                if self._over.is_set():
                    return
                self._shown = True
                if not self._vanishes:
                    self._write(f"{self._what} …\n")
                    return
                text = f"{self._what} … {time.monotonic() - self._begun:.0f} s"
                self._write(f"{_ERASE}{text[: shutil.get_terminal_size().columns - 1]}")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # nobody reads it any more
            self._over.set()


_current: list[Status] = []


@contextmanager
def status(what: str) -> Iterator[None]:
    """Say on standard error that ``what`` is going on, if it takes long."""
    shown = Status(what, sys.stderr)
    _current.append(shown)
    shown.start()
    try:
        yield
    finally:
        _current.remove(shown)
        shown.end()


def hide_status() -> None:
    """Take the line away before another one is printed."""
    for shown in _current:
        shown.hide()
