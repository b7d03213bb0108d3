"""Advice about pictures names the key that was set, and helps when it is followed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.runs.checkpoint import load_checkpoint
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
CONFIG = "dataset: {name: image_folder, root: set, image_size: 16, batch_size: 4}\nmodel: simple_cnn\ndevice: cpu\n"
NO_VALIDATION = ["dataset.val_fraction=0", "checkpoint.monitor=train/loss"]


@pytest.mark.parametrize(
    ("each", "given", "said", "followed"),
    [
        (1, [], "set dataset.val_fraction: 0 and checkpoint.monitor: train/loss", NO_VALIDATION),
        (1, ["dataset.test_fraction=0.3"], "dataset.test_fraction: 0, dataset.val_fraction: 0 and",
         ["dataset.test_fraction=0", *NO_VALIDATION]),
        (2, ["dataset.test_fraction=0.3"], "add more, set dataset.test_fraction: 0, or set dataset.val_fraction: 0 and "
         "checkpoint.monitor: train/loss", ["dataset.test_fraction=0"]),
        (2, ["dataset.test_fraction=0.3"], "set dataset.val_fraction: 0 and checkpoint.monitor: train/loss",
         ["dataset.test_fraction=0.3", *NO_VALIDATION]),
        (3, ["dataset.test_fraction=0.6"], "add more, lower dataset.test_fraction, set dataset.test_fraction: 0, or",
         ["dataset.test_fraction=0.3"]),
    ],
)  # fmt: skip
def test_a_fraction_that_leaves_nothing_is_named(
    tmp_path: Path, cnncli: Cli, each: int, given: list[str], said: str, followed: list[str]
) -> None:
    make_pictures(tmp_path / "set", {"a": each, "b": each})
    (tmp_path / "c.yaml").write_text(CONFIG)
    answer = cnncli("train", "c.yaml", *given, "--dry-run")
    assert answer.code == 3
    assert said in answer.err
    helped = cnncli("train", "c.yaml", *followed, "--dry-run")
    assert helped.code == 0, helped.err


@pytest.mark.parametrize(
    ("each", "given", "said", "followed"),
    [
        (2, ["dataset.test_fraction=0.3"], "set dataset.test_fraction: 0 and dataset.val_fraction above 0",
         ["dataset.test_fraction=0", "dataset.val_fraction=0.3"]),
        (3, ["dataset.test_fraction=0.3"], "set dataset.val_fraction above 0",
         ["dataset.test_fraction=0.3", "dataset.val_fraction=0.3"]),
        (2, [], "set dataset.val_fraction above 0", ["dataset.val_fraction=0.3"]),
        (1, [], "add more, of which some can be split off", NO_VALIDATION),
    ],
)  # fmt: skip
def test_without_validation_no_advice_leads_into_another_error(
    tmp_path: Path, cnncli: Cli, each: int, given: list[str], said: str, followed: list[str]
) -> None:
    make_pictures(tmp_path / "set", {"a": each, "b": each})
    (tmp_path / "c.yaml").write_text(CONFIG + "train: {epochs: 1}\n")
    answer = cnncli("train", "c.yaml", *given, "dataset.val_fraction=0")
    assert answer.code == 2
    assert f"{said}, or set checkpoint.monitor: train/loss" in answer.err
    for words in ([*given, *NO_VALIDATION], followed):
        helped = cnncli("train", "c.yaml", *words)
        assert helped.code == 0, helped.err


@pytest.mark.parametrize(("learned", "asked"), [(1, 3), (3, 1)])
def test_another_number_of_channels_than_the_checkpoint_has_names_both(
    tmp_path: Path, cnncli: Cli, learned: int, asked: int
) -> None:
    make_pictures(tmp_path / "set", {"a": 8, "b": 8})
    (tmp_path / "c.yaml").write_text(CONFIG + "train: {epochs: 1}\n")
    assert cnncli("train", "c.yaml", f"dataset.channels={learned}", "--name", "a/1").code == 0
    tune = ["finetune", "--from", "runs/a/1/best.pt", "--data", "set", "--strategy", "head", "--dry-run"]
    answer = cnncli(*tune, f"dataset.channels={asked}")
    assert answer.code == 2
    assert f"dataset.channels: is {asked}, the network of runs/a/1/best.pt has learned from {learned}" in answer.err
    assert "normalize" not in answer.err
    assert cnncli(*tune, f"dataset.channels={learned}").code == 0
    assert cnncli(*tune).code == 0


def test_a_run_whose_pictures_are_all_others_is_told_how_to_judge_them(tmp_path: Path, cnncli: Cli) -> None:
    make_pictures(tmp_path / "set", {"a": 8, "b": 8})
    make_pictures(tmp_path / "new" / "test", {"a": 4, "b": 4}, seed=1)
    for path in sorted((tmp_path / "new").rglob("*.png")):
        path.rename(path.with_name(f"new_{path.name}"))
    (tmp_path / "c.yaml").write_text(CONFIG + "train: {epochs: 1}\n")
    assert cnncli("train", "c.yaml", "--name", "a/1").code == 0
    evaluate = ["eval", "--ckpt", "runs/a/1/best.pt"]
    for root in ("new", "new/test"):
        answer = cnncli(*evaluate, "--split", "val", f"dataset.root={root}")
        assert answer.code == 3
        assert "cnncli eval --ckpt runs/a/1/best.pt --data PLACE" in answer.err, answer.err
        assert cnncli(*evaluate, "--data", root).code == 0


def test_a_split_whose_training_pictures_are_gone_is_judged(tmp_path: Path, cnncli: Cli) -> None:
    make_pictures(tmp_path / "set", {"a": 8, "b": 8})
    (tmp_path / "c.yaml").write_text(CONFIG + "train: {epochs: 1}\n")
    assert cnncli("train", "c.yaml", "--name", "a/1", "dataset.test_fraction=0.25").code == 0
    evaluate = ["eval", "--ckpt", "runs/a/1/best.pt", "--json"]
    before = json.loads(cnncli(*evaluate).out)
    members = load_checkpoint(Path("runs/a/1/best.pt")).members
    assert members is not None
    for row in members.of("train"):
        (tmp_path / "set" / members.names[row]).unlink()
    answer = cnncli(*evaluate)
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["metrics"] == before["metrics"]
    assert f"{len(members.of('train'))} pictures that the run knew are gone" in answer.err


FLAT = (
    "dataset: {name: image_folder, root: set, batch_size: 4}\ndevice: cpu\ntrain: {epochs: 1}\n"
    "model: {name: layers, layers: [flatten, {name: linear, features: 8}, relu, linear]}\n"
)
TUNE = ["finetune", "--from", "runs/a/1", "--data", "set"]
START = ["train", "c.yaml", "train.start_from=runs/a/1"]


@pytest.mark.parametrize("command", [TUNE, START])
@pytest.mark.parametrize(
    ("learned", "asked", "advised"),
    [
        ("16", ["dataset.image_size=24"], ["dataset.image_size=16"]),
        ("[16, 12]", ["dataset.image_size=24"], ["dataset.image_size=[16, 12]"]),
        ("24", ["dataset.image_size=16", "dataset.resize=20"], ["dataset.image_size=24"]),
    ],
)
def test_another_size_than_a_network_of_one_size_takes_names_the_key(
    tmp_path: Path, cnncli: Cli, command: list[str], learned: str, asked: list[str], advised: list[str]
) -> None:
    make_pictures(tmp_path / "set", {"a": 8, "b": 8})
    (tmp_path / "c.yaml").write_text(FLAT)
    assert cnncli("train", "c.yaml", f"dataset.image_size={learned}", "--name", "a/1").code == 0
    answer = cnncli(*command, *asked, "--dry-run")
    assert answer.code == 2
    value = advised[0].partition("=")[2]
    assert "dataset.image_size: the pictures are " in answer.err
    assert f"; set it to {value}" in answer.err
    assert (", and leave out dataset.resize" in answer.err) == (len(asked) > 1)
    helped = cnncli(*command, *advised, "--dry-run")
    assert helped.code == 0, helped.err


def test_a_network_of_other_layers_is_not_taken_for_one_of_another_size(tmp_path: Path, cnncli: Cli) -> None:
    make_pictures(tmp_path / "set", {"a": 8, "b": 8})
    (tmp_path / "c.yaml").write_text(FLAT)
    assert cnncli("train", "c.yaml", "dataset.image_size=16", "--name", "a/1").code == 0
    answer = cnncli(*START, "dataset.image_size=24", "model=mlp", "--dry-run")
    assert answer.code == 4
    assert "image_size" not in answer.err
