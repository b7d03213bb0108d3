"""An interrupted run that is resumed ends bit for bit where an uninterrupted one does."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.core.errors import Interrupted
from cnncli.runs.checkpoint import load_checkpoint
from cnncli.runs.tracking import Tracker
from cnncli.training import engine, fit
from tests.conftest import Answer
from tests.training.helpers import assert_same_weights, train

Cli = Callable[..., Answer]
BUSY = """\
name: busy
dataset: {name: digits, batch_size: 64, val_fraction: 0.6, augment: [{name: random_crop, padding: 1}]}
model: {name: simple_cnn, channels: [8], hidden: 16, dropout: 0.3}
optimizer: {name: adam, lr: 0.003}
scheduler: {name: cosine, warmup_epochs: 0.5}
train: {epochs: 4, accumulate: 2, ema_decay: 0.9, clip_grad_norm: 1.0}
checkpoint: {every: 1}
logging: {tensorboard: false, samples: false, pictures: false}
"""


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """Everything that has a state or draws random numbers, in one config."""
    path = tmp_path / "busy.yaml"
    path.write_text(BUSY)
    return path


def history(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without the times, which differ from run to run."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    timing = ("train_seconds", "eval_seconds", "samples_per_second")
    return [{key: value for key, value in line.items() if key not in timing} for line in lines]


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_resumed_behind_any_epoch_the_weights_are_the_same(busy: Path, cnncli: Cli, epoch: int) -> None:
    whole = train(busy, "whole")
    part = train(busy, "part")
    answer = cnncli("train", "--resume", f"runs/busy/part/epoch-{epoch}.pt", "--json")
    assert answer.code == 0, answer.err
    assert_same_weights(whole["last"], part["last"])
    assert_same_weights(whole["best"], part["best"])
    assert history(Path("runs/busy/whole")) == history(Path("runs/busy/part"))
    assert answer.json["metrics"]["test"] == whole["metrics"]["test"]


@pytest.mark.parametrize("optimizer", [pytest.param("lbfgs", marks=pytest.mark.slow), "sgd", "rprop", "asgd"])
def test_resume_is_exact_with_other_optimizers_too(tiny: Path, cnncli: Cli, optimizer: str) -> None:
    options = (f"optimizer.name={optimizer}", "checkpoint.every=1", "train.epochs=3")
    whole = train(tiny, "whole", *options)
    part = train(tiny, "part", *options)
    assert cnncli("train", "--resume", "runs/tiny/part/epoch-1.pt").code == 0
    assert_same_weights(whole["last"], part["last"])


class StopAfter:
    """Raises SIGINT in this process when the given number of optimizer steps is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, steps: int, signum: int) -> None:
        self.left, self.signum = steps, signum
        original = engine._step

        def counting(*args: Any) -> bool:
            stepped = original(*args)
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(self.signum)
            return stepped

        monkeypatch.setattr(engine, "_step", counting)


@pytest.mark.parametrize(
    ("steps", "signum", "code"), [(1, signal.SIGINT, 130), (3, signal.SIGTERM, 143), (7, signal.SIGINT, 130)]
)
def test_a_signal_in_the_middle_of_an_epoch_keeps_the_work(
    busy: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch, steps: int, signum: int, code: int
) -> None:
    whole = train(busy, "whole")
    with monkeypatch.context() as patch:
        StopAfter(patch, steps, signum)
        answer = cnncli("train", busy, "--name", "busy/part")
    assert answer.code == code
    assert "go on with: cnncli train --resume runs/busy/part" in answer.err
    assert load_checkpoint(Path("runs/busy/part/last.pt")).training.global_step == steps
    resumed = cnncli("train", busy, "--resume")
    assert resumed.code == 0
    stopped = answer.err.rpartition("stopped ")[2].partition(";")[0]  # the same words
    assert f"resuming runs/busy/part {stopped}\n" in resumed.err
    assert_same_weights(whole["last"], "runs/busy/part/last.pt")
    assert history(Path("runs/busy/whole")) == history(Path("runs/busy/part"))


def test_a_signal_during_evaluation_repeats_only_the_evaluation(
    busy: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(busy, "whole")
    original = fit.Fit._evaluate

    def interrupted(self: fit.Fit, *args: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(fit.Fit, "_evaluate", interrupted)
        assert cnncli("train", busy, "--name", "busy/part").code == 143
    assert load_checkpoint(Path("runs/busy/part/last.pt")).training.epoch == 0
    assert cnncli("train", busy, "--resume", "runs/busy/part").code == 0
    assert_same_weights(whole["last"], "runs/busy/part/last.pt")
    assert history(Path("runs/busy/whole")) == history(Path("runs/busy/part"))


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.slow
def test_a_killed_process_leaves_what_is_needed_to_go_on(busy: Path, cnncli: Cli) -> None:
    whole = train(busy, "whole", "train.epochs=8")
    command = [sys.executable, "-m", "cnncli", "train", str(busy), "train.epochs=8", "--name", "busy/part"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last = Path("runs/busy/part/epoch-2.pt")
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert last.exists()
    assert cnncli("train", "--resume", "runs/busy/part").code == 0
    assert_same_weights(whole["last"], "runs/busy/part/last.pt")


def test_one_and_one_epochs_equal_two(tiny: Path, cnncli: Cli) -> None:
    whole = train(tiny, "whole", "train.epochs=2")
    part = train(tiny, "part", "train.epochs=1")
    answer = cnncli("train", "--resume", "runs/tiny/part", "train.epochs=2")
    assert answer.code == 0, answer.err
    assert_same_weights(whole["last"], part["last"])


def test_what_would_make_it_another_experiment_is_refused(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "part")
    answer = cnncli("train", "--resume", "runs/tiny/part", "optimizer.lr=0.5", "model.hidden=[32]")
    assert answer.code == 2
    assert "optimizer.lr: is 0.5, the run was trained with 0.001" in answer.err
    assert "model.hidden" in answer.err
    tiny.write_text(tiny.read_text() + "seed: 7\n")
    answer = cnncli("train", tiny, "--resume")
    assert answer.code == 2
    assert f"{tiny}:6: seed: is 7, the run was trained with 0" in answer.err


def test_there_must_be_something_to_resume(tiny: Path, cnncli: Cli) -> None:
    assert cnncli("train", tiny, "--resume").code == 4
    assert cnncli("train", "--resume", "runs/none").code == 4
    assert cnncli("train", "--resume", "tiny.yaml", "seed=1").code in (2, 4)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tiny: Path) -> None:
    one, two, other = train(tiny, "one"), train(tiny, "two"), train(tiny, "other", "seed=1")
    assert_same_weights(one["last"], two["last"])
    assert not torch.equal(
        load_checkpoint(Path(one["last"])).weights["1.weight"],
        load_checkpoint(Path(other["last"])).weights["1.weight"],
    )


def test_signals_are_left_alone_outside_the_main_thread(tiny: Path) -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(train(tiny, "thread")))
    thread.start()
    thread.join()
    assert len(results) == 1


def test_interrupted_carries_the_exit_code() -> None:
    assert Interrupted("", signal.SIGINT).exit_code == 130
    assert Interrupted("", signal.SIGTERM).exit_code == 143


def test_a_schedule_laid_out_over_the_epochs_is_not_stretched_afterwards(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "part", "scheduler.name=one_cycle", "scheduler.max_lr=0.01")
    answer = cnncli("train", "--resume", "runs/tiny/part", "train.epochs=4")
    assert answer.code == 2
    assert "train.epochs: is 4, the run was trained with 2" in answer.err


def test_an_edited_config_beside_the_checkpoint_is_noticed(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "part", "train.epochs=1")
    config = Path("runs/tiny/part/config.yaml")
    config.write_text(config.read_text().replace("lr: 0.001", "lr: 0.5"))
    answer = cnncli("train", "--resume", "runs/tiny/part", "train.epochs=2")
    assert answer.code == 2
    assert "optimizer.lr: is 0.5, the run was trained with 0.001" in answer.err


def test_a_checkpoint_alone_in_a_folder_is_not_resumed(tiny: Path, cnncli: Cli, tmp_path: Path) -> None:
    result = train(tiny, "part", "train.epochs=1")
    lone = tmp_path / "elsewhere" / "last.pt"
    lone.parent.mkdir()
    lone.write_bytes(Path(result["last"]).read_bytes())
    answer = cnncli("train", "--resume", lone)
    assert answer.code == 2
    assert "needs the config.yaml beside it" in answer.err


def test_a_kill_in_the_first_epoch_leaves_a_run_that_can_be_resumed(
    busy: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(busy, "whole")

    class Killed(BaseException):
        pass

    def killed(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_step", killed)
        with pytest.raises(Killed):
            cnncli("train", busy, "--name", "busy/part")
    assert cnncli("train", "--resume", "runs/busy/part").code == 0
    assert_same_weights(whole["last"], "runs/busy/part/last.pt")
    assert history(Path("runs/busy/whole")) == history(Path("runs/busy/part"))


def test_a_kill_between_checkpoint_and_log_leaves_no_hole_in_the_log(
    busy: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(busy, "whole")

    class Killed(BaseException):
        pass

    def killed(self: Tracker, record: object) -> None:
        if isinstance(record, dict) and record["epoch"] == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "epoch", killed)
        with pytest.raises(Killed):
            cnncli("train", busy, "--name", "busy/part")
    assert cnncli("train", "--resume", "runs/busy/part").code == 0
    assert [line["epoch"] for line in history(Path("runs/busy/part"))][-3:] == [2, 3, 4]
    assert history(Path("runs/busy/whole"))[1:] == history(Path("runs/busy/part"))


def test_half_written_files_of_a_killed_process_are_swept(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "part", "train.epochs=1")
    stale = Path("runs/tiny/part/.last.pt.12345.tmp")
    stale.write_bytes(b"half")
    assert cnncli("train", "--resume", "runs/tiny/part", "train.epochs=2").code == 0
    assert not stale.exists()


@pytest.mark.skipif(os.name == "nt", reason="needs process groups")
@pytest.mark.slow
def test_a_signal_to_the_whole_group_spares_the_workers_and_keeps_the_work(pictures: Path, tmp_path: Path) -> None:
    config = tmp_path / "files.yaml"
    config.write_text(
        f"name: files\ndataset: {{name: image_folder, root: {pictures}, image_size: 16, batch_size: 2, "
        "memory: never, workers: 2}\nmodel: {name: mlp, hidden: [4]}\ntrain: {epochs: 3000}\n"
        "logging: {tensorboard: false, samples: false, pictures: false}\n"
    )
    command = [sys.executable, "-m", "cnncli", "train", str(config), "--name", "files/one"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    metrics = Path("runs/files/one/metrics.jsonl")
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert "go on with: cnncli train --resume runs/files/one" in err
