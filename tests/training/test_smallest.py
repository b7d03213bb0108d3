"""Pictures that are too small for a network: the smallest size that fits is named, and the advice works."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError
from cnncli.core.spec import DataSpec, Pictures
from cnncli.training.network import build_model
from cnncli.training.smallest import fits, smallest_size
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
fill_registries()


def config_of(model: str) -> Config:
    return Config.model_validate({"dataset": {"name": "digits"}, "model": {"name": model}})


def spec_of(*shape: int) -> DataSpec:
    return DataSpec(shape, ("a", "b"), Pictures((0.0,) * shape[0], (1.0,) * shape[0]))


@pytest.mark.parametrize("model", ["lenet5", "cifar_net", "airbench"])
def test_the_smallest_size_fits_and_one_less_does_not(model: str) -> None:
    found = smallest_size(config_of(model), spec_of(3, 4, 4))
    assert found is not None
    build_model(config_of(model), spec_of(3, *found))
    with pytest.raises(ConfigError, match=f"{model} needs pictures of {found[0]}×{found[1]} or more"):
        build_model(config_of(model), spec_of(3, found[0] - 1, found[1] - 1))


@pytest.mark.parametrize(("model", "side"), [("alexnet", 63), ("vit_b_16", 16), ("squeezenet1_0", 21)])
def test_networks_of_torchvision_are_tried_without_computing_anything(model: str, side: int) -> None:
    assert smallest_size(config_of(model), spec_of(3, 4, 4)) == (side, side)


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 2, 5), (3, 8, 8)])
def test_every_network_of_its_own_takes_tiny_pictures_or_says_the_size_that_fits(shape: tuple[int, int, int]) -> None:
    for model in ("simple_cnn", "cnn5x5", "cifar_net", "lenet5", "depthwise_cnn", "resnet20", "airbench", "mlp"):
        if fits(model, {}, spec_of(*shape)):
            continue
        with pytest.raises(ConfigError) as error:
            build_model(config_of(model), spec_of(*shape))
        wanted = re.search(r"needs pictures of (\d+)×(\d+) or more", str(error.value))
        assert wanted, error.value
        assert fits(model, {}, spec_of(shape[0], int(wanted[1]), int(wanted[2])))


@pytest.mark.parametrize("sizes", ["image_size: 8", "image_size: [8, 10], resize: 11"])
def test_the_advice_about_pictures_in_files_works(cnncli: Cli, write_config: Callable[..., Path], sizes: str) -> None:
    make_pictures(Path("photos"), {"a": 10, "b": 10})
    path = write_config(f"dataset: {{name: image_folder, path: photos, {sizes}}}\nmodel: lenet5\n")
    answer = cnncli("train", path, "--dry-run")
    assert answer.code == 2
    assert f"{path}:1: dataset.image_size: lenet5 needs pictures of 12×12 or more" in answer.err
    advice = answer.err.rpartition("; set ")[2].split(" (")[0].split()
    assert cnncli("train", path, "--dry-run", *advice).code == 0


@pytest.mark.parametrize("model", ["lenet5", "alexnet"])
def test_the_advice_about_pictures_of_a_fixed_size_works(cnncli: Cli, tiny: Path, model: str) -> None:
    answer = cnncli("train", tiny, f"model={model}", "--dry-run")
    assert answer.code == 2
    assert "and those of digits are 8×8; use another model, for example model=simple_cnn" in answer.err
    assert cnncli("train", tiny, "model=simple_cnn", "--dry-run").code == 0


def test_all_26_letters_at_once_are_told_their_task(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    path = write_config("dataset: {name: letters5x5, letter: null}\nmodel: {name: mlp, hidden: [8]}\n")
    answer = cnncli("train", path, "--dry-run")
    assert answer.code == 2
    assert "binary is for two classes, the data have 26; set task: classification" in answer.err
    assert cnncli("train", path, "--dry-run", "task=classification").code == 0
