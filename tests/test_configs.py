"""Every shipped config: valid, commented, matched by the shipped schema, and buildable."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import torch
import yaml

from cnncli.config.catalog import config_schema
from cnncli.config.yaml_source import read_yaml_file
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec, Pictures
from cnncli.runs.run_folder import config_yaml
from cnncli.training.build import build_model
from cnncli.training.configs import load_config
from tests.conftest import ROOT, Answer, make_pictures

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
SCHEMA = json.loads((ROOT / "configs" / "schema.json").read_text())
SPECS = {
    "digits": DataSpec((1, 8, 8), tuple("0123456789"), Pictures((0.0,), (1.0,))),
    "mnist": DataSpec((1, 28, 28), tuple("0123456789"), Pictures((0.0,), (1.0,))),
    "cifar10": DataSpec((3, 32, 32), tuple("0123456789"), Pictures((0.0,) * 3, (1.0,) * 3)),
}


PICTURES = [path for path in CONFIGS if load_config(path).config.dataset.name in {*SPECS, "image_folder"}]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_it_is_valid_and_its_network_takes_its_data(path: Path) -> None:
    config = load_config(path).config
    spec = SPECS.get(config.dataset.name, SPECS["cifar10"])
    model = build_model(config, spec)
    assert model(torch.zeros(2, *spec.input_shape)).shape == (2, 10)
    assert config.model.name in models


@pytest.mark.parametrize("path", sorted(set(CONFIGS) - set(PICTURES)), ids=lambda path: path.stem)
def test_it_is_built_with_its_own_data_or_small_ones_under_their_name(
    path: Path, cnncli: Callable[..., Answer], tmp_path: Path
) -> None:
    dataset = load_config(path).config.dataset
    if dataset.name == "series_csv":
        lines = [f"{1749 + i // 12}-{i % 12 + 1:02d},{i % 12 + 1}" for i in range(900)]
        (tmp_path / dataset.args["file"]).write_text("Month,Value\n" + "\n".join(lines) + "\n")
    if dataset.name == "image_csv":
        make_pictures(tmp_path / "mosaics", {"cat": 20, "dog": 20})
        rows = [f"{name}/{i:03d}.png,{name}{'|owl' * (i % 2)},train" for name in ("cat", "dog") for i in range(20)]
        (tmp_path / dataset.args["file"]).write_text("\n".join(["path,labels,split", *rows]) + "\n")
    if dataset.name == "text":
        (tmp_path / dataset.args["path"]).write_text("to be or not to be, that is the question\n" * 200)
    answer = cnncli("train", path, "--dry-run")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_begins_with_the_schema_and_its_own_command(path: Path) -> None:
    lines = path.read_text().splitlines()
    depth = len(path.relative_to(ROOT / "configs").parts) - 1
    assert lines[0] == f"# yaml-language-server: $schema={'../' * depth}schema.json"
    assert lines[1].startswith("# cnncli ")
    name = path.relative_to(ROOT / "configs").with_suffix("").as_posix()
    assert name in lines[1].split()


@pytest.fixture(scope="module")
def schema() -> jsonschema.protocols.Validator:
    """The shipped schema, itself checked once."""
    kind = jsonschema.validators.validator_for(SCHEMA)
    kind.check_schema(SCHEMA)
    return kind(SCHEMA)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_schema_accepts_it_as_written_and_as_resolved(path: Path, schema: jsonschema.protocols.Validator) -> None:
    written = read_yaml_file(path).data
    if "extends" not in written:
        schema.validate(written)
    schema.validate(yaml.safe_load(config_yaml(load_config(path).config)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"optmizer": {}}, {"optimizer": {"name": "adam", "lr": "fast"}}, {"optimizer": {"name": "adam", "momentum": 1}},
        {"model": {"name": "simple_cnn", "chanels": [3]}}, {"train": {"epochs": 0}},
        {"dataset": {"name": "digits", "x": 1}},
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_command_refuses(
    wrong: dict[str, object], schema: jsonschema.protocols.Validator
) -> None:
    config = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}, **wrong}
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(config)


def test_the_shipped_schema_is_the_commands_own(cnncli: Callable[..., Answer]) -> None:
    printed = cnncli("config", "--schema").json
    assert printed == config_schema()
    assert set(SCHEMA["properties"]) == set(printed["properties"])
    for kind in ("datasets", "transforms", "tasks", "schedulers"):  # those that no other library's version changes
        assert SCHEMA["$defs"][kind] == printed["$defs"][kind], "run: cnncli config --schema > configs/schema.json"
