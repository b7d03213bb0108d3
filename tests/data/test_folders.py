"""A folder of pictures is read as its owner means it, or what is unclear about it is named."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.data.folders import find_pictures, read_folder
from cnncli.data.names import near_equal
from tests.conftest import Answer

Cli = Callable[..., Answer]

NFC, NFD = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


def picture(path: Path, colour: int = 0, form: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour, colour, 90)).save(path, format=form or ("PNG" if not path.suffix else None))
    return path


def fill(root: Path, *splits: str, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for number, split in enumerate(splits):
        for name in classes:
            for i in range(2):
                picture(root / split / name / f"{i}.png", 10 * number + i)
    return root


SPLITS = [
    (("train", "test"), {"train", "test"}),
    (("Training", "Testing"), {"train", "test"}),
    (("train", "testing"), {"train", "test"}),
    (("training", "validation"), {"train", "val"}),
    (("TRAIN", "VALID", "TEST"), {"train", "val", "test"}),
    (("tr", "dev", "tst"), {"train", "val", "test"}),
    (("trn", "val", "te"), {"train", "val", "test"}),
    (("Train", "Val"), {"train", "val"}),
    (("train_set", "test_set"), {"train", "test"}),
    (("trainset", "testset"), {"train", "test"}),
    (("TrainImages", "TestImages"), {"train", "test"}),
    (("train-data", "valid-data"), {"train", "val"}),
    (("01_train", "02_val", "03_test"), {"train", "val", "test"}),
    (("images_train", "images_test"), {"train", "test"}),
    (("train images", "test images"), {"train", "test"}),
    (("Training Set", "Development Set"), {"train", "val"}),
    (("train", "Validate"), {"train", "val"}),
    (("train", "valid", "Test"), {"train", "val", "test"}),
    (("traindata", "testdata"), {"train", "test"}),
    (("training", "vali"), {"train", "val"}),
    (("train",), {"train"}),
    (("",), {"train"}),
]


@pytest.mark.parametrize(("folders", "meant"), SPLITS, ids=lambda value: "+".join(sorted(value)))
def test_the_usual_names_of_splits_in_any_case_are_splits(
    tmp_path: Path, folders: tuple[str, ...], meant: set[str]
) -> None:
    found = read_folder(fill(tmp_path, *folders))
    assert set(found) == meant
    for part in found.values():
        assert part.classes == ("cat", "dog")
        assert len(part.paths) == 4


UNCLEAR = [
    (("train", "val", "valid"), "'val' and 'valid' are both val folders"),
    (("train", "Train"), "'Train' and 'train' are both train folders"),
    (("train", "training", "test"), "'train' and 'training' are both train folders"),
    (("train", "test", "testing"), "'test' and 'testing' are both test folders"),
    (("train", "dev", "validation"), "both val folders"),
    (("train", "test", "train_old"), "'train_old' looks like a split"),
    (("train", "test2"), "'test2' looks like a split"),
    (("trian", "test"), "'trian' looks like a split"),
    (("train", "vaildation"), "'vaildation' looks like a split"),
    (("train", "tset"), "'tset' looks like a split"),
    (("train", "evaluation"), "'evaluation' looks like a split"),
    (("train_v2", "test_v2"), "'test_v2' and 'train_v2' look like splits"),
    (("validation", "test"), "has test, validation but no train folder; add one"),
]


@pytest.mark.parametrize(("folders", "said"), UNCLEAR, ids=["+".join(folders) for folders, _ in UNCLEAR])
def test_folders_that_may_be_splits_are_named_in_training_and_in_check(
    tmp_path: Path, folders: tuple[str, ...], said: str, cnncli: Cli
) -> None:
    fill(tmp_path / "set", *folders)
    with pytest.raises(DataError, match=said):
        read_folder(tmp_path / "set")
    answer: Answer = cnncli("data", "check", tmp_path / "set")
    assert answer.code == 3
    assert said in answer.out


def test_following_the_advice_for_two_folders_of_one_split_helps(tmp_path: Path) -> None:
    fill(tmp_path, "train", "val", "valid")
    (tmp_path / "valid").rename(tmp_path / "unlabelled")
    with collecting() as found:
        assert set(read_folder(tmp_path)) == {"train", "val"}
    assert [notice.kind for notice in found] == ["passed_over"]
    assert "folders beside the splits: 1 (unlabelled)" in found[0].text


def test_classes_may_be_called_as_splits_are(tmp_path: Path) -> None:
    for name in ("train", "bus", "plane"):  # vehicles
        picture(tmp_path / name / "0.png")
    assert read_folder(tmp_path)["train"].classes == ("bus", "plane", "train")


def test_splits_inside_classes_are_not_mixed(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for split in ("train", "test"):
            picture(tmp_path / name / split / "0.png")
    with pytest.raises(DataError, match=r"cat: holds 'test' and 'train', which look like splits; put them above"):
        read_folder(tmp_path)


def test_a_folder_that_only_wraps_another_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "outer", "photos/train", "photos/test")
    with pytest.raises(DataError, match=r"name the folder .*photos"):
        read_folder(tmp_path / "outer")
    assert set(read_folder(tmp_path / "outer" / "photos")) == {"train", "test"}


def test_what_is_passed_over_is_counted_by_kind(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", "")
    for name in ("@eaDir/0.png", ".ipynb_checkpoints/0.png", "cat/._0.png", "cat/.hidden/1.png", "cat/Thumbs.db",
                 "__MACOSX/cat/0.png", "dog/notes.txt", "dog/more.txt", "loose.png"):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no picture")
    (root / "cat" / "inner").symlink_to(root / "dog", target_is_directory=True)
    with collecting() as found:
        part = read_folder(root)["train"]
    assert part.names == ("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")
    assert [notice.kind for notice in found] == ["passed_over"]
    for said in ("hidden files: 1 (._0.png)", "hidden folders: 2", "system files: 1 (Thumbs.db)", "system folders: 2",
                 "files that are no pictures: 2 (.txt)", "links to folders: 1 (inner)",
                 "pictures outside class folders: 1 (loose.png)"):  # fmt: skip
        assert said in found[0].text


def test_links_are_never_endless_and_never_two_classes(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", "")
    (root / "cat" / "up").symlink_to(root, target_is_directory=True)
    (root / "all").symlink_to(root, target_is_directory=True)
    (root / "cat" / "circle").symlink_to(root / "cat" / "circle")
    assert read_folder(root)["train"].classes == ("cat", "dog")
    assert len(find_pictures(root)) == 4
    (root / "kitten").symlink_to(root / "cat", target_is_directory=True)
    with pytest.raises(DataError, match=r"kitten: is the same folder as 'cat', by a link; remove one"):
        read_folder(root)
    (root / "kitten").unlink()
    fill(tmp_path / "away", "", classes=("owl",))
    (root / "owl").symlink_to(tmp_path / "away" / "owl", target_is_directory=True)
    assert read_folder(root)["train"].classes == ("cat", "dog", "owl"), "a linked class is a class"


def test_train_and_test_by_a_link_to_one_folder_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "train")
    (tmp_path / "test").symlink_to(tmp_path / "train", target_is_directory=True)
    with pytest.raises(DataError, match="is the same folder as 'train'"):
        read_folder(tmp_path)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path, "")
    (root / "cat" / "locked").mkdir()
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match=r"locked: cannot be listed \(Permission denied\); make it readable"):
        read_folder(root)


def test_names_are_one_in_both_forms_of_unicode(tmp_path: Path) -> None:
    fill(tmp_path, "train", classes=(NFC, "tea"))
    fill(tmp_path, "val", classes=(NFD, "tea"))
    parts = read_folder(tmp_path)
    assert parts["train"].classes == parts["val"].classes == (NFC, "tea")
    assert parts["val"].names[0] == f"val/{NFC}/0.png"
    fill(tmp_path, "train", classes=(NFD,))
    with collecting() as found:
        assert parts["train"].classes == read_folder(tmp_path)["train"].classes
    assert [notice.kind for notice in found] == ["joined_classes"]


@pytest.mark.parametrize(("one", "other"), [("Cat", "cat"), ("0", "0.0"), ("1", "01"), ("big  dog", "big dog")])
def test_names_that_are_almost_equal_are_a_notice(tmp_path: Path, one: str, other: str) -> None:
    fill(tmp_path, "", classes=(one, other, "owl"))
    with collecting() as found:
        assert len(read_folder(tmp_path)["train"].classes) == 3
    assert [notice.kind for notice in found] == ["similar_classes"]
    assert f"'{one}'" in found[0].text
    assert f"'{other}'" in found[0].text


def test_a_class_in_another_case_in_another_split_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "train", classes=("Cat", "dog"))
    fill(tmp_path, "val", classes=("cat", "dog"))
    with pytest.raises(DataError, match="'cat' is 'Cat' there: give them one name"):
        read_folder(tmp_path)
    (tmp_path / "val" / "cat").rename(tmp_path / "val" / "Cat")
    assert set(read_folder(tmp_path)) == {"train", "val"}
    assert near_equal(["a", "b"]) == []


FORMS = {"a.jfif": "JPEG", "a.jpe": "JPEG", "a.pjpeg": "JPEG", "a.jpeg_large": "JPEG", "a": "JPEG", "b": "PNG",
         "a.avif": "AVIF", "a.jp2": "JPEG2000", "a.tga": "TGA", "a.apng": "PNG", "a.JPG": "JPEG", "a.PNG": "PNG",
         "a.ico": "ICO", "a.pbm": "PPM", "a.dib": "DIB", "a.heic": "JPEG", "2024.05.17": "PNG", "a.qoi": "QOI",
         "a.sgi": "SGI", "a.pcx": "PCX"}  # fmt: skip


@pytest.mark.parametrize(("name", "form"), FORMS.items())
def test_what_the_decoder_reads_is_taken(tmp_path: Path, name: str, form: str) -> None:
    try:
        picture(tmp_path / "x" / name, form=form)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow does not write {form}")
    assert [path.name for path in find_pictures(tmp_path)] == [name]


@pytest.mark.parametrize("name", ["a.txt", "README", "a.heic", "a.mp4", "a.pdf", "a.eps", "a.h5", "a.jpg.bak", "a.5"])
def test_what_the_decoder_does_not_read_is_counted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0 something else")
    with collecting() as found:
        assert find_pictures(tmp_path) == []
    assert "files that are no pictures: 1" in found[0].text
