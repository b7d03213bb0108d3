"""Pictures listed in a table, and the centre of what is decoded that a network sees."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cnncli.core.errors import ConfigError, DataError
from cnncli.core.spec import Decode, Pictures
from cnncli.data.decode import read_image
from cnncli.data.sources import FileSource
from tests.conftest import Answer, make_pictures
from tests.data.test_data import CPU, all_batches, bundle

Cli = Callable[..., Answer]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten pictures of each of two classes, in folders that say nothing to ``image_csv``."""
    return make_pictures(tmp_path / "photos", {"a": 10, "b": 10}, (20, 16))


def table(path: Path, *lines: str, header: str = "path,label") -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def listed(photos: Path, below: Path | None = None) -> list[str]:
    """A row for each picture, its path relative to a folder."""
    return [
        f"{p.relative_to(below or photos)},{'ant' if p.parent.name == 'a' else 'bee'}"
        for p in sorted(photos.rglob("*.png"))
    ]


def fails(**config: Any) -> str:
    with pytest.raises(DataError) as caught:
        bundle(name="image_csv", image_size=8, **config)
    return str(caught.value)


def paths(source: object) -> list[str]:
    assert isinstance(source, FileSource)
    return [f"{p.parent.name}/{p.name}" for p in source.paths]


def test_without_a_split_column_parts_are_carved_as_from_a_folder(photos: Path) -> None:
    file = table(photos / "list.csv", *listed(photos))
    common: dict[str, Any] = {"image_size": (16, 20), "val_fraction": 0.2, "test_fraction": 0.2}
    ours = bundle(name="image_csv", file=str(file), **common)
    theirs = bundle(name="image_folder", root=str(photos), **common)
    assert ours.spec.classes == ("ant", "bee")
    assert {split: len(source) for split, source in ours.sources.items()} == {"train": 12, "val": 4, "test": 4}
    for split in ("train", "val", "test"):
        for (a, x), (b, y) in zip(
            all_batches(ours.loader(split, CPU)), all_batches(theirs.loader(split, CPU)), strict=True
        ):
            assert torch.equal(a, b)
            assert torch.equal(x, y)
    only = bundle(name="image_csv", file=str(file), image_size=8)
    assert set(only.sources) == {"train", "val"}


def test_with_a_split_column_every_picture_is_where_it_says(photos: Path) -> None:
    words = ["train", "Training", "VAL", "valid", "validation", " test ", "testing", "train", "train", "train"]
    rows = [f"{row},{word}" for row, word in zip(listed(photos), words * 2, strict=True)]
    file = table(photos / "list.csv", *rows, header="path,label,part")
    data = bundle(
        name="image_csv", file=str(file), split_column="part", image_size=8, test_fraction=0.5, memory="never"
    )
    assert paths(data.sources["train"]) == [f"{c}/{i:03d}.png" for c in "ab" for i in (0, 1, 7, 8, 9)]
    assert paths(data.sources["val"]) == [f"{c}/{i:03d}.png" for c in "ab" for i in (2, 3, 4)]
    assert paths(data.sources["test"]) == [f"{c}/{i:03d}.png" for c in "ab" for i in (5, 6)]
    assert data.sources["test"].targets.tolist() == [0, 0, 1, 1]


def test_other_names_of_columns_and_another_delimiter(photos: Path) -> None:
    rows = [row.replace(",", ";") + ";x" for row in listed(photos)]
    file = table(photos / "list.csv", *rows, header="picture;kind;more")
    data = bundle(name="image_csv", file=str(file), path="picture", label="kind", delimiter=";", image_size=8)
    assert len(data.sources["train"]) + len(data.sources["val"]) == 20


def test_paths_are_below_the_table_or_the_root_or_absolute(photos: Path, tmp_path: Path) -> None:
    def count(file: Path, **config: Any) -> int:
        data = bundle(name="image_csv", file=str(file), image_size=8, val_fraction=0.0, **config)
        return len(data.sources["train"])

    beside = table(tmp_path / "list.csv", *listed(photos, tmp_path))
    assert count(beside) == 20
    (tmp_path / "tables").mkdir()
    elsewhere = table(tmp_path / "tables" / "list.csv", *listed(photos))
    assert count(elsewhere, root=str(photos)) == 20
    assert count(elsewhere, root="photos") == 20, "a root is where the command runs"
    upwards = table(tmp_path / "tables" / "up.csv", *(f"../photos/{row}" for row in listed(photos)))
    assert count(upwards) == 20
    absolute = table(tmp_path / "tables" / "absolute.csv", *(f"{photos}/{row}" for row in listed(photos)))
    assert count(absolute) == 20
    assert count(absolute, root=str(tmp_path / "tables")) == 20
    assert "20 files are not there, first" in fails(file=str(elsewhere))
    assert "no such folder" in fails(file=str(elsewhere), root="nowhere")
    assert "nowhere.csv: no such file" in fails(file="nowhere.csv")


def test_table_and_root_are_found_in_the_data_folder(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(photos / "list.csv", *listed(photos))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("CNNCLI_DATA", str(tmp_path))
    for config in ({}, {"root": "photos"}):
        assert len(bundle(name="image_csv", file="photos/list.csv", image_size=8, **config).sources["train"]) == 18


@pytest.mark.parametrize(
    ("header", "config", "said"),
    [
        ("path,lable", {}, "list.csv: has no column 'label'; set dataset.label: lable"),
        ("paths,label", {}, "list.csv: has no column 'path'; 'paths' holds the files; set dataset.path_column: paths"),
        ("path,label", {"split_column": "split"}, "list.csv: has no column 'split'; known: path, label"),
        ("path,label", {"delimiter": ";"}, "list.csv: has no column 'path'; "),
    ],
)  # fmt: skip
def test_a_missing_column_is_named_with_the_nearest(
    photos: Path, header: str, config: dict[str, Any], said: str
) -> None:
    assert said in fails(file=str(table(photos / "list.csv", *listed(photos), header=header)), **config)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",ant,train", "list.csv:6: column 'path' is empty"),
        ("a/000.png, ,train", "list.csv:6: column 'label' is empty"),
        ("a/000.png,ant,", "list.csv:6: column 'part' is empty"),
        ("a/000.png,ant,tests", "list.csv:6: column 'part' has 'tests'; write train, val or test"),
    ],
)  # fmt: skip
def test_a_cell_that_is_empty_or_no_split_is_found_by_its_line(photos: Path, row: str, said: str) -> None:
    rows = ["a/001.png,ant,train", '"a/002.png","ant","train"', "", "b/001.png,bee,train", row, "b/002.png,bee,train"]
    assert said in fails(file=str(table(photos / "list.csv", *rows, header="path,label,part")), split_column="part")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a/000.png,ant,train", "b/000.png,bee,train", "a/001.png,ant,test"],
         r"test split: .*missing: \['bee'\], extra: \[\]"),
        (["a/000.png,ant,train", "b/000.png,bee,train", "a/001.png,ant,val", "b/001.png,bee,val", "b/002.png,wasp,val"],
         r"val split: .*missing: \[\], extra: \['wasp'\]"),
        (["a/000.png,ant,train", "b/000.png,ant,train", "b/001.png,bee,test"],
         "column 'label' names 1 classes to learn"),
        (["a/000.png,ant,test", "b/000.png,bee,test"], "no row is of the train split"),
        (["a/000.png,ant,train", "b/000.png,bee,train", "a/099.png,ant,train", "b/099.png,bee,train"],
         r"train split: 2 files are not there, first '.*a/099\.png' \(line 4\); set dataset\.root"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_learned_from_are_refused(photos: Path, rows: list[str], said: str) -> None:
    file = table(photos / "list.csv", *rows, header="path,label,part")
    with pytest.raises(DataError, match=said):
        bundle(name="image_csv", file=str(file), split_column="part", image_size=8)


def test_a_table_is_trained_on_evaluated_and_its_faults_end_with_code_3(
    cnncli: Cli, photos: Path, write_config: Callable[..., Path]
) -> None:
    rows = [f"{row},{'test' if i % 5 == 0 else 'train'}" for i, row in enumerate(listed(photos))]
    table(photos / "list.csv", *rows, header="path,label,part")
    config = write_config(
        "dataset: {name: image_csv, file: photos/list.csv, split_column: part, image_size: 8, resize: 10, "
        "batch_size: 4}\n"
        "model: mlp\ntrain: {epochs: 1}\nlogging: {tensorboard: false, samples: false, pictures: false}\n"
    )
    answer = cnncli("train", config, "--name", "one/two", "--json")
    assert answer.code == 0, answer.err
    evaluated = cnncli("eval", "--ckpt", "runs/one/two", "--json")
    assert evaluated.code == 0, evaluated.err
    assert sum(of["support"] for of in evaluated.json["per_class"].values()) == 4
    shutil.rmtree(photos / "b")
    broken = cnncli("eval", "--ckpt", "runs/one/two")
    assert broken.code == 3
    assert "train split: 8 files are not there, first 'photos/b/001.png'" in broken.err


@pytest.mark.parametrize("memory", ["always", "never"])
@pytest.mark.parametrize(("size", "resize"), [(8, 12), ((6, 9), (11, 14)), (8, 8), ((5, 8), 8)])
def test_the_network_sees_the_centre_of_what_was_decoded(photos: Path, memory: str, size: Any, resize: Any) -> None:
    height, width = (size, size) if isinstance(size, int) else size
    whole = (resize, resize) if isinstance(resize, int) else resize
    top, left = (whole[0] - height) // 2, (whole[1] - width) // 2
    data = bundle(name="image_folder", root=str(photos), image_size=size, resize=resize, memory=memory,
                  normalize="none", val_fraction=0.0, workers=0)  # fmt: skip
    assert data.spec.input_shape == (3, height, width)
    assert isinstance(data.spec.preprocess, Pictures)
    assert data.spec.preprocess.decode == Decode(whole)
    decoded = torch.stack([read_image(p, Decode(whole)) for p in sorted(photos.rglob("*.png"))]).float() / 255
    wanted = decoded[..., top : top + height, left : left + width]
    assert torch.equal(torch.cat([inputs for inputs, _ in all_batches(data.loader("train", CPU))]), wanted)
    shuffled = torch.cat([inputs for inputs, _ in all_batches(data.loader("train", CPU, training=True))])
    assert sorted(map(float, shuffled.sum((1, 2, 3)))) == pytest.approx(sorted(map(float, wanted.sum((1, 2, 3)))))


@pytest.mark.parametrize("memory", ["always", "never"])
def test_a_random_crop_of_the_larger_picture_has_the_size_of_the_network(tmp_path: Path, memory: str) -> None:
    for name in "ab":  # what is seen tells where it was cut out
        (tmp_path / "set" / name).mkdir(parents=True)
        rows, columns = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
        pixels = torch.stack([rows, columns, rows], dim=-1).to(torch.uint8)
        for i in range(30):
            Image.fromarray(pixels.numpy()).save(tmp_path / "set" / name / f"{i}.png")
    data = bundle(name="image_folder", root=str(tmp_path / "set"), image_size=8, resize=12, normalize="none", workers=0,
                  memory=memory, val_fraction=0.0, augment=[{"name": "random_crop", "padding": 0}])  # fmt: skip
    inputs = torch.cat([inputs for inputs, _ in all_batches(data.loader("train", CPU, training=True))])
    pixels = inputs.mul(255).round()
    assert pixels.shape == (60, 3, 8, 8)
    tops, lefts = pixels[:, 0, 0, 0], pixels[:, 1, 0, 0]
    assert set(tops.tolist()) == set(lefts.tolist()) == {0, 1, 2, 3, 4}, "every shift, and nothing was padded"
    assert torch.equal(pixels[:, 0, -1, 0] - tops, torch.full((60,), 7.0))
    assert torch.equal(pixels[:, 1, 0, -1] - lefts, torch.full((60,), 7.0))
    seen = torch.cat([inputs for inputs, _ in all_batches(data.loader("train", CPU))]).mul(255).round()
    assert set(seen[:, :2, 0, 0].flatten().tolist()) == {2}


@pytest.mark.parametrize("name", ["image_folder", "image_csv"])
@pytest.mark.parametrize(("size", "resize"), [(16, 12), ((8, 16), (16, 8)), ((8, 16), 12)])
def test_decoding_less_than_the_network_sees_is_refused(
    cnncli: Cli, photos: Path, write_config: Callable[..., Path], name: str, size: Any, resize: Any
) -> None:
    where = {
        "image_folder": {"root": str(photos)},
        "image_csv": {"file": str(table(photos / "l.csv", *listed(photos)))},
    }
    with pytest.raises(ConfigError, match="smaller than image_size"):
        bundle(name=name, image_size=size, resize=resize, **where[name])
    of_yaml = [list(value) if isinstance(value, tuple) else value for value in (size, resize)]
    ((key, value),) = where[name].items()
    config = write_config(
        f"dataset: {{name: {name}, {key}: {value}, image_size: {of_yaml[0]}, resize: {of_yaml[1]}}}\nmodel: mlp\n"
    )
    answer = cnncli("train", config)
    assert answer.code == 2
    assert "is smaller than image_size" in answer.err
    assert "config.yaml:1" in answer.err
