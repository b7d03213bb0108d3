"""``--nproc``: whole runs of two processes, and what happens to them when one is killed, stopped or told to end."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cnncli.runs.checkpoint import load_checkpoint
from tests.conftest import ROOT
from tests.training.helpers import weights

pytestmark = pytest.mark.slow

CONFIG = """\
name: d
device: cpu
precision: fp32
dataset: {name: digits, batch_size: 47}
model: {name: simple_cnn, channels: [8], hidden: 16, dropout: 0.0}
loss: {name: cross_entropy, class_weights: balanced}
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
train: {epochs: 3, accumulate: 2}
logging: {tensorboard: false, samples: false, pictures: false}
"""
STUCK = """\
import os, time
from torch import nn
from cnncli.core.registry import activations

class Stuck(nn.Module):
    calls = 0
    def forward(self, x):
        self.calls += 1
        if os.environ.get("RANK") == "1" and self.calls > 3 and self.training is TRAINING:
            time.sleep(1000)  # while its other threads run
        return x.relu()

activations.add("stuck", lambda: Stuck(), description="sleeps")
"""
TWO = ("--nproc", "2")
LONG = "train.epochs=100000"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranks")
    (path / "d.yaml").write_text(CONFIG)
    return path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cnncli", *words]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=folder, capture_output=True, text=True, timeout=180, check=False)


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    assert run(folder, "train", "d.yaml", "--name", "d/alone").returncode == 0
    return folder / "runs/d/alone"


class Started:
    """A training of two ranks in the background, once its first epoch is written down."""

    def __init__(
        self, folder: Path, run_id: str, *words: str, wait_for: str = "metrics.jsonl",
        begin: Sequence[str] = ("train", "d.yaml"),
    ) -> None:  # fmt: skip
        self.path = folder / "runs/d" / run_id
        self.process = subprocess.Popen(
            command(*begin, "--name", f"d/{run_id}", *TWO, *words), cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._until(lambda: (self.path / wait_for).exists())

    def _until(self, done: Any) -> None:
        end = time.monotonic() + 90
        while not done():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)

    def ranks(self) -> dict[int, int]:
        """Rank → process."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "environ").read_bytes().split(b"\0") if entry.name.isdigit() else []
                line = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            known = dict(word.split(b"=", 1) for word in words if b"=" in word)
            if f"d/{self.path.name}".encode() in line and b"RANK" in known and b"cnncli" in line:
                found[int(known[b"RANK"])] = int(entry.name)
        return found

    def end(self) -> tuple[int, str]:
        """The exit code and what was said on standard error."""
        _, errors = self.process.communicate(timeout=120)
        return self.process.returncode, errors

    def none_is_left(self) -> None:
        end = time.monotonic() + 10
        while left := self.ranks():
            assert time.monotonic() < end, left
            time.sleep(0.1)


@pytest.fixture
def started(folder: Path) -> Iterator[Any]:
    begun: list[Started] = []

    def start(*words: str, **how: Any) -> Started:
        begun.append(Started(folder, *words, **how))
        return begun[-1]

    yield start
    for training in begun:
        for process in (*training.ranks().values(), training.process.pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        training.process.communicate()


def history(path: Path) -> list[dict[str, float]]:
    """The losses and accuracies of each epoch."""
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "/" in key} for line in lines]


def assert_alike(one: Path, two: Path, tolerance: float) -> None:
    assert len(history(one)) == len(history(two))
    for first, second in zip(history(one), history(two), strict=True):
        assert first == pytest.approx(second, abs=tolerance)


def test_two_ranks_are_one_run(folder: Path, alone: Path) -> None:
    done = run(folder, "train", "d.yaml", "--name", "d/two", *TWO)
    assert done.returncode == 0, done.stderr
    assert "× 2 ranks (gloo)" in done.stderr
    assert done.stderr.count("epoch 1/3") == done.stdout.count("Best epoch") == 1  # one voice
    two = folder / "runs/d/two"
    first, second = weights(alone / "last.pt"), weights(two / "last.pt")
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-5
    assert_alike(alone, two, 1e-5)
    results = [json.loads((path / "result.json").read_text()) for path in (alone, two)]
    assert results[0].keys() == results[1].keys()
    assert json.loads((two / "environment.json").read_text())["ranks"] == 2
    one, other = (json.loads(run(folder, "eval", "--ckpt", str(alone), "--json", *words).stdout) for words in ([], TWO))
    assert one["metrics"]["test"] == pytest.approx(other["metrics"]["test"], abs=1e-6)
    assert one.keys() == other.keys()


def test_the_first_commands_of_the_page_work(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    block = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "scale.md").read_text(), re.DOTALL)[0]
    lines = [shlex.split(line)[1:] for line in block.splitlines()]
    assert [words[0] for words in lines] == ["train", "eval", "train"]
    for words in lines:
        done = run(tmp_path, *words, *(["train.epochs=2"] if "configs/digits.yaml" in words else []))
        assert done.returncode == 0, done.stderr


def test_torchrun_from_outside(folder: Path, alone: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*torchrun, "-m", *command("train", "d.yaml", "--name", "d/outside")[2:]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert_alike(alone, folder / "runs/d/outside", 1e-5)
    words[words.index("train") :] = ["list", "models"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    assert done.stdout.count("simple_cnn") == 1  # what needs no ranks speaks with one voice, too


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_rank_ends_all(started: Any, signum: int) -> None:
    training = started(f"signal-{signum}", LONG, "--max-restarts", "2")
    os.kill(training.ranks()[1], signum)
    begun = time.monotonic()
    code, errors = training.end()
    assert code == 128 + signum  # and it was not begun again
    assert time.monotonic() - begun < 30
    assert errors.count("interrupted: stopped ") == 1, errors
    assert load_checkpoint(training.path / "last.pt").training is not None
    training.none_is_left()


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_a_run_goes_on_with_another_number_of_ranks(folder: Path, first: int, then: int) -> None:
    """Stopped in the midst of an epoch, by the launcher's own signal."""
    name, epochs = f"resumed-{first}", "train.epochs=15"
    if not (folder / "runs/d/whole").exists():
        assert run(folder, "train", "d.yaml", epochs, "--name", "d/whole").returncode == 0
    path = folder / "runs/d" / name
    words = command("train", "d.yaml", epochs, "--name", f"d/{name}", "--nproc", str(first))
    with subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        while not (path / "metrics.jsonl").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    done = run(folder, "train", "--resume", str(path), "--nproc", str(then))
    assert done.returncode == 0, done.stderr
    assert_alike(folder / "runs/d/whole", path, 1e-4)  # the differences of rounding grow over 15 epochs
    assert history(folder / "runs/d/whole")[:5] == [pytest.approx(line, abs=1e-5) for line in history(path)[:5]]


@pytest.mark.parametrize("wait_for", [".launch", "metrics.jsonl"], ids=["before", "after"])
def test_a_run_goes_on_after_a_rank_was_killed(folder: Path, alone: Path, started: Any, wait_for: str) -> None:
    """Before and after its first checkpoint of an epoch."""
    training = started(f"killed-{wait_for.strip('.')[:6]}", "--max-restarts", "1", wait_for=wait_for)
    os.kill(training.ranks()[1], signal.SIGKILL)
    code, errors = training.end()
    assert code == 0, errors
    assert "was killed by SIGKILL; starting again, 1 of 1 times" in errors
    assert [path.name for path in training.path.parent.glob(f"{training.path.name}*")] == [training.path.name]
    assert_alike(folder / "runs/d/alone", training.path, 1e-5)


def test_fine_tuning_goes_on_after_a_rank_was_killed(folder: Path, alone: Path, started: Any) -> None:
    """In the run that it had begun, although its folder is named: that is its own."""
    begin = ["finetune", "--from", str(alone / "best.pt"), "d.yaml", "model.name=simple_cnn", "train.epochs=20"]
    training = started("tuned", "--max-restarts", "1", begin=begin)
    os.kill(training.ranks()[0], signal.SIGKILL)
    code, errors = training.end()
    assert code == 0, errors
    assert f"resuming runs/d/{training.path.name} after epoch" in errors
    assert [path.name for path in training.path.parent.glob("tuned*")] == ["tuned"]
    assert len(history(training.path)) == 20


def test_a_killed_rank_ends_the_run(started: Any) -> None:
    training = started("lost", LONG)
    os.kill(training.ranks()[0], signal.SIGKILL)
    code, errors = training.end()
    assert code == 5
    (line,) = [line for line in errors.splitlines() if not line.startswith("epoch") and "error" in line]
    assert line.startswith("error: rank 0 (process ")
    assert line.endswith("was killed by SIGKILL; go on with --resume, or let --max-restarts do it")
    assert "Traceback" not in errors
    training.none_is_left()


def test_a_rank_that_hangs_is_named(started: Any) -> None:
    training = started("hung", LONG, "compute.rank_timeout=8")
    os.kill(training.ranks()[1], signal.SIGSTOP)
    begun = time.monotonic()
    code, errors = training.end()
    assert code == 5
    assert time.monotonic() - begun < 30
    assert "error: rank 1 (" in errors
    assert "has given no sign of life for 8 s; go on with --resume" in errors
    training.none_is_left()


@pytest.mark.parametrize("training", [True, False])
def test_a_rank_that_hangs_in_its_network_is_named(folder: Path, training: bool) -> None:
    """Its signs of life go on: others find it because they wait for it."""
    (folder / "stuck.py").write_text(STUCK.replace("TRAINING", str(training)))
    mlp = "model={name: mlp, hidden: [8], activation: stuck}"
    done = run(folder, "train", "d.yaml", "plugins=[stuck.py]", mlp, "compute.rank_timeout=8", *TWO)
    assert done.returncode == 5, done.stderr
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: rank 1 (")
    assert "has taken no step, while others wait for it, for 8 s; go on with --resume" in error


def test_no_rank_survives_its_launcher(started: Any) -> None:
    training = started("orphans", LONG)
    assert training.ranks().keys() == {0, 1}
    training.process.kill()
    training.none_is_left()


def test_what_is_wrong_is_said_once(folder: Path) -> None:
    for words, code, line in (
        (["d.yaml", "optimizer.lr=fast"], 2, "optimizer.lr"),
        (["d.yaml", "dataset.batch_size=3"], 2, "3 samples are the batch of all 2 ranks"),
        (["d.yaml", "compute.sync_batchnorm=true"], 2, "compute.sync_batchnorm: PyTorch has none for cpu"),
        (["d.yaml", "optimizer.lr=1e30"], 5, "lower optimizer.lr"),
        (["d.yaml", "--dry-run"], 2, "leave out --nproc"),
    ):
        done = run(folder, "train", *words, *TWO)
        assert done.returncode == code, done.stderr
        (error,) = [found for found in done.stderr.splitlines() if "error:" in found]
        assert line in error


def test_restarts_are_for_ranks(folder: Path) -> None:
    done = run(folder, "train", "d.yaml", "--max-restarts", "1")
    assert (done.returncode, done.stderr.count("add --nproc 2 or more")) == (2, 1)


LACKING = """
import sys, torch.distributed as dist
for name in ("distributed_c10d", "rendezvous", "elastic", "launcher"):
    sys.modules[f"torch.distributed.{name}"] = None  # cannot be imported
del dist.DistError
dist.is_available = lambda: False
from cnncli.cli.app import run
sys.exit(run(sys.argv[1:]))
"""


def test_a_torch_without_distributed_trains_alone_and_says_so_of_more(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            LACKING,
            "train",
            str(ROOT / "configs" / "digits.yaml"),
            "train.epochs=1",
            *words,
        ]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    alone = run()
    assert alone.returncode == 0, alone.stderr
    several = run("--nproc", "2")
    assert several.returncode == 2
    assert several.stderr.startswith("error: this build of torch has no torch.distributed")
