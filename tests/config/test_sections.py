"""Layers, overrides and checks: every fault at once, each with file, line, key and advice."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cnncli.core.errors import ConfigError
from cnncli.runs.run_folder import config_yaml
from cnncli.training.configs import load_config

Write = Callable[..., Path]
SMALL = "dataset: {name: digits}\nmodel: {name: simple_cnn}\n"


def faults(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return caught.value.lines()


def test_two_lines_are_a_config_and_every_default_is_filled_in(write_config: Write) -> None:
    config = load_config(write_config(SMALL)).config
    assert config.optimizer.name == "adam"
    assert config.optimizer.args["lr"] == 0.001
    assert config.model.args == {"channels": [32, 64], "hidden": 128, "dropout": 0.0, "activation": "relu"}
    assert config.name == "config"


def test_a_name_alone_is_short_for_a_component(write_config: Write) -> None:
    config = load_config(write_config("dataset: digits\nmodel: mlp\n")).config
    assert (config.dataset.name, config.model.name) == ("digits", "mlp")


def test_the_resolved_config_resolves_to_itself(write_config: Write) -> None:
    config = load_config(write_config(SMALL), ["optimizer.lr=1e-5", "dataset.augment=[random_crop]"]).config
    again = load_config(write_config(config_yaml(config), "again.yaml")).config
    assert again == config


def test_overrides_reach_any_depth_and_create_what_is_missing(write_config: Write) -> None:
    path = write_config(SMALL)
    config = load_config(
        path,
        ["train.early_stopping.patience=3", "model.channels=[8, 16]",
         "dataset.augment=[{name: random_crop, padding: 1}]",
         "dataset.augment.0.padding=2", "name=other"],
    ).config  # fmt: skip
    assert config.train.early_stopping is not None
    assert config.train.early_stopping.patience == 3
    assert config.model.args["channels"] == [8, 16]
    assert config.dataset.augment[0].args["padding"] == 2
    assert config.name == "other"


def test_all_faults_come_at_once_with_lines_and_suggestions(write_config: Write) -> None:
    path = write_config(
        "dataset: {name: digits, batch_size: 0}\n"
        "model: {name: simple_cnn, chanels: 32}\n"
        "optmizer: {lr: 1}\n"
        "scheduler: {name: cosinus}\n"
        "train:\n"
        "  epochs: ten\n"
    )
    found = faults(path)
    assert len(found) == 5
    assert found[0].startswith(f"{path}:1: dataset.batch_size: 0 should be greater than or equal to 1")
    assert found[1].startswith(f"{path}:2: model.chanels: unknown key; did you mean 'channels'?")
    assert found[2].startswith(f"{path}:3: optmizer: unknown key; did you mean 'optimizer'?")
    assert found[3].startswith(f"{path}:4: scheduler.name: unknown scheduler 'cosinus'; did you mean 'cosine'?")
    assert found[4].startswith(f"{path}:6: train.epochs: 'ten' should be a valid integer")


def test_an_override_that_is_wrong_is_named(write_config: Write) -> None:
    path = write_config(SMALL + "optimizer: {name: adam, lr: 1e-3}\n")
    lr, modle = faults(path, "optimizer.lr=fast", "modle.name=x")
    assert lr.startswith("command line: optimizer.lr: 'fast'")
    assert lr.endswith(f"(from optimizer.lr=fast, which replaces {path}:3)")
    assert "command line: modle: unknown key; did you mean 'model'?" in modle
    assert f"{path}:2" in modle


def test_an_argument_of_another_form_is_not_called_one_of_another_network(write_config: Write) -> None:
    path = write_config("dataset: {name: digits}\nmodel: {name: lstm, hidden: 32, layers: 2}\n")
    notices = load_config(path, ["model=mlp"]).notices
    assert "model.hidden: 32 is left out, mlp takes another form, for example [128]" in notices
    assert "model.layers: 2 is not for mlp; left out" in notices
    (unknown,) = faults(path, "model=cnn")
    assert "did you mean 'simple_cnn'?" in unknown


def test_a_config_without_pretrained_weights_needs_a_network(write_config: Write) -> None:
    path = write_config("dataset: {name: digits}\nfinetune: {pretrained: resnet18}\n")
    (lacking,) = faults(path, "finetune=null")
    cause = "is missing; name a network (cnncli list models), for example model.name=resnet18"
    assert lacking == f"{path}: model: {cause}"
    (empty,) = faults(path, "finetune.pretrained=null", "model.name=resnet18")
    advice = "is empty; name a network, or train one without pretrained weights: finetune=null model.name=resnet18"
    assert empty.startswith(f"command line: finetune.pretrained: {advice} (from ")
    load_config(path, ["finetune=null", "model.name=resnet18"])


@pytest.mark.parametrize("override", ["lr", "=3", "a b=3", "model.name.x=3", "dataset.augment.5=x", "optimizer..lr=1"])
def test_malformed_overrides_are_usage_errors(write_config: Write, override: str) -> None:
    assert faults(write_config(SMALL + "optimizer: {lr: 1}\n"), override)


@pytest.mark.parametrize(
    "line",
    [
        "seed: -1", "seed: true", "device: gpu", "precision: fp64", "name: ../up", "name: a//b", "name: 'a:b'",
            "name: ''",
        "train: {epochs: 0}", "optimizer: {lr: .nan}", "train: {clip_grad_norm: .inf}",
        "train: {clip_grad_norm: 0}", "train: {ema_decay: 1}", "loss: {label_smoothing: often}",
        "dataset: {name: digits, val_fraction: 1.0}", "train: {epochs: no}", "plugins: x", "extends: [a]",
        "dataset: {name: digits, normalize: {mean: [0.5], std: [0]}}", "model: {name: mlp, activation: rely}",
        "model: {name: mlp, activation: {name: leaky_relu, slope: 1}}", "dataset: [digits]", "train: 3",
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(write_config: Write, line: str) -> None:
    data = yaml.safe_load(SMALL)
    key = line.split(":")[0]
    data.pop(key, None)
    path = write_config(yaml.safe_dump(data) + line + "\n")
    found = faults(path)
    assert len(found) == 1
    assert f"{key}" in found[0]


def test_missing_sections_are_named(write_config: Write) -> None:
    assert "model: is missing" in faults(write_config("dataset: digits\n"))[0]


def test_extends_merges_key_by_key_and_lines_stay_those_of_their_file(write_config: Write) -> None:
    base = write_config(SMALL + "train: {epochs: 7, accumulate: 2}\n", "base.yaml")
    top = write_config("extends: base.yaml\ntrain: {epochs: 9}\nseed: 4\n", "top.yaml")
    config = load_config(top).config
    assert (config.train.epochs, config.train.accumulate, config.seed, config.name) == (9, 2, 4, "top")
    base.write_text(SMALL + "train: {epochs: 7, acumulate: 2}\n")
    assert faults(top)[0].startswith(f"{base}:3: train.acumulate: unknown key; did you mean 'accumulate'?")


def test_extends_in_a_circle_or_of_nothing_is_refused(write_config: Write) -> None:
    write_config("extends: b.yaml\n", "a.yaml")
    path = write_config("extends: a.yaml\n", "b.yaml")
    assert "circle" in faults(path)[0]
    assert "no such file" in faults(write_config("extends: nothing.yaml\n", "c.yaml"))[0]


def test_a_replaced_component_keeps_what_it_can_use_and_says_what_it_cannot(write_config: Write) -> None:
    path = write_config(
        "dataset: {name: digits, batch_size: 32}\n"
        "model: {name: simple_cnn, channels: [8], hidden: 64}\n"
        "optimizer: {name: adam, lr: 0.5, amsgrad: true}\n"
    )
    loaded = load_config(path, ["model.name=mlp", "optimizer.name=sgd"])
    assert loaded.config.model.args["hidden"] == [128]
    assert loaded.config.optimizer.args["lr"] == 0.5
    assert "amsgrad" not in loaded.config.optimizer.args
    assert len(loaded.notices) == 3
    # but an argument given together with the new name is checked
    assert "unknown key" in faults(path, "model.name=mlp", "model.chanels=3")[0]


def test_the_config_cannot_be_changed_after_loading(write_config: Write) -> None:
    config = load_config(write_config(SMALL)).config
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3  # type: ignore[misc]


def test_a_typo_beside_a_replaced_name_is_still_a_fault(write_config: Write) -> None:
    path = write_config("dataset: digits\nmodel: {name: simple_cnn, chanels: [8]}\n")
    with pytest.raises(ConfigError, match=r"model\.chanels: unknown key"):
        load_config(path, ["model.name=simple_cnn"])
    with pytest.raises(ConfigError, match=r"model\.chanels: unknown key"):
        load_config(path, ["model.name=mlp"])


@pytest.mark.parametrize("override", ["model.hidden.²=5", "модель.name=mlp", "model.name=\ud800"])
def test_overrides_of_strange_characters_are_usage_errors(write_config: Write, override: str) -> None:
    with pytest.raises(ConfigError):
        load_config(write_config("dataset: digits\nmodel: {name: mlp, hidden: [3]}\n"), [override])


@pytest.mark.parametrize("value", [0, -4, 5000, 10**9])
def test_picture_sizes_stay_within_reason(write_config: Write, value: int) -> None:
    path = write_config(f"dataset: {{name: image_folder, root: x, image_size: {value}}}\nmodel: mlp\n")
    with pytest.raises(ConfigError, match="image_size"):
        load_config(path)
