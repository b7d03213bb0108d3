"""Reading ahead by worker processes, without a wait that can last for ever.

What a worker has read goes to the main process through shared memory, and where that has no room through a pipe,
which is slower. Workers that were stopped, or do nothing any more, are ended: whoever waits for them hears of it.
"""

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from cnncli.core.callers import script_advice
from cnncli.core.errors import TrainingError
from cnncli.core.notices import notice

PREFETCH = 2  # batches that each worker keeps ready
TICK = 1.0  # seconds between two looks at workers that are waited for
STOPPED = 8  # looks in a row at a stopped worker; a whole group that is stopped looks at nothing
SILENT = 300  # looks in a row at workers that together use less processor time than WORKING,
WORKING = 10  # hundredths of a second,
UNKNOWN = 1800  # or looks in a row where the system does not say how much they use
SHARED_MEMORY = "/dev/shm"
ADVICE = "set dataset.workers: 0 (predict: --workers 0)"


class _Sent(NamedTuple):
    """Tensors on their way through a pipe: in place of each its bytes, type, shape and strides."""

    content: Any
    tensors: list[tuple[bytes, torch.dtype, tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True)
class _Place:
    """Stands for a tensor of ``_Sent``."""

    number: int


class _Sending(Dataset[Any]):
    """What ``dataset`` gives, in a worker already in shared memory, or as bytes where that has no room.

    Left to itself a worker moves it there in a thread of its own; what fails in that is lost, and the main process
    would wait for it for ever.
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __getitem__(self, key: Any) -> Any:
        read = self.dataset[key]
        if get_worker_info() is None:
            return read
        try:
            return _mapped(read, lambda tensor: tensor.share_memory_())
        except (RuntimeError, OSError):  # torch's word for a full /dev/shm, and for too many open files
            sent: list[Any] = []
            return _Sent(_mapped(read, lambda tensor: _put_aside(tensor, sent)), sent)


def _put_aside(tensor: Tensor, sent: list[Any]) -> _Place:
    if tensor.numel() != tensor.untyped_storage().nbytes() // tensor.element_size():
        tensor = tensor.contiguous().clone()
    flat = tensor.as_strided((tensor.numel(),), (1,), 0)  # in the order of memory, whatever the strides are
    sent.append((flat.numpy().tobytes(), tensor.dtype, tuple(tensor.shape), tensor.stride()))
    return _Place(len(sent) - 1)


def _received(read: Any) -> Any:
    """What a worker read, with tensors again."""
    if not isinstance(read, _Sent):
        return read
    notice(
        "shared_memory",
        f"{SHARED_MEMORY} has no room for what the workers read, which therefore goes through pipes (slower); enlarge "
        "it (docker run --shm-size 1g), or use fewer workers",
    )
    return _mapped(read.content, lambda place: _taken(*read.tensors[place.number]))


def _taken(content: bytes, dtype: torch.dtype, shape: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    if not content:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(content), dtype=dtype).as_strided(shape, stride)


def _mapped(read: Any, change: Any) -> Any:
    """``read`` with every tensor (or what stands for one) in its tuples changed."""
    if isinstance(read, Tensor | _Place):
        return change(read)
    if isinstance(read, tuple):
        parts = [_mapped(part, change) for part in read]
        return type(read)(*parts) if hasattr(read, "_fields") else tuple(parts)
    return read


class ReadAhead:
    """What ``dataset`` gives for the keys of ``sampler``, in their order, read by ``workers`` processes.

    Iterating raises ``TrainingError`` when a worker dies, is stopped, or does nothing any more. Where workers cannot
    be started the main process reads, and a notice says so. ``lasting`` workers serve every iteration.
    """

    def __init__(
        self, dataset: Dataset[Any], sampler: Sampler[Any], workers: int, *, lasting: bool = False, pin: bool = False
    ) -> None:
        self.dataset, self.sampler, self.lasting, self.pin = _Sending(dataset), sampler, lasting, pin
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
                self._start_none(error)
                yield from self.loader
                return
            while True:
                with watch.waiting(), _explained(watch):
                    try:
                        read = next(batches)
                    except StopIteration:
                        return
                yield _received(read)

    def _started(self, watch: "_Watch") -> Iterator[Any]:
        """The batches of an iteration, whose workers are watched."""
        before = set(multiprocessing.active_children())
        watch.processes = list(before)  # lasting workers, if there are any, are asked to begin anew
        try:
            if not (self.lasting and self._begun):
                _try_queues(self.loader.num_workers)
            self._begun = True
            with watch.waiting(), _explained(watch), _term_held():
                batches = iter(self.loader)
        except OSError:
            for child in set(multiprocessing.active_children()) - before:
                child.kill()
            raise
        watch.processes = list(getattr(batches, "_workers", []))
        atexit.register(_go_on, [process.pid for process in watch.processes])
        return batches

    def _start_none(self, error: OSError) -> None:
        notice(
            "no_workers",
            f"no workers can be started ({error.strerror or error}), so pictures are read in the main process; "
            f"look at the room in {SHARED_MEMORY} and the limits of processes and open files, or {ADVICE}",
        )
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
            if self._waits and self.cause is None:
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
        if watch.cause is not None:
            raise TrainingError(f"{watch.cause}, or {ADVICE}") from error
        first = str(error).split("\n", 1)[0] or type(error).__name__
        if isinstance(error, RuntimeError) and "DataLoader worker" not in first:
            raise
        raise TrainingError(f"a data worker died ({first}); {script_advice()}{ADVICE}") from error


def _go_on(pids: list[int]) -> None:
    """Let stopped workers run, so that they can end with the main process, which waits for them."""
    for pid in pids:
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
