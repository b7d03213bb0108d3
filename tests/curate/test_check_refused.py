"""A set of pictures that is refused as a whole: a report with the cause, and with what is wrong with its files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer
from tests.curate.test_check import textures

Cli = Callable[..., Answer]
LINES = [f"{name}/{i:02d}.png,{name}" for name in "ab" for i in range(4)]


def listing(first: str, lines: list[str]) -> None:
    Path("photos/list.csv").write_text("\n".join([first, *lines]) + "\n")


def check(cnncli: Cli, keys: str = "") -> Answer:
    Path("c.yaml").write_text(f"dataset: {{name: image_csv, file: photos/list.csv, image_size: 8{keys}}}\nmodel: mlp\n")
    return cnncli("data", "check", "c.yaml", "--json")


def texts(report: dict[str, Any]) -> dict[str, str]:
    return {fault["kind"]: fault["text"] for fault in report["faults"]}


@pytest.mark.parametrize(
    ("folders", "cause"),
    [
        ([""], "no pictures in class folders; 'cnncli data split'"),
        (["train/a", "train/b", "training/a"], "'train' and 'training' are both train folders"),
        (["train/a", "train/b", "test/a", "testing2/a"], "the folder 'testing2' looks like a split"),
        (["test/a", "test/b"], "has test but no train folder; add one"),
        (["a/train/x", "a/test/x", "b/train/x"], "holds 'test' and 'train', which look like splits"),
    ],
)
def test_a_folder_with_a_wrong_layout(cnncli: Cli, folders: list[str], cause: str) -> None:
    textures(Path("photos"), dict.fromkeys(folders, 3))
    Path("photos", folders[0], "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    answer = cnncli("data", "check", "photos", "--json")
    assert answer.code == 3, answer.err
    found = texts(answer.json)
    assert set(found) == {"refused", "unreadable"}
    assert cause in found["refused"]
    assert answer.json["pictures"] == 3 * len(folders) + 1
    assert cause in cnncli("data", "check", "photos").out


def test_a_folder_that_cannot_be_listed(cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    textures(Path("photos"), {"a": 3, "b": 3, "b/locked": 2})
    scandir, locked = os.scandir, {"locked"}

    def refusing(path: Any = ".") -> Any:
        if Path(os.fspath(path)).name in locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    answer = cnncli("data", "check", "photos", "--json")
    assert answer.code == 3
    assert "photos/b/locked: cannot be listed (Permission denied)" in texts(answer.json)["refused"]
    assert answer.json["pictures"] == 6
    locked.add("photos")
    nothing = cnncli("data", "check", "photos", "--json")
    assert (nothing.code, nothing.out) == (3, "")
    assert nothing.err.count("error: ") == 1


@pytest.mark.parametrize(
    ("first", "lines", "keys", "cause"),
    [
        ("file_name,label", LINES, "", "has no column 'path'; 'file_name' holds the files"),
        ("path,class", LINES, "", "has no column 'label'; set dataset.label: class"),
        ("path,label", LINES, ", group: patient", "has no column 'patient'"),
        ("path,label", [*LINES[:-1], "b/03.png,"], "", "list.csv:9: column 'label' is empty"),
        ("path,label", [*LINES, ",b"], "", "list.csv:10: column 'path' is empty"),
        ("path,label,s", [f"{line},x" for line in LINES], ", split_column: s", "list.csv:2: column 's' has 'x'"),
        ("path,label,s", [f"{line},test" for line in LINES], ", split_column: s", "no row is of the train split"),
        ("path,label", [f"{line[:-1]}{n / 7}" for n, line in enumerate(LINES)], "", "set task: regression"),
    ],
)
def test_a_table_with_a_wrong_column(cnncli: Cli, first: str, lines: list[str], keys: str, cause: str) -> None:
    textures(Path("photos"), {"a": 4, "b": 4})
    Path("photos/a/00.png").write_bytes(b"no picture")
    listing(first, lines)
    answer = check(cnncli, keys)
    assert answer.code == 3, answer.err
    found = texts(answer.json)
    assert set(found) == {"refused", "unreadable"}
    assert cause in found["refused"]
    assert answer.json["pictures"] == 8


@pytest.mark.parametrize(
    ("content", "keys"), [("", ""), ("path,label\na/00.png,a,b,c\n", ""), ("path,label\na.png,a\n", ", root: gone")]
)
def test_where_nothing_can_be_read_one_line_says_so(cnncli: Cli, content: str, keys: str) -> None:
    Path("photos").mkdir()
    Path("photos/list.csv").write_text(content)
    answer = check(cnncli, keys)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.count("error: ") == 1
