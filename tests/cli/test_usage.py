"""A key of a config that is written as an option, or without its section, is answered with the key in full."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer

Cli = Callable[..., Answer]


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["--epochs", "1"], "train.epochs=1"),
        (["--epochs=1"], "train.epochs=1"),
        (["--lr", "0.1"], "optimizer.lr=0.1"),
        (["--learning-rate", "0.1"], "optimizer.lr=0.1"),
        (["--batch-size", "32"], "dataset.batch_size=32"),
        (["--hidden", "[8]"], "model.hidden=[8]"),
        (["--augment", "random_horizontal_flip"], "dataset.augment=[random_horizontal_flip]"),
    ],
)
def test_an_option_that_is_a_key_is_written_as_one_which_helps(
    tiny: Path, cnncli: Cli, words: list[str], written: str
) -> None:
    answer = cnncli("config", tiny, *words)
    assert answer.code == 2
    option = words[0].partition("=")[0]
    assert answer.err == f"error: cnncli config has no option {option}; write {written}\n"
    assert cnncli("config", tiny, answer.err.split(" write ")[1].strip()).code == 0


def test_a_command_is_told_only_keys_that_it_takes(cnncli: Cli) -> None:
    assert "write dataset.batch_size=32" in cnncli("eval", "latest", "--batch-size", "32").err
    for words in (["eval", "latest", "--lr", "1"], ["data", "check", "--epochs", "3"], ["list", "--epochs", "3"]):
        answer = cnncli(*words)
        assert answer.code == 2
        assert "write " not in answer.err
    assert "Possible options: --name" in cnncli("train", "--nmae", "x").err


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("epochs=1", "train.epochs"), ("lr=0.1", "optimizer.lr"), ("batch_size=32", "dataset.batch_size"),
        ("learning_rate=0.1", "optimizer.lr"), ("epoch=1", "train.epochs"), ("train.lr=0.1", "optimizer.lr"),
        ("model.batch_size=32", "dataset.batch_size"), ("hidden=[8]", "model.hidden"),
        ("patience=3", "train.early_stopping.patience"),
        ("monitor=val/loss", "checkpoint.monitor"), ("train.dveice=cpu", "device"), ("optimiser=sgd", "optimizer"),
    ],
)  # fmt: skip
def test_a_key_without_its_section_is_told_in_full_which_helps(tiny: Path, cnncli: Cli, wrong: str, right: str) -> None:
    answer = cnncli("config", tiny, wrong)
    assert answer.code == 2
    assert f": unknown key; did you mean '{right}'?" in answer.err
    assert cnncli("config", tiny, f"{right}={wrong.partition('=')[2]}").code == 0


def test_a_key_at_the_top_of_a_file_is_told_in_full_with_its_line(
    cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    path = write_config("dataset: digits\nmodel: mlp\nepochs: 3\nlr: 0.1\nbatch-size: 3\n")
    answer = cnncli("config", path)
    assert answer.err.splitlines() == [
        f"error: {path}:3: epochs: unknown key; did you mean 'train.epochs'?",
        f"error: {path}:4: lr: unknown key; did you mean 'optimizer.lr'?",
        f"error: {path}:5: batch-size: unknown key; did you mean 'dataset.batch_size'?",
    ]


def test_where_data_lie_is_told_at_the_top_as_well(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    path = write_config("dataset: image_folder\nmodel: mlp\nroot: photos\n")
    assert "root: unknown key; did you mean 'dataset.path'?" in cnncli("config", path).err


def test_where_a_word_can_be_two_keys_both_are_told(cnncli: Cli, tiny: Path) -> None:
    assert "did you mean 'checkpoint.mode' or 'model'?" in cnncli("config", tiny, "mode=max").err
