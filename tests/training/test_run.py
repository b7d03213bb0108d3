"""What a run writes: files, metrics, TensorBoard, the right best epoch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from torch.utils.tensorboard import SummaryWriter

from cnncli.runs.checkpoint import load_checkpoint
from cnncli.tasks.classification import Classification
from cnncli.training.best import Best
from cnncli.training.configs import load_config
from tests.conftest import Answer
from tests.training.helpers import load, train

Cli = Callable[..., Answer]


def test_a_run_folder_holds_all_that_the_run_was(tiny: Path, cnncli: Cli) -> None:
    result = train(tiny, "one", "logging.tensorboard=true", "logging.samples=true", "checkpoint.every=2")
    run = Path(result["run_dir"])
    names = {path.name for path in run.iterdir() if not path.name.startswith((".", "events"))}
    assert names == {"config.yaml", "environment.json", "metrics.jsonl", "result.json", "report.json",
                     "best.pt", "last.pt", "epoch-2.pt", "samples.png", "outputs", "test_looks.json", "projector",
                     "projector_config.pbtxt"}  # fmt: skip
    chosen = ("precision=fp32", "compute.compile=off")  # what 'auto' came to
    assert load(run / "config.yaml").config == load(tiny, "logging.tensorboard=true", "logging.samples=true",
                                                    "checkpoint.every=2", *chosen).config  # fmt: skip
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.split("+")[0]
    assert {"device", "threads", "git_commit", "python", "command"} <= set(environment)
    assert json.loads((run / "result.json").read_text()) == result
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {
        "epoch", "global_step", "lr", "train_seconds", "eval_seconds", "samples_per_second", "train/loss",
        "train/accuracy", "val/loss", "val/accuracy", "val/balanced_accuracy", "val/macro_f1",
        "baseline/loss", "baseline/accuracy", "baseline/balanced_accuracy", "baseline/macro_f1",
    }  # fmt: skip


def test_a_failing_logger_costs_nothing_but_the_log(tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    answer = cnncli("train", tiny, "logging.tensorboard=true", "--name", "tiny/one", "--json")
    assert answer.code == 0
    assert answer.err.count("warning: TensorBoard's files cannot be written") == 1
    assert load_checkpoint(Path("runs/tiny/one/last.pt")).training.epoch == 2


def test_the_best_epoch_is_kept_and_the_earliest_of_equals() -> None:
    best = Best("max")
    assert [best.update(value, epoch) for epoch, value in enumerate([0.5, float("nan"), 0.7, 0.7, 0.6], 1)] == [
        True, False, True, False, False,
    ]  # fmt: skip
    assert (best.value, best.epoch) == (0.7, 3)
    lowest = Best("min", min_delta=0.1)
    assert [lowest.update(value, epoch) for epoch, value in enumerate([1.0, 0.95, 0.85, float("inf")], 1)] == [
        True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("monitor", "pick"), [("val/accuracy", max), ("val/loss", min), ("train/loss", min), ("val/macro_f1", max)]
)
def test_best_is_chosen_by_the_named_metric(tiny: Path, monitor: str, pick: Callable[..., float]) -> None:
    result = train(tiny, "one", f"checkpoint.monitor={monitor}", "train.epochs=4", "optimizer.lr=0.05")
    lines = [json.loads(line) for line in Path("runs/tiny/one/metrics.jsonl").read_text().splitlines()]
    values = [line[monitor] for line in lines]
    assert result["best_epoch"] == 1 + values.index(pick(values))
    assert load_checkpoint(Path(result["best"])).metrics == lines[result["best_epoch"] - 1]


def test_early_stopping_waits_for_its_patience(tiny: Path) -> None:
    result = train(tiny, "one", "train.epochs=50", "train.early_stopping.patience=2", "optimizer.lr=0.03")
    assert result["epochs"] < 50
    lines = [json.loads(line) for line in Path("runs/tiny/one/metrics.jsonl").read_text().splitlines()]
    values = [line["val/accuracy"] for line in lines]
    assert len(lines) == result["epochs"] == values.index(max(values)) + 1 + 2, "an equal value is no improvement"


def test_the_averaged_weights_are_evaluated_and_kept(tiny: Path) -> None:
    plain = train(tiny, "plain", "optimizer.lr=0.01")
    averaged = train(tiny, "averaged", "optimizer.lr=0.01", "train.ema_decay=0.8")
    saved = load_checkpoint(Path(averaged["last"]))
    raw = load_checkpoint(Path(plain["last"])).weights
    assert torch.equal(saved.training.weights["1.weight"], raw["1.weight"]), "training itself is the same"
    assert not torch.equal(saved.weights["1.weight"], raw["1.weight"])
    assert averaged["metrics"]["val"]["loss"] != plain["metrics"]["val"]["loss"]


def test_a_diverged_run_ends_with_5_and_keeps_its_checkpoints(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "--name", "tiny/one", "optimizer.name=sgd", "optimizer.lr=1e30", "train.epochs=3")
    assert answer.code == 5
    assert "train/loss is" in answer.err or "val/loss is" in answer.err
    assert "after step" in answer.err
    assert "lower optimizer.lr" in answer.err
    assert not Path("runs/tiny/one/best.pt").exists()


def test_without_validation_the_monitor_must_say_so(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "dataset.val_fraction=0")
    assert answer.code == 2
    assert "needs validation data" in answer.err
    answer = cnncli("train", tiny, "dataset.val_fraction=0", "checkpoint.monitor=train/loss", "--json")
    assert answer.code == 0
    assert set(answer.json["metrics"]) == {"train", "test"}
    answer = cnncli("train", tiny, "checkpoint.monitor=val/acuracy")
    assert answer.code == 2
    assert "did you mean 'val/accuracy'" in answer.err


def test_two_processes_do_not_share_a_run(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one", "train.epochs=1")
    with FileLock("runs/tiny/one/.lock"):
        answer = cnncli("train", "--resume", "runs/tiny/one", "train.epochs=2")
        assert answer.code == 2
        assert "another process works in this run (process" in answer.err
    assert cnncli("train", "--resume", "runs/tiny/one", "train.epochs=2").code == 0


def test_an_existing_run_is_replaced_only_when_asked_for(tiny: Path, cnncli: Cli) -> None:
    assert cnncli("train", tiny, "--name", "tiny/one").code == 0
    answer = cnncli("train", tiny, "--name", "tiny/one")
    assert answer.code == 2
    assert "--overwrite" in answer.err
    assert cnncli("train", tiny, "--name", "tiny/one", "--overwrite", "seed=3").code == 0
    assert load_config(Path("runs/tiny/one/config.yaml")).config.seed == 3
    Path("runs/tiny/mine").mkdir()
    Path("runs/tiny/mine/thesis.txt").write_text("years of work")
    assert cnncli("train", tiny, "--name", "tiny/mine", "--overwrite").code == 2
    assert Path("runs/tiny/mine/thesis.txt").exists()
    assert cnncli("train", tiny, "--overwrite").code == 2


@pytest.mark.parametrize("name", ["../up", "a/../b", "/abs", "a/./c", "a//b", "a/..", ""])
def test_run_names_do_not_leave_the_runs_folder(tiny: Path, cnncli: Cli, name: str, tmp_path: Path) -> None:
    before = set(tmp_path.parent.iterdir())
    answer = cnncli("train", tiny, "--name", name)
    assert answer.code == 2
    assert set(tmp_path.parent.iterdir()) == before


def test_runs_started_in_the_same_second_get_folders_of_their_own(tiny: Path, cnncli: Cli) -> None:
    for _ in range(3):
        assert cnncli("train", tiny, "train.epochs=1").code == 0
    assert len(list(Path("runs/tiny").iterdir())) == 3


def test_weights_whose_validation_loss_is_no_number_are_not_kept(
    tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Classification.eval_loss
    monkeypatch.setattr(Classification, "eval_loss", lambda *args: original(*args) * float("nan"))
    answer = cnncli("train", tiny, "--name", "tiny/one")
    assert answer.code == 5
    assert "val/loss is nan in epoch 1" in answer.err
    assert not Path("runs/tiny/one/best.pt").exists()


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.lr=-1", "optimizer.betas=[2.0,0.9]", "model.hidden=[-3]", "model.dropout=1.5",
        "dataset.batch_size=0", "dataset.eval_batch_size=-1", "dataset.workers=-1",
        "scheduler={name: step, step_size: 0}", "scheduler={name: exponential, gamma: -1}",
        "scheduler={name: one_cycle, max_lr: -0.1}", "loss.label_smoothing=2", "train.epochs=0",
        "dataset.augment=[{name: random_crop, size: 0}]", "dataset.augment=[{name: random_rotation, degrees: -5}]",
        "model={name: simple_cnn, channels: [0]}", "model={name: layers, layers: [{name: conv, channels: 0}]}",
        "model={name: layers, layers: [{name: conv, channels: 4, stride: 0}]}",
    ],
)  # fmt: skip
def test_values_that_a_part_cannot_take_are_config_errors(tiny: Path, cnncli: Cli, override: str) -> None:
    answer = cnncli("train", tiny, override)
    assert answer.code == 2, answer.err
    assert answer.complaint.startswith("error: ")
    assert "Traceback" not in answer.err
    assert not Path("runs").exists()
