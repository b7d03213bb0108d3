"""How long a run still takes: by the epochs that are done, and the pace of this one."""

import time
from collections.abc import Callable, Sequence
from statistics import median

RECENT = 3  # the last epochs, whose median is the usual: the first one is often slower


class Pace:
    """The seconds of the epochs so far, evaluation and writing included, by a ``clock`` of seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._trained: list[float] = []  # seconds of training in a whole epoch,
        self._rest: list[float] = []  # and of what follows in it
        self._start: float | None = None  # of the current epoch; None outside of one
        self._end: float | None = None  # of its training
        self._first, self._to_come = 0.0, 0

    @property
    def running(self) -> bool:
        """Whether an epoch has begun and not ended."""
        return self._start is not None

    def begin(self, epoch: int, epochs: int, done: float = 0.0) -> None:
        """Epoch number ``epoch`` begins, of which a resumed run has ``done`` a share before."""
        self._start, self._end, self._first = self.clock(), None, done
        self._to_come = epochs - epoch

    def trained(self) -> None:
        """All batches of the epoch are done; its evaluation begins."""
        if self._start is not None and self._end is None:
            self._end = self.clock()

    def end(self) -> None:
        """The epoch is finished."""
        if self._start is None:
            return
        self.trained()
        assert self._end is not None
        if self._first < 1:
            self._trained.append((self._end - self._start) / (1 - self._first))
        self._rest.append(self.clock() - self._end)
        self._start = None

    def left(self, share: float) -> float | None:
        """Seconds to the end of the run when a ``share`` of the current part of the epoch is done; None: not known."""
        if self._start is None:
            return None
        now = self.clock()
        if self._end is None:
            training = _expected(now - self._start, share - self._first, share, self._trained)
            rest = _usual(self._rest)
            here = None if training is None else (1 - share) * training + (rest or 0.0)
        else:
            training = _usual(self._trained) or self._end - self._start
            rest = _expected(now - self._end, share, share, self._rest)
            here = None if rest is None else max(rest - (now - self._end), 0.0)
        if here is None or training is None:
            return None
        return here + self._to_come * (training + (rest or 0.0))


def _usual(seconds: Sequence[float]) -> float | None:
    return median(seconds[-RECENT:]) if seconds else None


def _expected(passed: float, done: float, share: float, before: Sequence[float]) -> float | None:
    """The seconds of a whole part, of which ``passed`` ones did a share ``done``: the further it is, the more by these.

    At its beginning it is as those ``before`` were.
    """
    usual = _usual(before)
    if done <= 0:
        return usual
    by_this = passed / done
    return by_this if usual is None else share * by_this + (1 - share) * usual
