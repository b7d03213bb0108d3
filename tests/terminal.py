"""Terminals for tests: a real one for a process, and a stream that passes for one within this process."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass

import pyte
import pytest

from tests.conftest import ROOT

HEIGHT = 300  # lines, so that nothing leaves the screen


@dataclass(frozen=True)
class Seen:
    """What a terminal shows at the end: lines of its width, and the code that the command ended with."""

    code: int
    lines: list[str]
    raw: bytes  # with its escape sequences
    bars: list[str]  # every progress bar that was there at some time

    def below(self, start: str) -> list[str]:
        """The lines after the first that begins with ``start``."""
        first = next(number for number, line in enumerate(self.lines) if line.startswith(start))
        return self.lines[first + 1 :]


def in_terminal(columns: int, *args: object, **environment: str) -> Seen:
    """Run a command line in a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, columns, 0, 0))
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
    env |= {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment}
    command = [sys.executable, "-m", "cnncli", *map(str, args)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, close_fds=True)
    os.close(theirs)
    screen = pyte.Screen(columns, HEIGHT)
    stream, raw, bars = pyte.ByteStream(screen), b"", dict[str, None]()
    while content := _read(ours):
        raw += content
        stream.feed(content)
        bars |= dict.fromkeys(line.rstrip() for line in screen.display if "━" in line)
    os.close(ours)
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return Seen(process.wait(), lines, raw, list(bars))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """What was written, without colours."""
        return re.sub("\x1b\\[[0-9;]*m", "", self.getvalue())


def as_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int, encoding: str = "utf-8", stream: str = "stdout"
) -> Terminal:
    """Make standard output, or error, a terminal of so many columns for the rest of a test."""
    found = Terminal(encoding)
    monkeypatch.setattr(sys, stream, found)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    return found
