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
    of = {baseline["name"]: baseline["r2"] for baseline in answer.json["baselines"]}
    assert of["mean"] < 0.1
    assert next(value for name, value in of.items() if name.startswith("ridge on ")) > 0.9, "means of pixels suffice"
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


@pytest.mark.slow
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


@pytest.fixture
def colours(tmp_path: Path, write_config: Callable[..., Path]) -> Path:
    """Pictures that are red, green, blue, several of them or none: 84 to learn from, 28 to test with."""
    names = ("blue", "green", "red")
    lines = ["path,label,part"]
    for i in range(112):
        there = [i >> bit & 1 for bit in range(3)]
        Image.new("RGB", (10, 8), tuple(40 + (i * 7) % 60 + 120 * flag for flag in reversed(there))).save(
            tmp_path / f"{i:03d}.png"
        )
        labels = "|".join(name for name, flag in zip(names, there, strict=True) if flag)
        lines.append(f"{i:03d}.png,{labels},{'test' if i % 4 == i // 8 % 4 else 'train'}")
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    return write_config(COMMON % "" + "task: multilabel\n")


def test_labels_are_learned_judged_and_answered(cnncli: Cli, colours: Path) -> None:
    answer = cnncli("train", colours, "train.epochs=40", "--name", "colours/one", "--json")
    assert answer.code == 0, answer.err
    found = answer.json["metrics"]
    assert found["test"]["mean_average_precision"] > 0.95
    assert answer.json["headline"] == {"metric": "mean_average_precision", "lower_is_better": False}
    of = {baseline["name"]: baseline["mean_average_precision"] for baseline in answer.json["baselines"]}
    assert of.pop("prevalence of each class") == pytest.approx(0.5, abs=0.05)
    assert [name for name, value in of.items() if value > 0.9] == ["logistic regression on 8×8 pixels"]
    assert set(found["train"]) == {"n", "loss", "micro_f1"}
    run = Path("runs/colours/one")
    assert (run / "samples.png").stat().st_size > 500

    evaluated = cnncli("eval", "--ckpt", run, "--json").json
    assert evaluated["metrics"]["test"] == found["test"]
    table = evaluated["per_class"]
    assert list(table) == ["blue", "green", "red"]
    assert list(table["red"]) == ["precision", "recall", "f1", "average_precision", "threshold", "support"]
    shown = cnncli("eval", "--ckpt", run).out
    assert "average precision" in shown
    assert "exact match" in shown
    averaged = cnncli("eval", "--ckpt", run, "--tta", "--json").json["metrics"]["test"]
    assert averaged == pytest.approx(evaluated["metrics"]["test"], rel=1e-3), (
        "flat pictures look the same in every view"
    )


def test_answers_are_sets_joined_by_a_bar_in_every_form(cnncli: Cli, colours: Path) -> None:
    assert cnncli("train", colours, "--name", "colours/one").code == 0
    run = "runs/colours/one"
    truth = {row["path"]: row for row in rows(Path("list.csv").read_text()) if row["part"] == "test"}
    answers = rows(cnncli("predict", "--ckpt", run, *truth, "--format", "csv").out)
    assert list(answers[0]) == ["path", "prediction", "probability"]
    assert "" in {row["prediction"] for row in answers}
    right = sum(row["prediction"] == truth[row["path"]]["label"] for row in answers) / len(answers)
    assert right == pytest.approx(cnncli("eval", "--ckpt", run, "--json").json["metrics"]["test"]["exact_match"])
    for row in answers:
        assert bool(row["prediction"]) is bool(row["probability"])
    by_path = {row["path"]: row for row in answers}
    for one in cnncli("predict", "--ckpt", run, *truth, "--top-k", 3, "--format", "json").json["predictions"]:
        assert one["prediction"] == by_path[one["path"]]["prediction"]
        chosen = [each["probability"] for each in one["top"] if each["class"] in one["prediction"].split("|")]
        assert one["probability"] == (min(chosen) if chosen else None), "of several the least certain"
        assert [each["probability"] for each in one["top"]] == sorted(
            (each["probability"] for each in one["top"]), reverse=True
        )
    assert "blue|green" in cnncli("predict", "--ckpt", run, *truth).out
    refused = cnncli("predict", "--ckpt", run, *truth, "--max-error", "0.1")
    assert refused.code == 2
    predictor = load_predictor(Path(run))
    samples = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    assert list(predictor.rows(samples)[0]) == [
        "prediction",
        "probability_blue",
        "probability_green",
        "probability_red",
    ]
    assert predictor.probabilities(samples).shape == (2, 3)


def test_thresholds_are_part_of_the_checkpoint_and_one_for_all_can_be_set_anew(cnncli: Cli, colours: Path) -> None:
    assert cnncli("train", colours, "--name", "colours/one").code == 0
    run = Path("runs/colours/one")
    stored = load_checkpoint(run / "best.pt").calibration["thresholds"]
    assert len(stored) == 3
    table = cnncli("eval", "--ckpt", run, "--json").json["per_class"]
    assert [row["threshold"] for row in table.values()] == list(stored)
    anew = cnncli("eval", "--ckpt", run, "task.threshold=0.001", "--json").json["per_class"]
    assert {(row["threshold"], row["recall"]) for row in anew.values()} == {(0.001, 1.0)}
    plain = cnncli("train", colours, "dataset.val_fraction=0", "checkpoint.monitor=train/loss", "--name", "colours/all")
    assert plain.code == 0, plain.err
    table = cnncli("eval", "--ckpt", "runs/colours/all", "--json").json["per_class"]
    assert {row["threshold"] for row in table.values()} == {0.5}, "nothing to choose on"


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["dataset.augment=[mixup]"], ["dataset.augment=[cutmix]"], ["loss=asymmetric"], ["loss=multilabel_soft_margin"],
        ["loss.class_weights=balanced"], ["loss.class_weights={red: 2}"], ["train.accumulate=3"],
    ],
)  # fmt: skip
def test_labels_are_learned_with_every_setting(cnncli: Cli, colours: Path, options: list[str]) -> None:
    answer = cnncli("train", colours, *options, "train.epochs=25", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["metrics"]["test"]["mean_average_precision"] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["epoch-2.pt", "epoch-9.pt"])
def test_a_resumed_run_with_labels_ends_like_a_whole_one(cnncli: Cli, colours: Path, stop: str) -> None:
    with colours.open("a") as file:
        file.write("loss: {name: bce_with_logits, class_weights: balanced}\n")
    colours.write_text(colours.read_text().replace("val_fraction: 0.2", "val_fraction: 0.2, augment: [mixup]"))
    assert_resumed_like_whole(cnncli, colours, stop)


def test_balanced_sampling_is_not_for_sets_of_labels(cnncli: Cli, colours: Path) -> None:
    answer = cnncli("train", colours, "dataset.sampler=balanced")
    assert answer.code == 2
    assert "dataset.sampler: image_csv has no classes to balance; remove it" in answer.err
