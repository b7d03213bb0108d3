"""What ``list`` shows: own networks first, sizes, a search in all, and tables that fit 80 columns."""

import json
import re
from collections.abc import Callable

import pytest
import torchvision
from torch import nn

from cnncli.config.catalog import describe_components, fill_registries
from cnncli.config.recall import versions
from cnncli.config.shipped import SIGNATURES_FILE
from cnncli.core.registry import models
from cnncli.models.inspect import count_parameters
from cnncli.training.known import STATED, known
from tests.conftest import Answer

Cli = Callable[..., Answer]


def names(answer: Answer, kind: str = "models") -> list[str]:
    assert answer.code == 0, answer.err
    return [entry["name"] for entry in answer.json[kind]]


def test_defaults_with_very_many_digits_are_shortened(cnncli: Cli) -> None:
    found = cnncli("list").out
    assert "0.111" in found
    assert not re.search(r"\d\.\d{12}", found)


def test_own_networks_come_first_with_their_sizes(cnncli: Cli) -> None:
    found = cnncli("list", "models", "--json").json["models"]
    libraries = [entry["library"] for entry in found]
    assert libraries == sorted(libraries, key=lambda library: library != "cnncli")
    assert set(libraries) == {"cnncli", "torchvision"}
    by_name = {entry["name"]: entry for entry in found}
    assert by_name["linear"]["parameters"] == 3 * 32 * 32 * 10 + 10
    assert by_name["resnet18"]["parameters"] == 11_689_512
    assert (by_name["inception_v3"]["input"], by_name["inception_v3"]["smallest"]) == ("3×299×299", "75×75")
    without = {name for name, entry in by_name.items() if "parameters" not in entry}
    assert without == {"layers", "timm", "conv1d"}
    order = [entry["name"] for entry in found if entry["name"].startswith("resnet")]
    assert order[:3] == ["resnet8", "resnet14", "resnet20"], "numbers are in their order"


def test_a_search_finds_names_and_descriptions_in_all_libraries(cnncli: Cli) -> None:
    found = names(cnncli("list", "models", "ResNet", "--json"))
    assert found[0] == "resnet8"
    assert {"resnet18", "wide_resnet50_2"} <= set(found)
    assert names(cnncli("list", "models", "MobileNet", "--json"))[0] == "depthwise_cnn", "by its description"
    assert names(cnncli("list", "optimizers", "kingma", "--json"), "optimizers") == ["adam", "adamax"]
    assert names(cnncli("list", "configs", "digits", "--json"), "configs")[0] == "digits"


def test_nothing_found_is_said_with_the_nearest_name(cnncli: Cli) -> None:
    wrong = cnncli("list", "models", "resnett18")
    assert (wrong.code, wrong.err) == (
        2,
        "error: there is nothing with 'resnett18' among the models; did you mean 'resnet18'?\n",
    )
    helped = cnncli("list", "models", "resnet18", "--json")
    assert names(helped) == ["resnet18"]
    assert cnncli("list", "configs", "xyzzy").code == 2


def test_timms_networks_are_shown_when_asked_for(cnncli: Cli) -> None:
    pytest.importorskip("timm")
    told = cnncli("list", "models", "lenet")
    assert told.err == "timm's networks: cnncli list models timm/lenet\n"
    found = cnncli("list", "models", "timm/resnet18", "--json").json["models"]
    assert {"timm/resnet18", "timm/resnet18d"} <= {entry["name"] for entry in found}
    assert all("resnet18" in entry["name"] and entry["input"] == "3×224×224" for entry in found)
    assert cnncli("list", "models", "timm/xyzzy").code == 2


def test_own_sizes_are_those_of_the_stated_input() -> None:
    fill_registries()
    found = {entry["name"]: entry for entry in describe_components("models")["models"]}
    for name in ("mlp", "simple_cnn", "lstm"):
        network = models.build(name, STATED[found[name]["input"]])
        assert isinstance(network, nn.Module)
        assert found[name]["parameters"] == count_parameters(network)


def test_what_comes_with_cnncli_is_what_is_there() -> None:
    shipped = json.loads(SIGNATURES_FILE.read_text())
    if shipped["versions"] != versions():
        pytest.skip(f"made with other versions than torchvision {torchvision.__version__}")
    assert json.loads(known()) == shipped, "python -m cnncli.training.known"
