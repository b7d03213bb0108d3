"""`dataset.path` says where data lie, whatever they are; the names of before keep working wherever they are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError
from cnncli.core.registry import datasets
from cnncli.core.renamed import with_names_of_today
from cnncli.training.configs import load_config

Write = Callable[..., Path]
OLD = {"csv": "file", "series_csv": "file", "image_csv": "file", "image_folder": "root"}


def resolved(path: Path, *overrides: str) -> dict[str, Any]:
    return load_config(path, overrides, to_build=False).config.dataset.args


def config(write: Write, dataset: str) -> Path:
    return write(f"dataset: {{{dataset}}}\nmodel: mlp\n")


def test_every_source_that_lies_somewhere_calls_it_path() -> None:
    for name in datasets:
        places = datasets.get(name).places
        assert not places or places[0] == "path"
    assert {name: dict(datasets.get(name).renamed).get("file", "") for name in OLD if OLD[name] == "file"} == {
        "csv": "path", "series_csv": "path", "image_csv": "path",
    }  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_the_old_name_is_taken_in_a_file_an_override_and_a_checkpoint(write_config: Write, name: str) -> None:
    target = ", target: y" if name == "csv" else ""
    text = "dataset: {{name: {name}, {key}: there{target}}}\nmodel: mlp\nname: x\n"
    old, new = (
        write_config(text.format(name=name, key=key, target=target), f"{key}.yaml") for key in (OLD[name], "path")
    )
    assert resolved(old) == resolved(new)
    for path in (old, new):  # whichever name the file has, an override may have the other
        for key in (OLD[name], "path"):
            assert resolved(path, f"dataset.{key}=elsewhere.csv")["path"] == "elsewhere.csv"
    args = {"target": "y"} if target else {}
    section = DatasetConfig.model_validate({"name": name, OLD[name]: "there", **args})
    assert datasets.get(name).check(section.args) == datasets.get(name).check({"path": "there", **args})


def test_path_was_the_column_of_a_table_of_pictures_and_is_beside_file(write_config: Write) -> None:
    old = config(write_config, "name: image_csv, file: list.csv, path: picture, root: photos")
    args = resolved(old)
    assert (args["path"], args["path_column"], args["root"]) == ("list.csv", "picture", "photos")
    args = resolved(old, "dataset.path=1", "dataset.file=other.csv")
    assert (args["path"], args["path_column"]) == ("other.csv", 1)
    args = resolved(old, "dataset.path_column=0")
    assert (args["path"], args["path_column"]) == ("list.csv", 0)
    new = config(write_config, "name: image_csv, path: list.csv, path_column: picture")
    args = resolved(new, "dataset.file=other.csv")
    assert (args["path"], args["path_column"]) == ("other.csv", "picture")


def test_a_file_that_extends_another_may_use_the_other_name(write_config: Write) -> None:
    config(write_config, "name: image_folder, root: photos")
    top = write_config("extends: config.yaml\ndataset: {path: others}\n", "top.yaml")
    assert resolved(top)["path"] == "others"


def test_both_names_in_one_file_are_a_fault_of_one_line(write_config: Write) -> None:
    path = config(write_config, "name: image_folder, root: photos, path: others")
    with pytest.raises(ConfigError) as error:
        load_config(path, to_build=False)
    assert error.value.lines() == [
        f"{path}:1: dataset.path: is the same as another key (dataset.root and as dataset.path); keep path"
    ]


@pytest.mark.parametrize(
    ("dataset", "wrong", "advice"),
    [
        ("name: image_folder", "file: photos", "did you mean 'path'?"),
        ("name: image_folder", "folder: photos", "did you mean 'path'?"),
        ("name: csv, target: y", "root: x.csv", "did you mean 'path'?"),
        ("name: text", "file: x.txt", "did you mean 'path'?"),
        ("name: image_csv, path: a.csv", "folder: x", "did you mean 'root'?"),
    ],
)
def test_a_wrong_name_is_told_the_right_one(write_config: Write, dataset: str, wrong: str, advice: str) -> None:
    path = config(write_config, f"{dataset}, {wrong}")
    with pytest.raises(ConfigError) as error:
        load_config(path, to_build=False)
    assert f"{path}:1: dataset.{wrong.partition(':')[0]}: unknown key; {advice}" in error.value.lines()


def test_a_fault_names_the_key_that_was_written(write_config: Write) -> None:
    path = config(write_config, "name: image_folder, root: 3")
    with pytest.raises(ConfigError) as error:
        load_config(path, to_build=False)
    assert error.value.lines() == [
        f"{path}:1: dataset.root: 3 should be a valid string; give a word, in quotes if need be"
    ]


def test_the_name_of_today_wins_where_nothing_says_which_is_later() -> None:
    assert with_names_of_today({"root": 1, "path": 2, "size": 3}, {"root": "path"}) == {"path": 2, "size": 3}
