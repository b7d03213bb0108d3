"""What a run leaves in TensorBoard: one entry with all that was asked for, and nothing that changes the run."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from cnncli.runs.checkpoint import load_checkpoint
from cnncli.runs.tensorboard import CARD
from cnncli.training import board as shown
from cnncli.training.board import is_counted
from tests.conftest import Answer
from tests.training.helpers import load, train

Cli = Callable[..., Answer]
ON = ("logging.tensorboard=true", "logging.samples=true", "logging.steps=4")


def read(folder: Path) -> EventAccumulator:
    kept = {"tensors": 0, "histograms": 0, "images": 0, "scalars": 0}
    return EventAccumulator(str(folder), size_guidance=kept).Reload()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with all that is on by default."""
    from cnncli.cli.app import run as command

    place = tmp_path_factory.mktemp("board")
    words = ["dataset={name: digits, batch_size: 128}", "model={name: simple_cnn, channels: [4, 8]}", "train.epochs=2"]
    (place / "net.yaml").write_text("dataset: digits\nmodel: mlp\nname: net\n")
    code = command(["train", str(place / "net.yaml"), "--runs-dir", str(place / "runs"), "--name", "net/one",
                    *words, "optimizer.lr=0.002", "seed=3", "logging.steps=4", "logging.pictures=false"])  # fmt: skip
    assert code == 0
    return place / "runs" / "net" / "one"


def test_one_run_is_one_entry(run: Path) -> None:
    assert {path.parent for path in run.parent.rglob("events*")} == {run}


def test_scalars_of_epochs_and_of_steps(run: Path) -> None:
    events = read(run)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for tag in ("train/loss", "val/loss", "train/accuracy", "val/accuracy"):
        assert [(event.step, event.value) for event in events.Scalars(tag)] == [
            (line["epoch"], pytest.approx(line[tag])) for line in lines
        ]
    assert [event.value for event in events.Scalars("val/baseline/accuracy")] == [
        pytest.approx(line["baseline/accuracy"]) for line in lines
    ]
    for tag in ("loss", "gradient_norm", "lr"):
        found = events.Scalars(f"train/step/{tag}")
        assert [event.step for event in found] == [1, 5, 9, 13, 17, 21]
        assert all(event.value > 0 for event in found)
    assert "custom_scalars__config__" in events.Tags()["tensors"]


def test_what_was_set_and_the_final_metrics(run: Path) -> None:
    events, result = read(run), json.loads((run / "result.json").read_text())
    assert events.Scalars("final/1_test_accuracy")[0].value == pytest.approx(result["metrics"]["test"]["accuracy"])
    assert events.Scalars("final/2_val_accuracy")[0].step == result["best_epoch"]
    data = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(data).session_start_info
    assert {name: value.string_value for name, value in start.hparams.items()} == {
        "dataset.name": "digits", "dataset.batch_size": "128", "model.name": "simple_cnn", "model.channels": "[4, 8]",
        "model.dropout": "0.0", "optimizer.name": "adam", "optimizer.lr": "0.002", "optimizer.weight_decay": "0.0",
        "scheduler.name": "constant", "train.epochs": "2", "seed": "3",
    }  # fmt: skip
    assert "_hparams_/session_end_info" in events.summary_metadata
    assert "_hparams_/experiment" not in events.summary_metadata, "one run's would be taken for all"


def test_graph_and_histograms(run: Path) -> None:
    events = read(run)
    tags = set(events.Tags()["histograms"])
    assert {"values_of_weights/0.weight", "values_of_gradients/0.weight", "values_of_activations/0_Conv2d"} <= tags
    weights = load_checkpoint(run / "last.pt").weights["0.weight"]
    first, last = events.Histograms("values_of_weights/0.weight")
    assert (first.step, last.step) == (1, 2)
    assert last.histogram_value.num == weights.numel()
    assert last.histogram_value.sum == pytest.approx(weights.sum().item(), abs=1e-5)
    assert events.Histograms("values_of_activations/9_Linear")[0].histogram_value.num == 32 * 10
    names = [node.name for node in events.Graph().node]
    assert "Conv2d[0]/conv2d" in names
    assert events.Tags()["images"][0] == "train_pictures/samples"


def test_pictures_are_as_wide_as_they_are_shown(run: Path) -> None:
    events = read(run)
    shown = {tag: events.Images(tag)[0] for tag in events.Tags()["images"]}
    assert set(shown) == {"train_pictures/samples", "val_pictures/mistakes", "val_pictures/confusion"}
    assert {picture.width for picture in shown.values()} == {CARD}, "a wider one is shrunk so that no letter is legible"
    with PIL.Image.open(run / "samples.png") as file:
        assert file.width > CARD, "the file is as large as before"


def test_how_often_histograms_are_made(tiny: Path) -> None:
    def epochs(times: int, of: int) -> list[int]:
        config = load(tiny, f"train.epochs={of}", f"logging.histograms={times}").config
        return [epoch for epoch in range(1, of + 1) if is_counted(config, epoch)]

    assert epochs(10, 3) == [1, 2, 3]
    assert epochs(2, 10) == [5, 10]
    assert epochs(4, 10) == [1, 4, 7, 10]
    assert epochs(0, 10) == []


def test_logging_changes_no_weight(tiny: Path) -> None:
    cut = "train={epochs: 2, clip_grad_norm: 0.5, ema_decay: 0.9}"
    quiet = train(tiny, "quiet", cut, "model={name: simple_cnn, channels: [4, 8], dropout: 0.5}")
    told = train(tiny, "told", cut, "model={name: simple_cnn, channels: [4, 8], dropout: 0.5}", *ON)
    weights = [load_checkpoint(Path(result["last"])).weights for result in (quiet, told)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert quiet["metrics"] == told["metrics"]


def test_the_norm_is_that_before_the_gradients_are_cut(tiny: Path) -> None:
    train(tiny, "free", *ON, "logging.steps=1")
    train(tiny, "cut", *ON, "logging.steps=1", "train.clip_grad_norm=0.01")
    norms = [read(Path("runs/tiny") / name).Scalars("train/step/gradient_norm")[0].value for name in ("free", "cut")]
    assert norms[0] == norms[1] > 0.01


def test_resuming_makes_no_duplicate_steps(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one", *ON, "checkpoint.every=1", "train.epochs=3")
    time.sleep(1.1)  # event files are read in the order of the seconds in their names
    assert cnncli("train", "--resume", "runs/tiny/one/epoch-1.pt").code == 0
    events = read(Path("runs/tiny/one"))
    assert [event.step for event in events.Scalars("val/loss")] == [1, 2, 3]
    assert [event.step for event in events.Scalars("train/step/loss")] == [1, 5, 9, 13, 17, 21, 25, 29, 33]
    assert [event.step for event in events.Histograms("values_of_weights/1.weight")] == [1, 2, 3]
    assert len(events.Scalars("final/1_test_accuracy")) == 1


def test_what_cannot_be_drawn_is_a_warning_and_the_rest_goes_on(
    tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> Any:
        raise RuntimeError("no graph\nat all")

    monkeypatch.setattr(shown, "module_graph", fails)
    monkeypatch.setattr(shown, "_weights", fails)
    answer = cnncli("train", tiny, *ON, "--name", "tiny/one")
    assert answer.code == 0, answer.err
    assert "warning: TensorBoard's graph cannot be drawn (no graph at all); the run goes on without it" in answer.err
    assert answer.err.count("TensorBoard's histograms cannot be drawn") == 1, "told once, though there are two epochs"
    events = read(Path("runs/tiny/one"))
    assert events.Tags()["histograms"] == []
    assert len(events.Scalars("val/loss")) == 2


@pytest.mark.parametrize("key", ["graph=false", "histograms=0", "steps=0", "samples=false"])
def test_each_part_can_be_left_out(key: str, tiny: Path) -> None:
    train(tiny, "one", *ON, f"logging.{key}", "train.epochs=1")
    tags = read(Path("runs/tiny/one")).Tags()
    has = {
        "graph": tags["graph"], "histograms": bool(tags["histograms"]),
        "samples": "train_pictures/samples" in tags["images"],
        "steps": "train/step/loss" in tags["scalars"],
    }  # fmt: skip
    assert {name for name, there in has.items() if not there} == {key.partition("=")[0]}
