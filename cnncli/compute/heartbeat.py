"""A thread that tells the other ranks that this one lives, looks after the next one, and ends with what started it."""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from torch.distributed.distributed_c10d import Store

from cnncli.compute.place import OUTCOME
from cnncli.core.errors import TrainingError

INTERVAL = 0.5  # seconds between two signs of life
SILENT = 4 * INTERVAL  # a rank silent for so long is judged by its signs of life alone


class Heartbeat:
    """Signs of life of rank ``index`` of ``count``, and the watch over the next rank.

    Every rank looks after one other, so that a beat costs the same however many there are. A rank has hung that gives
    no sign of life for ``limit`` seconds, or for so long does not come to an exchange in which the one that watches it
    waits. Waiting alone is no hang: nobody is in such an exchange while a rank downloads or decodes.
    """

    def __init__(self, store: Store, index: int, count: int, limit: float) -> None:
        self.store, self.index, self.watched, self.limit = store, index, (index + 1) % count, limit
        self.arrivals = 0  # exchanges that the main thread has come to
        self._parent = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None
        self._over = threading.Event()
        self._seen, self._seen_at = b"", time.monotonic()
        self._moved, self._moved_at = -1, time.monotonic()
        self.store.set(f"who/{index}", f"{socket.gethostname()} {os.getpid()}")
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more signs: this rank is done."""
        self._over.set()
        self._thread.join()
        with suppress(RuntimeError):  # the process that keeps the store may have ended before
            self.store.set(f"left/{self.index}", "")

    def _run(self) -> None:
        beats, answered = 0, time.monotonic()
        while not self._over.wait(INTERVAL):
            if self._parent is not None and os.getppid() != self._parent:
                os._exit(TrainingError.exit_code)  # what started the ranks was killed, and can end them no more
            beats += 1
            try:
                self.store.set(f"beat/{self.index}", f"{beats} {self.arrivals}")
                hung = self._hung()
                ended = self.store.check(["hung"])
            except RuntimeError:  # the process that keeps the store has ended, or cannot be reached
                if time.monotonic() - answered > self.limit:
                    self._end(f"the meeting point of the ranks has not answered for {self.limit:g} s")
                continue
            answered = time.monotonic()
            if ended:  # another rank has told which one
                os._exit(TrainingError.exit_code)
            if hung is not None:
                host, process = self.store.get(f"who/{self.watched}").decode().split()
                self.store.set("hung", str(self.watched))
                if host == socket.gethostname():
                    with suppress(OSError):  # it may have gone just now
                        os.kill(int(process), signal.SIGKILL)  # a stopped process hears nothing else
                self._end(f"rank {self.watched} ({host}, process {process}) {hung} for {self.limit:g} s")

    def _hung(self) -> str | None:
        """What the watched rank has not done for too long; None while all is well."""
        now = time.monotonic()
        beat = self.store.get(f"beat/{self.watched}") if self.store.check([f"beat/{self.watched}"]) else b""
        if beat != self._seen:
            self._seen, self._seen_at = beat, now
        arrivals = int(beat.split()[1]) if beat else 0
        if arrivals != self._moved or arrivals >= self.arrivals:
            self._moved, self._moved_at = arrivals, now
        if now - self._seen_at > SILENT:
            silent = now - self._seen_at > self.limit and not self.store.check([f"left/{self.watched}"])
            return "has given no sign of life" if silent else None
        return "has taken no step, while others wait for it," if now - self._moved_at > self.limit else None

    def _end(self, cause: str) -> None:
        if outcome := os.environ.get(OUTCOME):  # the launcher tells it
            Path(f"{outcome}.hung").write_text(cause, encoding="utf-8")
        else:
            advice = "start again with --resume, or set compute.rank_timeout higher"
            print(f"error: {cause}; {advice}", file=sys.__stderr__, flush=True)
        os._exit(TrainingError.exit_code)
