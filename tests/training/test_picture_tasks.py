"""Tasks on pictures that are more than a class each, from the table to the answers."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cnncli.inference.predictor import load_predictor
from cnncli.runs.checkpoint import load_checkpoint
from tests.conftest import Answer

Cli = Callable[..., Answer]
COMMON = """\
dataset: {name: image_csv, file: list.csv, split_column: part, image_size: 8, batch_size: 8, val_fraction: 0.2%s}
model: {name: mlp, hidden: [16]}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 12, ema_decay: 0.8}
checkpoint: {every: 1}
logging: {tensorboard: false}
"""


def timeless(run: str) -> list[dict[str, Any]]:
    """metrics.jsonl without the times, which differ from run to run."""
    lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    timing = ("train_seconds", "eval_seconds", "samples_per_second")
    return [{key: value for key, value in line.items() if key not in timing} for line in lines]


def assert_resumed_like_whole(cnncli: Cli, config: Path, stop: str) -> None:
    """A run that is taken up at an earlier checkpoint ends as it did before, bit for bit."""
    for name in ("twin/whole", "twin/part"):
        assert cnncli("train", config, "--name", name).code == 0
    answer = cnncli("train", "--resume", f"runs/twin/part/{stop}")
    assert answer.code == 0, answer.err
    whole, part = (load_checkpoint(Path(f"runs/twin/{name}/best.pt")) for name in ("whole", "part"))
    assert whole.calibration == part.calibration
    assert all(torch.equal(whole.weights[name], part.weights[name]) for name in whole.weights)
    assert timeless("runs/twin/whole") == timeless("runs/twin/part")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def brightness(tmp_path: Path, write_config: Callable[..., Path]) -> Path:
    """Pictures whose red and green levels are the numbers to learn, in units of their own; 60 train, 20 test."""
    lines = ["path,red,green,part"]
    for i in range(80):
        red, green = (37 * i) % 200, (91 * i) % 200
        Image.new("RGB", (10, 8), (red, green, 50)).save(tmp_path / f"{i:02d}.png")
        lines.append(f"{i:02d}.png,{1000 + red},{green / 1000},{'test' if i % 4 == 0 else 'train'}")
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    return write_config(COMMON % ", label: [red, green]" + "task: regression\n")


def test_numbers_are_learned_from_pictures_and_answered_in_their_own_unit(cnncli: Cli, brightness: Path) -> None:
    answer = cnncli("train", brightness, "train.epochs=40", "--name", "levels/one", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["metrics"]["test"]["r2"] > 0.95
    assert answer.json["baseline"]["r2"] < 0.1
    run = Path("runs/levels/one")
    assert all((run / name).stat().st_size > 1000 for name in ("result.png", "samples.png", "curves.png"))

    evaluated = cnncli("eval", "--ckpt", run, "--json").json
    assert evaluated["metrics"]["test"] == answer.json["metrics"]["test"]
    assert evaluated["points"]["target"] == "red"
    averaged = cnncli("eval", "--ckpt", run, "--tta", "--json").json["metrics"]["test"]
    assert averaged["rmse"] == pytest.approx(evaluated["metrics"]["test"]["rmse"], rel=1e-3), (
        "flat pictures: same views"
    )

    truth = {row["path"]: row for row in rows(Path("list.csv").read_text()) if row["part"] == "test"}
    found = rows(cnncli("predict", "--ckpt", run, *truth, "--format", "csv").out)
    assert list(found[0]) == ["path", "prediction_red", "prediction_green"]
    errors = [float(row["prediction_red"]) - float(truth[row["path"]]["red"]) for row in found]
    errors += [float(row["prediction_green"]) - float(truth[row["path"]]["green"]) for row in found]
    assert (sum(e * e for e in errors) / len(errors)) ** 0.5 == pytest.approx(
        evaluated["metrics"]["test"]["rmse"], rel=1e-3
    )
    as_json = cnncli("predict", "--ckpt", run, "00.png", "--format", "json").json
    assert set(as_json["predictions"][0]) == {"path", "prediction_red", "prediction_green"}
    assert "prediction_red" in cnncli("predict", "--ckpt", run, "00.png").out


def test_one_number_is_called_prediction(cnncli: Cli, brightness: Path) -> None:
    assert cnncli("train", brightness, "dataset.label=green", "--name", "levels/green").code == 0
    (found,) = rows(cnncli("predict", "--ckpt", "runs/levels/green", "01.png", "--format", "csv").out)
    assert list(found) == ["path", "prediction"]
    assert 0 <= float(found["prediction"]) <= 0.2


def test_a_resumed_regression_on_pictures_ends_like_a_whole_one(cnncli: Cli, brightness: Path) -> None:
    assert_resumed_like_whole(cnncli, brightness, "epoch-2.pt")


def test_shares_of_numbers_are_refused(cnncli: Cli, brightness: Path) -> None:
    answer = cnncli("train", brightness, "dataset.augment=[mixup]")
    assert answer.code == 2
    assert "mixup gives every sample shares of classes, which regression with mse cannot take" in answer.err


def test_the_scale_of_numbers_comes_back_from_the_checkpoint(cnncli: Cli, brightness: Path) -> None:
    assert cnncli("train", brightness, "train.epochs=1", "--name", "levels/short").code == 0
    predictor = load_predictor(Path("runs/levels/short"))
    numbers = predictor.spec.numbers
    assert numbers is not None
    assert numbers.names == ("red", "green")
    assert 1000 < numbers.mean[0] < 1200
    assert 0 < numbers.mean[1] < 0.2
