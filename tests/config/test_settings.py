"""What was set: all that is no default, and what is always told, as it would be written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.config.settings import what_was_set
from cnncli.config.shipped import shipped_configs
from cnncli.training.configs import load_config

DIGITS = "dataset: {name: digits}\nmodel: {name: mlp}\n"


def settings(write: Callable[..., Path], *overrides: str) -> dict[str, str]:
    return what_was_set(load_config(write(DIGITS), overrides).config)


ALWAYS_TOLD = {
    "dataset.batch_size": "64", "model.dropout": "0.0", "optimizer.name": "adam", "optimizer.lr": "0.001",
    "optimizer.weight_decay": "0.0", "scheduler.name": "constant", "train.epochs": "10", "seed": "0",
}  # fmt: skip


def test_defaults_are_left_out_but_for_what_is_always_told(write_config: Callable[..., Path]) -> None:
    assert settings(write_config) == {"dataset.name": "digits", "model.name": "mlp"} | ALWAYS_TOLD
    same = ("optimizer.lr=0.001", "optimizer.name=adam", "loss.name=cross_entropy", "train.epochs=10", "precision=fp32")
    assert settings(write_config, *same) == settings(write_config)


def test_values_are_text_as_they_are_written(write_config: Callable[..., Path]) -> None:
    found = settings(
        write_config, "seed=7", "model.hidden=[64, 128]", "dataset.batch_size=128", "optimizer={name: sgd, lr: 0.002}",
        "train={epochs: 3, ema_decay: 0.9, early_stopping: {patience: 2}}", "scheduler=cosine", "precision=bf16",
        "dataset.augment=[{name: random_crop, padding: 1}]", "dataset.memory=never", "dataset.workers=1",
    )  # fmt: skip
    del found["dataset.augment"]
    assert found == ALWAYS_TOLD | {
        "dataset.name": "digits", "dataset.batch_size": "128", "model.name": "mlp", "model.hidden": "[64, 128]",
        "optimizer.name": "sgd", "optimizer.lr": "0.002", "scheduler.name": "cosine", "train.epochs": "3",
        "train.ema_decay": "0.9", "train.early_stopping.patience": "2", "precision": "bf16", "seed": "7",
    }  # fmt: skip


def test_where_data_lie_is_no_setting(write_config: Callable[..., Path]) -> None:
    path = write_config("dataset: {name: csv, path: a.csv, target: y}\nmodel: mlp\n")
    found = what_was_set(load_config(path).config)
    assert {key: value for key, value in found.items() if key.startswith("dataset.")} == {
        "dataset.name": "csv", "dataset.target": "y", "dataset.batch_size": "64"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["classification/iris", "regression/diabetes", "binary/breast-cancer"])
def test_a_task_that_follows_from_the_data_is_not_set(name: str) -> None:
    found = what_was_set(load_config(shipped_configs()[name]).config)
    assert not {"task.name", "loss.name"} & set(found)
    assert {"dataset.name", "model.name", "seed"} <= set(found)
