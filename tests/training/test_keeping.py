"""What a run keeps: which epoch is best, what its files hold, what is written first, and how a run starts again."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.core.errors import ConfigError
from cnncli.data.bundle import DataBundle, build_data
from cnncli.runs.checkpoint import load_checkpoint
from cnncli.tasks.classification import Classification
from cnncli.training import experiment
from cnncli.training.best import Best
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from tests.conftest import Answer
from tests.training.helpers import assert_same_weights, load, rewrite, train

Cli = Callable[..., Answer]


def test_of_equal_values_the_one_with_the_lower_validation_loss_is_best_then_the_earlier() -> None:
    best = Best("max")
    found = [best.update(value, epoch, loss) for epoch, (value, loss) in enumerate(
        [(0.9, 0.5), (0.9, 0.5), (0.9, 0.4), (0.9, 0.6), (0.8, 0.1), (math.nan, 0.0), (0.9, math.nan)], 1
    )]  # fmt: skip
    assert found == [True, False, True, False, False, False, False]
    assert (best.epoch, best.loss) == (3, 0.4)
    again = Best("max")
    again.load_state_dict(best.state_dict())
    assert not again.update(0.9, 8, 0.4)
    assert again.update(0.9, 9, 0.3)


def test_best_pt_holds_what_answering_needs_and_last_pt_the_training_too(tiny: Path) -> None:
    result = train(tiny, "one")
    best, last = Path(result["best"]), Path(result["last"])
    assert load_checkpoint(best).training is None
    assert load_checkpoint(last).training is not None
    assert best.stat().st_size < 0.6 * last.stat().st_size, "Adam keeps two more values for each weight"


def test_a_run_is_not_resumed_from_weights_alone_but_a_new_one_starts_from_them(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one")
    answer = cnncli("train", tiny, "--resume", "runs/tiny/one/best.pt")
    assert answer.code == 4
    assert "not the state of their training" in answer.err
    command = answer.err.strip().rpartition("with: cnncli ")[2].split()
    assert command[:2] == ["train", "runs/tiny/one/config.yaml"]
    again = cnncli(*command, "--name", "again/one", "train.epochs=1", "optimizer.lr=1e-12")
    assert again.code == 0, again.err
    one, two = (load_checkpoint(Path(f"runs/{name}/one/best.pt")).weights for name in ("tiny", "again"))
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


def test_a_damaged_last_pt_says_how_a_new_run_starts_from_the_best_weights(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one")
    last = Path("runs/tiny/one/last.pt")
    last.write_bytes(last.read_bytes()[:-2000])
    answer = cnncli("train", "--resume", "runs/tiny/one")
    assert answer.code == 4
    assert answer.err.count("error:") == 1
    assert "cnncli train runs/tiny/one/config.yaml train.start_from=runs/tiny/one/best.pt" in answer.err


def test_weights_of_another_network_are_no_start(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one")
    answer = cnncli("train", tiny, "model.hidden=[8]", "train.start_from=runs/tiny/one")
    assert answer.code == 4
    assert "model.1.weight: is 16×64 float32, not 8×64 float32" in answer.err


def test_the_result_is_written_before_the_pictures_and_one_that_cannot_be_drawn_is_a_warning(
    tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: Any) -> None:
        assert Path("runs/tiny/one/result.json").is_file()
        raise RuntimeError("no fonts")

    monkeypatch.setattr(experiment, "draw_curves", draw)
    answer = cnncli("train", tiny, "logging.pictures=true", "--name", "tiny/one", "--json")
    assert answer.code == 0, answer.err
    assert "warning: runs/tiny/one/curves.png cannot be drawn (no fonts)" in answer.err


def test_the_monitored_metric_and_its_value_are_in_the_result(tiny: Path) -> None:
    result = train(tiny, "one", "checkpoint.monitor=val/loss")
    monitor = {"metric": "val/loss", "mode": "min", "value": result["metrics"]["val"]["loss"]}
    assert result["monitor"] == monitor


def test_calibration_is_fitted_for_the_epochs_that_are_kept_only(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = Classification.calibrate

    def counted(self: Classification, meter: Any) -> None:
        calls.append(None)
        original(self, meter)

    monkeypatch.setattr(Classification, "calibrate", counted)
    lines = ["train.epochs=6", "optimizer.lr=1e-9", "checkpoint.monitor=val/accuracy", "checkpoint.mode=min"]
    result = train(tiny, "one", *lines)
    kept = {1, 6} if result["best_epoch"] == 1 else {1, result["best_epoch"], 6}
    assert len(calls) < 6
    assert len(calls) >= len(kept)
    assert load_checkpoint(Path(result["best"])).calibration["samples"] > 0
    assert load_checkpoint(Path(result["last"])).calibration["samples"] > 0


def test_loaders_of_another_device_or_seed_are_other_loaders(tiny: Path) -> None:
    config = load(tiny).config
    data: DataBundle = build_data(config.dataset, Display(quiet=True).track)
    cpu, meta = torch.device("cpu"), torch.device("meta")
    one = data.loader("train", cpu, training=True, seed=1)
    assert data.loader("train", cpu, training=True, seed=1) is one
    assert data.loader("train", cpu, training=True, seed=2) is not one
    assert data.loader("train", meta, training=True, seed=1) is not one


FINETUNE = """\
dataset: {name: image_folder, root: photos, normalize: imagenet}
model: resnet18
finetune: {pretrained: resnet18}
"""


def test_a_config_with_model_and_statistics_is_completed_all_the_same(write_config: Callable[..., Path]) -> None:
    path = write_config(FINETUNE)
    config = load_config(path).config
    assert config.dataset.args["resize"] == 256, "what the weights were trained on"
    assert config.finetune is not None
    assert config.finetune.completed
    with pytest.raises(ConfigError, match="is resnet34, the weights are of resnet18"):
        load_config(write_config(FINETUNE.replace("model: resnet18", "model: resnet34")))


def test_a_completed_config_stays_as_it_is_unless_its_start_is_changed(write_config: Callable[..., Path]) -> None:
    text = FINETUNE.replace("pretrained: resnet18", "pretrained: runs/gone/best.pt, completed: true")
    config = load_config(write_config(text)).config
    assert config.dataset.args["resize"] is None
    with pytest.raises(ConfigError, match="is resnet18, the weights are of resnet50"):
        load_config(write_config(text), ["finetune.pretrained=resnet50"])


def test_a_run_of_an_older_format_is_not_resumed(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one")

    def older(content: dict[str, Any]) -> None:
        content |= {"format": 1, "cnncli": "0.0.9", "decoding": content.pop("calibration")}

    rewrite(Path("runs/tiny/one/last.pt"), older)
    answer = cnncli("train", tiny, "--resume", "runs/tiny/one")
    assert answer.code == 4
    assert "written by cnncli 0.0.9 (format 1)" in answer.err
    assert "start_from=runs/tiny/one/best.pt" in answer.err
    assert cnncli("eval", "--ckpt", "runs/tiny/one/last.pt").code == 0
    assert_same_weights("runs/tiny/one/last.pt", "runs/tiny/one/last.pt")
