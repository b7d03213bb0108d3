"""Reading ahead by worker processes, without a wait that can last for ever.

Workers that were stopped, or do nothing any more, are ended, so that whoever waits for them hears of
it.
"""

import atexit
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pickle import PicklingError
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from cnncli.core.callers import script_advice
from cnncli.core.errors import TrainingError
from cnncli.core.notices import notice
from cnncli.data.sending import SHARED_MEMORY, Sending, received

PREFETCH = 2  # batches that each worker keeps ready
A_MOMENT = 0.05  # seconds in which the signal of a worker that died arrives
TICK = 1.0  # seconds between two looks at workers that are waited for
STOPPED = 8  # looks in a row at a stopped worker; a whole group that is stopped looks at nothing
SILENT = 300  # looks in a row at workers that together use less processor time than WORKING,
WORKING = 10  # hundredths of a second,
UNKNOWN = 1800  # or looks in a row where the system does not say how much they use
ADVICE = "set dataset.workers: 0 (predict: --workers 0)"


class ReadAhead:
    """What ``dataset`` gives for the keys of ``sampler``, in their order, read by ``workers`` processes.

    Iterating raises ``TrainingError`` when a worker dies, is stopped, or does nothing any more. Where workers cannot
    be started the main process reads, and a notice says so. ``lasting`` workers serve every iteration.
    """

    def __init__(
        self, dataset: Dataset[Any], sampler: Sampler[Any], workers: int, *, lasting: bool = False, pin: bool = False
    ) -> None:
        self.dataset, self.sampler, self.lasting, self.pin = Sending(dataset), sampler, lasting, pin
        self.loader = self._loader(workers)
        self._begun = False

    def _loader(self, workers: int) -> DataLoader[Any]:
        return DataLoader(
            self.dataset,
            batch_size=None,
            sampler=self.sampler,
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=self.lasting and workers > 0,
            prefetch_factor=PREFETCH if workers > 0 else None,
            pin_memory=self.pin,
            worker_init_fn=_obey_parent_only,
            generator=torch.Generator(),
        )

    def __iter__(self) -> Generator[Any, None, None]:
        if self.loader.num_workers == 0:
            yield from self.loader
            return
        watch = _Watch()
        with watch.running():
            try:
                batches = self._started(watch)
            except OSError as error:  # no room for a semaphore, no process or file left
                look = f"look at the room in {SHARED_MEMORY} and the limits of processes and open files, or {ADVICE}"
                self._start_none(error.strerror or error, look)
                yield from self.loader
                return
            except (PicklingError, AttributeError, TypeError) as error:  # Python's words for what cannot be pickled
                if multiprocessing.get_start_method() == "fork":  # which pickles nothing
                    raise
                self._start_none(error, f"define its parts at the top level of their file, or {ADVICE}")
                yield from self.loader
                return
            while True:
                with watch.waiting(), _explained(watch):
                    try:
                        read = next(batches)
                    except StopIteration:
                        return
                yield received(read)

    def _started(self, watch: "_Watch") -> Iterator[Any]:
        """The batches of an iteration, whose workers are watched."""
        before = set(multiprocessing.active_children())
        watch.processes = list(getattr(self.loader._iterator, "_workers", []))  # lasting ones are asked to begin anew
        try:
            if not (self.lasting and self._begun):
                _try_queues(self.loader.num_workers)
            self._begun = True
            with watch.waiting(), _explained(watch), _term_held(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Got pickle error")  # a notice says it in our words
                batches = iter(self.loader)
        except (OSError, PicklingError, AttributeError, TypeError):
            for child in set(multiprocessing.active_children()) - before:
                child.kill()
            raise
        watch.processes = list(getattr(batches, "_workers", []))
        atexit.register(_go_on, [process.pid for process in watch.processes])
        return batches

    def _start_none(self, cause: object, advice: str) -> None:
        read = f"no workers can be started ({cause}), so pictures are read in the main process"
        notice("no_workers", f"{read}; {advice}")
        self.loader = self._loader(0)


class _Watch:
    """Ends workers that are waited for and do nothing any more."""

    def __init__(self) -> None:
        self.processes: list[Any] = []
        self.cause: str | None = None
        self._waits, self._over = False, threading.Event()
        self._stopped, self._silent, self._used = 0, 0, 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch until the end of the block."""
        thread = threading.Thread(target=self._look_often, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Only what is waited for can be too slow."""
        self._stopped, self._silent, self._waits = 0, 0, True
        try:
            yield
        finally:
            self._waits = False

    def _look_often(self) -> None:
        while not self._over.wait(TICK):
            if self._waits and self.processes:
                self._look()

    def _look(self) -> None:
        states = [_state(process.pid) for process in self.processes if process.is_alive()]
        used = sum(state[1] for state in states if state)
        self._stopped = self._stopped + 1 if any(state and state[0] == "T" for state in states) else 0
        if used >= self._used + WORKING or self._silent == 0:
            self._silent, self._used = 0, used
        self._silent += 1
        if self._stopped >= STOPPED:
            self._end("a data worker was stopped (SIGSTOP) and does not go on; let it run")
        elif self._silent > (SILENT if all(states) else UNKNOWN):
            self._end(f"the data workers have done nothing for {self._silent * TICK:.0f} s; look at the disk")

    def _end(self, cause: str) -> None:
        """Kill the workers, whose end wakes whoever waits for them."""
        self.cause = cause
        for process in self.processes:
            with suppress(ProcessLookupError, ValueError):
                process.kill()


def _try_queues(workers: int) -> None:
    """Raise ``OSError`` where there is no room for the queues of so many workers: torch's loader fails half-made."""
    torch.multiprocessing.Event()
    for _ in range(workers + 1):
        torch.multiprocessing.Queue()


def _state(pid: int) -> tuple[str, int] | None:
    """A process's state (``T`` is stopped) and the processor time it has used, in 1/100 s; None where unknown."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[11]) + int(fields[12])
    except (OSError, IndexError, ValueError):
        return None


@contextmanager
def _explained(watch: _Watch) -> Iterator[None]:
    """Turn what a worker's end looks like here into ``TrainingError``."""
    try:
        yield
    except (RuntimeError, EOFError, ConnectionError, FileNotFoundError) as error:
        if not isinstance(error, RuntimeError):  # its pipe has ended; torch's signal handler says so, too, any moment
            with suppress(RuntimeError):
                time.sleep(A_MOMENT)
        if watch.cause is not None:
            raise TrainingError(f"{watch.cause}, or {ADVICE}") from error
        first = str(error).split("\n", 1)[0] or type(error).__name__
        if isinstance(error, RuntimeError) and "DataLoader worker" not in first:
            raise
        raise TrainingError(f"a data worker died ({first}); {script_advice()}{ADVICE}") from error


def _go_on(pids: list[int]) -> None:
    """Let stopped workers run, so that they can end with the main process, which waits for them."""
    for pid in pids if hasattr(signal, "SIGCONT") else ():  # Windows has none, and stops no process
        with suppress(OSError):
            os.kill(pid, signal.SIGCONT)


def _as_it_is(read: Any) -> Any:
    return read


@contextmanager
def _term_held() -> Iterator[None]:
    """Hold SIGTERM back until the end of the block; processes started in it begin with it held back."""
    if not hasattr(signal, "sigwaitinfo"):  # macOS has none: there a group's SIGTERM ends the workers as well
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _obey_parent_only(_worker: int) -> None:
    """A signal may reach the whole process group; the main process decides when its workers end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # started by fork it is already, by spawn it is not
        threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
