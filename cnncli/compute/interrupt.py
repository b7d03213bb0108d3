"""Ctrl-C and SIGTERM as a flag that the loop polls."""

import signal
from types import FrameType
from typing import Any


class StopSignal:
    """While entered, the first SIGINT or SIGTERM sets a flag; the second ends the process at once."""

    def __init__(self) -> None:
        self.signum: int | None = None  # own, or what another rank was sent
        self._own = False
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.signum is not None

    def tell(self, signum: int) -> None:
        """Another rank was sent ``signum``: this one stops as well."""
        self.signum = self.signum or signum

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
        if self._own:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)
        self._own, self.signum = True, self.signum or signum
