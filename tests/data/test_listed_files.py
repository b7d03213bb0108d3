"""Tables of pictures from other systems are read where their meaning is plain, else the real cause is named."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.data.listed_files import find_files
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
NFD = unicodedata.normalize("NFD", "été")
BASE = "dataset: {name: image_csv, file: list.csv, image_size: 8, val_fraction: 0.2}\nmodel: simple_cnn\ndevice: cpu\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    make_pictures(tmp_path / "imgs", {"cat pics": 6, "dog pics": 6, NFD: 6})
    (tmp_path / "c.yaml").write_text(BASE)
    return tmp_path


ODD = {
    "backslash": "imgs\\cat pics\\000.png",
    "dot and backslash": ".\\imgs\\cat pics\\000.png",
    "drive": "C:\\data\\my\\imgs\\cat pics\\000.png",
    "drive with slashes": "D:/imgs/cat pics/000.png",
    "server": "\\\\nas\\share\\imgs\\cat pics\\000.png",
    "another home": "/home/somebody/imgs/cat pics/000.png",
    "no extension": "imgs/cat pics/000",
    "upper case": "imgs/cat pics/000.PNG",
    "all in upper case": "IMGS/CAT PICS/000.PNG",
}


@pytest.mark.parametrize("cell", ODD.values(), ids=ODD)
def test_what_a_path_means_is_read_and_said(files: Path, cell: str) -> None:
    cells = [cell, cell.replace("000", "001")]
    with collecting() as found:
        read = find_files(cells, files, "list.csv")
    assert not read.absent
    assert read.paths == [files / "imgs/cat pics/000.png", files / "imgs/cat pics/001.png"]
    assert [notice.kind for notice in found] == ["paths_read"]
    assert "2 paths" in found[0].text


def test_composed_and_decomposed_names_are_one(files: Path) -> None:
    (folder,) = (path for path in (files / "imgs").iterdir() if not path.name.isascii())
    other = unicodedata.normalize("NFC" if folder.name == NFD else "NFD", folder.name)
    assert find_files([f"imgs/{other}/000.png"], files, "list.csv").paths == [folder / "000.png"]


def test_what_is_not_plain_is_not_guessed(files: Path) -> None:
    os.rename(files / "imgs/cat pics/001.png", files / "imgs/cat pics/000.jpg")
    read = find_files(["imgs/cat pics/000", "imgs/cat pics/099.png", "E:\\x\\y.png"], files, "list.csv")
    assert "fits 2 files" in read.absent[0]
    assert read.absent[1] == ""
    assert "a path of another computer" in read.absent[2]


HEADERS = [
    ("image,label", "'image' holds the files; set dataset.path_column: image", ["dataset.path_column=image"]),
    ("Path,label", "set dataset.path_column: Path", ["dataset.path_column=Path"]),
    ("path,class", "set dataset.label: class", ["dataset.label=class"]),
]


@pytest.mark.parametrize(("header", "said", "followed"), HEADERS)
def test_advice_about_columns_helps(files: Path, cnncli: Cli, header: str, said: str, followed: list[str]) -> None:
    rows = [f"imgs/{name} pics/00{i}.png,{name}" for name in ("cat", "dog") for i in range(6)]
    (files / "list.csv").write_text("\n".join([header, *rows]))
    answer = cnncli("train", "c.yaml", "--dry-run")
    assert answer.code == 3
    assert said in answer.err
    assert cnncli("train", "c.yaml", *followed, "--dry-run").code == 0


def test_columns_of_0_and_1_are_classes_or_labels(files: Path, cnncli: Cli) -> None:
    rows = [f"imgs/{name} pics/00{i}.png,{int(name == 'cat')},{int(name == 'dog')}"
            for name in ("cat", "dog") for i in range(6)]  # fmt: skip
    (files / "list.csv").write_text("\n".join(["path,cat,dog", *rows]))
    answer = cnncli("train", "c.yaml", "--dry-run")
    assert "cat, dog hold 0 and 1; set dataset.label: [cat, dog]" in answer.err
    followed = cnncli("train", "c.yaml", "dataset.label=[cat, dog]", "--dry-run")
    assert followed.code == 0, followed.err
    classes = cnncli("train", "c.yaml", "dataset.label=[cat, dog]", "task.name=classification", "--dry-run")
    assert "2 classes" in classes.out + classes.err


def test_a_table_without_a_header_and_a_missing_label_are_named(files: Path, cnncli: Cli) -> None:
    rows = [f"imgs/{name} pics/00{i}.png,{name}" for name in ("cat", "dog") for i in range(6)]
    (files / "list.csv").write_text("\n".join(rows))
    assert "its first line is a picture, not the names of columns" in cnncli("train", "c.yaml", "--dry-run").err
    (files / "list.csv").write_text("\n".join(["path,label", *rows[:-1], rows[-1].rpartition(",")[0] + ",NaN"]))
    assert "list.csv:13: column 'label' has 'NaN', no label; fill it in" in cnncli("train", "c.yaml", "--dry-run").err


def test_labels_that_are_almost_equal_are_a_notice_and_forms_of_unicode_are_one(files: Path, cnncli: Cli) -> None:
    names = ["Cat", "cat", unicodedata.normalize("NFC", "été"), NFD]
    rows = [f"imgs/cat pics/00{i}.png,{names[i % 4]}" for i in range(6)]
    (files / "list.csv").write_text("\n".join(["path,label", *rows]))
    answer = cnncli("train", "c.yaml", "dataset.val_fraction=0", "checkpoint.monitor=train/loss", "--dry-run")
    assert answer.code == 0, answer.err
    assert "the classes 'Cat' and 'cat' are written almost alike" in answer.err
    assert "3 classes" in answer.out + answer.err
    assert DataError.exit_code == 3
