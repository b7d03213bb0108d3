"""Whatever becomes of shared memory and of worker processes, nobody waits for ever."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from cnncli.core.errors import TrainingError
from cnncli.core.notices import collecting
from cnncli.data import workers
from cnncli.data.workers import ReadAhead
from tests.conftest import ROOT, make_pictures


class Numbers(Dataset[Tensor]):
    """Tensors of 40 kB; a negative key does something to the worker that reads it."""

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        if key == -1:
            os.kill(os.getpid(), signal.SIGKILL)
        if key == -2:
            os.kill(os.getpid(), signal.SIGSTOP)
        if key == -3:
            time.sleep(1000)
        return torch.full((2, 3, 40, 40), key).permute(0, 1, 3, 2), torch.tensor([key])


class Keys(Sampler[int]):
    def __init__(self, *keys: int) -> None:
        self.keys = keys

    def __iter__(self) -> Iterator[int]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)


def read(*keys: int, number: int = 2) -> list[int]:
    return [int(targets) for _, targets in ReadAhead(Numbers(), Keys(*keys), number)]


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="a worker cannot tell who sent a signal")
def test_a_group_that_is_told_to_end_spares_workers_that_only_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = workers._obey_parent_only

    def told_first(worker: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        begin(worker)

    monkeypatch.setattr(workers, "_obey_parent_only", told_first)
    assert read(*range(9)) == list(range(9))


def test_a_signal_that_was_held_while_workers_began_arrives() -> None:
    came: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda signum, _frame: came.append(signum))
    try:
        with workers._term_held():
            os.kill(os.getpid(), signal.SIGTERM)
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, previous)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "TICK", 0.05)
    monkeypatch.setattr(workers, "SILENT", 60)


def refuse_to_share(_tensor: Tensor) -> Tensor:
    raise RuntimeError("unable to allocate shared memory(shm) for file: No space left on device (28)")


def test_without_shared_memory_the_same_goes_through_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "share_memory_", refuse_to_share)
    with collecting() as found:
        got = list(ReadAhead(Numbers(), Keys(*range(9)), 2))
    for key, (inputs, targets) in enumerate(got):
        expected, _ = Numbers()[key]
        assert torch.equal(inputs, expected)
        assert inputs.stride() == expected.stride()
        assert int(targets) == key
    assert [notice.kind for notice in found] == ["shared_memory"]


@pytest.mark.parametrize("change", [
    lambda x: x[1:],
    lambda x: x[:, :2],
    lambda x: x[:0],
    lambda x: x[0, 0, 0, 0],
    lambda x: x[:, :1].expand(-1, 5, -1, -1),
])  # fmt: skip
def test_every_tensor_survives_a_pipe(change: object, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(Numbers):
        def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
            inputs, targets = super().__getitem__(key)
            return change(inputs + torch.arange(40)), targets  # type: ignore[operator]

    monkeypatch.setattr(Tensor, "share_memory_", refuse_to_share)
    inputs, _ = next(iter(ReadAhead(Cut(), Keys(7), 1)))
    assert torch.equal(inputs, Cut()[7][0])


def test_where_no_worker_can_be_started_the_main_process_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("multiprocessing.queues.Queue.__init__", full)
    with collecting() as found:
        assert read(1, 2, 3) == [1, 2, 3]
    assert [notice.kind for notice in found] == ["no_workers"]
    assert "dataset.workers: 0" in found[0].text


def test_the_advice_to_use_no_workers_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "share_memory_", refuse_to_share)
    with collecting() as found:
        assert read(1, 2, 3, number=0) == [1, 2, 3]
    assert not found


@pytest.mark.parametrize(("key", "cause"), [
    (-1, r"a data worker died .*; set dataset\.workers: 0"),
    (-2, "was stopped"),
    (-3, "have done nothing for"),
])  # fmt: skip
def test_a_worker_that_gives_no_answer_any_more_is_an_error(key: int, cause: str, impatient: None) -> None:
    start = time.monotonic()
    with pytest.raises(TrainingError, match=cause) as failure:
        read(1, 2, key, 3, 4)
    assert failure.value.exit_code == 5
    assert time.monotonic() - start < 20


def test_a_slow_start_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch may first wait seconds for the workers of an iteration that failed."""
    monkeypatch.setattr(workers, "TICK", 0.05)
    monkeypatch.setattr(workers, "SILENT", 12)
    begin = workers.DataLoader._get_iterator

    def slowly(loader: object) -> object:
        time.sleep(1)
        return begin(loader)  # type: ignore[arg-type]

    monkeypatch.setattr(workers.DataLoader, "_get_iterator", slowly)
    with pytest.raises(TrainingError, match="was stopped"):
        read(1, 2, -2, 3, 4)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that raises")
def test_torchs_signal_of_a_dead_worker_does_not_come_between() -> None:
    """Its pipe ends first; what the handler raises shortly afterwards must not replace the line."""

    def torchs(_signum: int, _frame: object) -> None:
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")

    def die() -> None:
        with workers._explained(workers._Watch()):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            raise ConnectionResetError

    previous = signal.signal(signal.SIGALRM, torchs)
    try:
        with pytest.raises(TrainingError, match="a data worker died"):
            die()
        time.sleep(0.02)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_a_worker_that_is_stopped_for_a_moment_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "TICK", 0.05)
    monkeypatch.setattr(workers, "STOPPED", 100)
    shell = "sleep 1; kill -CONT {}"

    class Pausing(Numbers):
        def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
            if key == -2:
                subprocess.Popen(["sh", "-c", shell.format(os.getpid())])
            return super().__getitem__(key)

    assert [int(targets) for _, targets in ReadAhead(Pausing(), Keys(1, -2, 3), 2)] == [1, -2, 3]


@pytest.mark.slow
def test_a_process_ends_although_its_worker_was_stopped(tmp_path: Path) -> None:
    code = (
        "from tests.data.test_workers import *\n"
        "batches = ReadAhead(Numbers(), Keys(1, 2, 3), 2, lasting=True)\n"
        "assert len(list(batches)) == 3\n"
        "import multiprocessing\n"
        "for child in multiprocessing.active_children(): os.kill(child.pid, signal.SIGSTOP)\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_lasting_workers_read_every_epoch() -> None:
    batches = ReadAhead(Numbers(), Keys(*range(5)), 2, lasting=True)
    next(iter(batches))  # given up in the middle
    for _ in range(2):
        assert [int(targets) for _, targets in batches] == [0, 1, 2, 3, 4]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, and a config that reads them in every epoch."""
    folder = tmp_path_factory.mktemp("small-shm")
    make_pictures(folder / "photos", {"a": 60, "b": 60}, size=(64, 64))
    (folder / "c.yaml").write_text(
        "dataset: {name: image_folder, root: photos, image_size: 64, batch_size: 32, memory: never}\n"
        "model: {name: mlp, hidden: [4]}\ndevice: cpu\ntrain: {epochs: 1}\n"
        "logging: {tensorboard: false, samples: false, pictures: false}\n"
    )
    return folder


# every number of workers in one process, whose imports take longest
RUNS = """
import sys
from cnncli.cli.app import run
logging = ["logging.tensorboard=false", "logging.samples=false", "logging.pictures=false"]
for workers in ("0", "1", "2"):
    name = f"a/{sys.argv[1]}-{workers}"
    print("train", workers, run(["train", "c.yaml", f"dataset.workers={workers}", "--name", name, *logging, "--json"]))
    ckpt = f"runs/{name}/best.pt"
    print("predict", workers, run(["predict", "--ckpt", ckpt, "photos", "--workers", workers, "--out", "o.csv"]))
    print("answers", len(open("o.csv").readlines()))
"""


def in_small_shm(size: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """The ``RUNS`` where /dev/shm is a tmpfs of ``size``; skips where this machine does not permit that."""
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size={size} none /dev/shm"
    if unshare is None or subprocess.run([unshare, "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("no mount namespace of our own here")
    return subprocess.run(
        [unshare, "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", RUNS, size],
        cwd=folder, capture_output=True, text=True, timeout=200,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


SLOW = pytest.mark.slow


@pytest.mark.parametrize("size", [pytest.param(size, marks=SLOW) for size in ("64k", "200k", "4k", "8m", "64m")])
def test_every_run_ends_however_small_shared_memory_is(size: str, photos: Path) -> None:
    done = in_small_shm(size, photos)
    ended = [line for line in done.stdout.splitlines() if line.startswith(("train ", "predict ", "answers "))]
    expected = [line for n in range(3) for line in (f"train {n} 0", f"predict {n} 0", "answers 121")]
    assert ended == expected, done.stderr
    told = {"4k": "note: no workers can be started", "200k": "note: /dev/shm has no room", "64k": "note: "}
    assert told.get(size, "") in done.stderr
    assert size != "64m" or "note: " not in done.stderr
