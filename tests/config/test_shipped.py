"""The configs that come with cnncli are found by name, wherever the command runs."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.config.shipped import describe_configs, folder, nearest, shipped_configs
from cnncli.training.configs import load_config
from tests.conftest import ROOT, Answer, make_pictures

Cli = Callable[..., Answer]
SMALL = "dataset: digits\nmodel: {name: mlp, hidden: [4]}\n"


def test_all_of_them_are_part_of_the_package() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    rooms = {".".join(path.relative_to(ROOT).parts[:-1]) for path in (ROOT / "cnncli").rglob("__init__.py")}
    assert set(setuptools["packages"]) == rooms | {"cnncli.configs", "cnncli.docs"}
    assert ROOT / setuptools["package-dir"]["cnncli.configs"] == folder() == ROOT / "configs"
    kept = {path for form in setuptools["package-data"]["cnncli.configs"] for path in folder().glob(form)}
    assert kept == {path for path in folder().rglob("*") if path.is_file()}


def test_a_name_finds_its_config_in_every_command(cnncli: Cli) -> None:
    assert cnncli("config", "regression/linear", "train.epochs=7").out.count("epochs: 7") == 1
    layers = cnncli("inspect", "digits", "--json")
    assert layers.code == 0, layers.err
    assert cnncli("data", "show", "digits").code == 0
    assert cnncli("train", "digits", "--dry-run", "train.epochs=2").code == 0


@pytest.mark.parametrize("name", ["digits", "digits.yaml"])
def test_a_file_of_that_name_wins_and_it_is_said(name: str, cnncli: Cli) -> None:
    Path(name).write_text(SMALL)
    answer = cnncli("config", "digits")
    assert "hidden: [4]" in answer.out
    assert answer.err == f"note: '{name}' in this folder is used, not the config 'digits' that comes with cnncli\n"
    Path("own.yaml").write_text(SMALL)
    assert cnncli("config", "own").err == "", "nothing comes with cnncli that has this name"


def test_a_folder_of_that_name_wins_where_a_folder_can_be_meant(cnncli: Cli, tmp_path: Path) -> None:
    make_pictures(tmp_path / "mnist", {"ant": 24, "bee": 24})
    for command in (["init"], ["data", "check"], ["data", "show"]):
        answer = cnncli(*command, "mnist")
        assert answer.code == 0, answer.err
        assert "note: the folder 'mnist' in this folder is used, not the config 'mnist'" in answer.err
    answer = cnncli("config", "mnist")
    assert answer.code == 0
    assert answer.err == "note: 'mnist' is a folder here; the config of that name that comes with cnncli is read\n"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("digit", "digits"), ("regresion/linear", "regression/linear"), ("linear", "regression/linear"),
        ("configs/digits.yaml", "digits"), ("configs/regression/linear.yaml", "regression/linear"),
        ("Digits", "digits"), ("mnist-fst.yaml", "mnist-fast"),
    ],
)  # fmt: skip
def test_the_nearest_name_is_suggested_and_helps(word: str, meant: str, cnncli: Cli) -> None:
    answer = cnncli("config", word)
    assert answer.code == 2
    assert answer.err.endswith(f"no config of that name comes with cnncli; did you mean '{meant}'?\n")
    assert cnncli("config", meant).code == 0


def test_what_is_near_to_none_is_told_where_they_are_listed(cnncli: Cli) -> None:
    assert cnncli("config", "xyzzy").err.endswith(
        "no config of that name comes with cnncli; see: cnncli list configs\n"
    )
    assert cnncli("config", "xyzzy.yaml").err == "error: xyzzy.yaml: no such file; check the path\n"
    assert nearest(Path("xyzzy")) is None


def test_a_config_of_the_users_can_extend_one_by_name(cnncli: Cli) -> None:
    Path("own.yaml").write_text("extends: digits\nmodel: {dropout: 0.1}\n")
    config = load_config(Path("own.yaml")).config
    assert (config.name, config.model.args["dropout"], config.train.epochs) == ("own", 0.1, 30)
    Path("own.yaml").write_text("extends: digitz\nmodel: {dropout: 0.1}\n")
    assert "no such file" in cnncli("config", "own.yaml").err


@pytest.mark.parametrize("name", shipped_configs())
def test_a_copy_of_it_is_the_same_config(name: str, cnncli: Cli) -> None:
    answer = cnncli("init", name)
    assert answer.code == 0
    assert "configs/" not in answer.out
    assert answer.out.startswith("# cnncli ")
    assert " THIS_FILE" in answer.out.splitlines()[0]
    Path("copy.yaml").write_text(answer.out)
    assert load_config(Path("copy.yaml")).config == load_config(Path(name)).config


def test_init_names_the_nearest_config_for_what_is_neither(cnncli: Cli) -> None:
    assert "did you mean 'digits'?" in cnncli("init", "digit").err
    assert cnncli("init", "xyzzy").err == "error: xyzzy: no such folder; name the one that holds your pictures\n"


def test_the_list_shows_what_each_is_reads_and_takes(cnncli: Cli) -> None:
    found = cnncli("list", "configs", "--json").json["configs"]
    assert [each["name"] for each in found] == list(shipped_configs())
    assert all(each["headline"] and each["data"] and each["command"] for each in found)
    digits = next(each for each in found if each["name"] == "digits")
    assert digits["headline"] == "Scikit-learn's handwritten digits with 8×8 pixels."
    assert (digits["data"], digits["time"]) == ("digits", "4 s on two cores")
    fast = next(each for each in found if each["name"] == "cifar10-fast")
    assert (fast["data"], fast["time"]) == ("image_folder (dataset.path)", "29 min on two cores without AMX")
    lines = cnncli("list", "configs").out.splitlines()
    assert len(lines) == len(found) + 4
    assert lines[0] == f"configs ({len(describe_configs())})"
    assert "did you mean 'configs'?" in cnncli("list", "config").err


def test_no_message_recommends_a_file_that_only_a_clone_has() -> None:
    for path in (ROOT / "cnncli").rglob("*.py"):
        assert "configs/" not in path.read_text().replace('"configs/"', ""), path
    assert not [path for path in folder().rglob("*.yaml") if "configs/" in path.read_text()]
