"""Where a class has too few pictures, 'data split' names what to ask for, and that works."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer
from tests.curate.test_check import textures

Cli = Callable[..., Answer]


@pytest.mark.parametrize(
    ("counts", "given", "advised"),
    [
        ({"a": 2, "b": 9}, [], "--val 0 --test 0.1"),
        ({"a": 2, "b": 9}, ["--val", "0.2", "--test", "0.3"], "--val 0 --test 0.3"),
        ({"a": 1, "b": 9}, [], "--val 0 --test 0"),
        ({"a": 1, "b": 1}, ["--val", "0"], "--val 0 --test 0"),
        ({"a": 1, "b": 5}, ["--test", "0"], "--val 0 --test 0"),
    ],
)
def test_too_few_pictures(cnncli: Cli, counts: dict[str, int], given: list[str], advised: str) -> None:
    textures(Path("photos"), counts)
    answer = cnncli("data", "split", "photos", "out", *given)
    assert answer.code == 3
    assert "class 'a' has too few unlike pictures for " in answer.err
    found = re.search(r"add some, or ask for less: (--val \S+ --test \S+)", answer.err)
    assert found is not None
    assert found[1] == advised
    helped = cnncli("data", "split", "photos", "out", *found[1].split(), "--json")
    assert helped.code == 0, helped.err
    assert helped.json["pictures"] == sum(counts.values())
    assert all(set(classes) == set(counts) for classes in helped.json["splits"].values())


def test_copies_count_as_one(cnncli: Cli) -> None:
    textures(Path("photos"), {"a": 2, "b": 9})
    for copy in range(6):
        shutil.copy("photos/a/00.png", f"photos/a/copy{copy}.png")
    answer = cnncli("data", "split", "photos", "out")
    assert "class 'a' has too few unlike pictures" in answer.err
    assert "ask for less: --val 0 --test 0.1" in answer.err
    assert cnncli("data", "split", "photos", "out", "--val", "0", "--test", "0.1").code == 0
