"""Several labels of a picture in a table: joined in a cell, or a column of 0 and 1 for each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec
from cnncli.data.bundle import DataBundle, build_data
from cnncli.data.splits import random_split
from cnncli.training.pictures import training_samples
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
CPU = torch.device("cpu")
SETS = ["cat|dog", "dog", "", "eel | cat", "dog|dog|", "cat"]


def untracked(items: Any, total: int, what: str) -> Any:
    return items


def bundle(wants: str = "labels", spec: DataSpec | None = None, **config: Any) -> DataBundle:
    settings = {"name": "image_csv", "file": "list.csv", "image_size": 8, "val_fraction": 0.0, **config}
    return build_data(DatasetConfig.model_validate(settings), untracked, spec, wants)


def write(*rows: str, header: str = "path,label") -> None:
    Path("list.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path) -> Path:
    """Thirty pictures, listed with names in a cell."""
    make_pictures(tmp_path, {"photos": 30})
    write(*(f"photos/{i:03d}.png,{SETS[i % 6]}" for i in range(30)))
    return tmp_path / "photos"


def test_names_in_a_cell_become_a_one_for_each_and_an_empty_cell_none() -> None:
    data = bundle()
    assert data.spec.classes == ("cat", "dog", "eel")
    assert data.spec.outputs == (3,)
    targets = data.sources["train"].targets
    assert targets.dtype == torch.float32
    assert targets[:6].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("yes", "no"), [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("TRUE", "FALSE"), (" 1", "0 ")]
)
def test_a_column_of_0_and_1_for_each_label_is_the_same_in_the_order_of_the_columns(yes: str, no: str) -> None:
    joined = bundle().sources["train"].targets
    names = ["dog", "eel", "cat"]
    flags = [",".join(yes if name in cell.replace(" ", "").split("|") else no for name in names) for cell in SETS]
    write(*(f"photos/{i:03d}.png,{flags[i % 6]}" for i in range(30)), header="path,dog,eel,cat")
    data = bundle(label=names)
    assert data.spec.classes == tuple(names)
    assert torch.equal(data.sources["train"].targets, joined[:, [1, 2, 0]])


def test_every_set_stays_with_its_picture_in_every_split() -> None:
    data = bundle(val_fraction=0.2, test_fraction=0.2, memory="never", cache=False)
    assert {split: len(source) for split, source in data.sources.items()} == {"train": 19, "val": 5, "test": 6}
    for source in data.sources.values():
        for path, row in zip(source.paths, source.targets.bool().tolist(), strict=True):  # type: ignore[union-attr]
            told = {name.strip() for name in SETS[int(path.stem) % 6].split("|")} - {""}
            assert {name for name, there in zip(data.spec.classes, row, strict=True) if there} == told


@pytest.mark.parametrize(
    ("cells", "label", "offers"),
    [
        (["a|b,0", "a,1"], "x", ("labels",)),
        (["a,0", "b,1"], "x", ("classes", "labels")),
        (["a,0", "b,1"], "y", ("classes", "numbers", "labels")),
        (["1,0", "0,1"], ["x", "y"], ("labels", "classes", "numbers")),
        (["1,0", "0,2"], ["x", "y"], ("labels", "numbers")),
        (["true,false", "false,true"], ["x", "y"], ("labels", "classes")),
        (["1.5,7", "2.5,1"], ["x", "y"], ("numbers",)),
    ],
)
def test_what_the_cells_look_like_is_what_they_offer(cells: list[str], label: Any, offers: tuple[str, ...]) -> None:
    write(*(f"{i}.png,{row}" for i, row in enumerate(cells)), header="path,x,y")
    assert datasets.build("image_csv", file="list.csv", label=label).offers == offers


def test_one_column_of_0_and_1_is_one_label() -> None:
    write(*(f"photos/{i:03d}.png,{i % 2}" for i in range(30)), header="path,cat")
    data = bundle(label="cat")
    assert data.spec.classes == ("cat",)
    assert data.sources["train"].targets.flatten().tolist() == [0, 1] * 15


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2,0", "list.csv:5: column 'cat' has '2' where 0 or 1 says whether it is there; fix it"),
        ("1,", "list.csv:5: column 'dog' has '' where 0 or 1 says whether it is there; fix it"),
    ],
)
def test_a_cell_that_is_neither_0_nor_1_is_found_by_its_line(row: str, said: str) -> None:
    rows = [f"photos/{i:03d}.png,{i % 2},1" for i in range(30)]
    write(*rows[:3], f"photos/003.png,{row}", *rows[4:], header="path,cat,dog")
    with pytest.raises(DataError) as caught:
        bundle(label=["cat", "dog"])
    assert str(caught.value) == said


def test_a_label_that_no_training_picture_has_is_named() -> None:
    rows = [f"photos/{i:03d}.png,{SETS[i % 6]},{'test' if i < 6 else 'train'}" for i in range(30)]
    write(*rows[1:], "photos/000.png,wasp|cat,test", header="path,label,part")
    with pytest.raises(DataError, match="no training picture has the label 'wasp'; add some, remove the label"):
        bundle(split_column="part")
    write("photos/000.png,ant", *(f"photos/{i:03d}.png,bee|cat" for i in range(1, 30)))
    carved = [0 in random_split(30, 0.4, seed)[1] for seed in range(8)]  # whether the one ant is
    assert set(carved) == {True, False}
    bundle(val_fraction=0.4, split_seed=carved.index(False))
    with pytest.raises(DataError, match=r"no training picture has the label 'ant'; .* lower val_fraction"):
        bundle(val_fraction=0.4, split_seed=carved.index(True))


def test_measurements_are_no_labels() -> None:
    write(*(f"photos/{i:03d}.png,{i / 4}" for i in range(30)))
    with pytest.raises(DataError, match="column 'label' has 30 different numbers, which are no labels; set task: reg"):
        bundle()


def test_a_label_may_be_missing_from_the_other_splits() -> None:
    rows = [f"photos/{i:03d}.png,{'dog' if i < 6 else SETS[i % 6]},{'test' if i < 6 else 'train'}" for i in range(30)]
    write(*rows, header="path,label,part")
    assert bundle(split_column="part").sources["test"].targets.sum(0).tolist() == [0, 6, 0]


def test_a_table_without_any_label_is_refused() -> None:
    write(*(f"photos/{i:03d}.png," for i in range(30)))
    with pytest.raises(DataError, match="column 'label' names no label; fill it in"):
        bundle()


def test_other_labels_than_the_checkpoints_are_refused() -> None:
    trained = bundle().spec
    assert bundle(spec=trained).spec is trained
    write(*(f"photos/{i:03d}.png,{'cat|fox' if i % 2 else 'dog'}" for i in range(30)))
    with pytest.raises(DataError, match=r"missing: eel, extra: fox"):
        bundle(spec=trained)


@pytest.mark.parametrize("label", ["label", "[cat, dog]"])
def test_a_task_for_one_class_is_told_which_task_is_for_labels(
    cnncli: Cli, write_config: Callable[..., Path], label: str
) -> None:
    write(*(f"photos/{i:03d}.png,{SETS[i % 6]},{i % 2},1" for i in range(30)), header="path,label,cat,dog")
    config = write_config(f"dataset: {{name: image_csv, file: list.csv, label: {label}}}\nmodel: mlp\n")
    answer = cnncli("train", config)
    assert answer.code in (2, 3)
    assert "labels" in answer.err
    assert "to learn, the task wants classes; set task: multilabel" in answer.err
    assert answer.complaint.removeprefix("reading list.csv …\n").count("\n") == 1
    checked = cnncli("data", "check", config)
    assert checked.code == 3
    assert "the task wants classes; set " in checked.out


def test_samples_check_and_show_know_sets_of_labels(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    assert training_samples(bundle(), CPU, 0, 9).size[0] > 8
    rows = [f"photos/{i:03d}.png,{SETS[i % 6]},{'test' if i < 6 else 'train'}" for i in range(30)]
    write(*rows, "photos/001.png,dog|wasp,test", "photos/000.png,dog | cat,test", header="path,label,part")
    config = write_config(
        "dataset: {name: image_csv, file: list.csv, split_column: part, image_size: 8}\nmodel: mlp\ntask: multilabel\n"
    )
    answer = cnncli("data", "check", config, "--json")
    assert answer.code == 3
    report = answer.json
    assert report["splits"]["train"] == {"cat": 12, "dog": 12, "eel": 4}
    assert report["splits"]["test"] == {"cat": 4, "dog": 5, "eel": 1, "wasp": 1}
    assert [(fault["kind"], fault["text"].split(": ")[0]) for fault in report["faults"]] == [
        ("extra_class", "test has wasp, train has not"),
        ("listed_twice", "list.csv:33"),
        ("listed_twice", "list.csv:32"),
        ("exact_conflict", "the same file as dog and dog|wasp"),  # while 'dog | cat' is 'cat|dog'
    ]
    kinds = {notice["kind"]: notice for notice in report["notices"]}
    assert kinds["no_label"]["text"] == "5 pictures have no label"
    assert len(kinds["no_label"]["paths"]) == 5
    write(*rows, header="path,label,part")
    assert cnncli("data", "check", config).code == 0
    assert cnncli("data", "show", config, "--split", "test").code == 0
    write(*(row.replace(row.split(",")[1], "", 1) for row in rows), header="path,label,part")
    assert cnncli("data", "check", config, "--json").json["splits"] == {"test": {}, "train": {}}
