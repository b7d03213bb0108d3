"""Ctrl-C and SIGTERM as a flag that the loop polls."""

import signal
from types import FrameType
from typing import Any

from cnncli.core.callers import called_by_program


class StopSignal:
    """While entered, the first SIGINT or SIGTERM sets a flag; the second ends the process at once.

    Of a program's own process the second SIGINT ends only the call: a notebook has other things to keep.

    ``received`` is what came here, at any moment; ``signum`` what all ranks have agreed on, which alone decides: it
    changes only where they ask each other (``Ranks``), and after the same step on all of them.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}
        self._keeps_process = called_by_program()

    @property
    def requested(self) -> bool:
        """Whether a signal has come, here or to another rank: a reason to ask the others soon."""
        return self.received is not None or self.signum is not None

    def __enter__(self) -> "StopSignal":
        for signum in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[signum] = signal.signal(signum, self._handle)
            except ValueError:  # not the main thread: whoever started it handles signals
                break
        return self

    def __exit__(self, *_exception: object) -> None:
        for signum, previous in self._previous.items():
            signal.signal(signum, previous)

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.received is not None:
            if self._keeps_process and signum == signal.SIGINT:
                raise KeyboardInterrupt
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)
        self.received = signum
