"""The sets that need no file: scikit-learn's tables, rows made from a known line, letters of 5×5 pixels."""

import math
from typing import Any

import pytest
import torch

from cnncli.core.errors import ConfigError
from cnncli.core.registry import datasets
from cnncli.data.letters import ALPHABET, letter_picture
from cnncli.data.sources import ArraySource
from cnncli.data.tables import TableData
from tests.data.test_tables import opened_raw, rows_of, table_of


@pytest.mark.parametrize(
    ("name", "classes", "shape", "samples"),
    [
        ("iris", ("setosa", "versicolor", "virginica"), (4,), 150),
        ("wine", ("class_0", "class_1", "class_2"), (13,), 178),
        ("breast_cancer", ("benign", "malignant"), (30,), 569),
    ],
)
def test_the_small_tables_have_their_classes(
    name: str, classes: tuple[str, ...], shape: tuple[int, ...], samples: int
) -> None:
    raw = datasets.build(name)
    assert isinstance(raw, TableData)
    answer = opened_raw(raw)
    assert (answer.spec.classes, answer.spec.input_shape) == (classes, shape)
    assert sum(len(source) for source in answer.sources.values()) == samples


def test_diabetes_keeps_its_units() -> None:
    answer = opened_raw(datasets.build("diabetes"), "numbers")
    table = table_of(answer)
    assert table.targets == ("progression",)
    age = next(column for column in table.columns if column.name == "age")
    assert 40 < age.mean < 60, "years"
    assert sum(len(source) for source in answer.sources.values()) == 442


def test_synthetic_rows_lie_on_the_line_that_they_were_made_from() -> None:
    raw = datasets.build("synthetic_linear", weights=[1.5, -2.0, 0.5], bias=3.0, noise=0.1, samples=2000)
    answer = opened_raw(raw, "numbers", val_fraction=0.0, normalize="none")
    assert table_of(answer).truth == (1.5, -2.0, 0.5, 3.0)
    rows = rows_of(answer, "train")
    assert {split: len(source) for split, source in answer.sources.items()} == {"train": 2000, "test": 200}
    inputs = torch.cat([rows.inputs, torch.ones(2000, 1)], dim=1).double()
    found = torch.linalg.lstsq(inputs, rows.targets).solution.flatten()
    assert found.tolist() == pytest.approx([1.5, -2.0, 0.5, 3.0], abs=0.01)
    rest = (rows.targets.flatten() - inputs @ torch.tensor([1.5, -2.0, 0.5, 3.0]).double()).std().item()
    assert rest == pytest.approx(0.1, rel=0.1)
    again = datasets.build("synthetic_linear", weights=[1.5, -2.0, 0.5], bias=3.0, noise=0.1, samples=2000)
    assert raw.frame.equals(again.frame)
    assert not raw.frame.equals(datasets.build("synthetic_linear", weights=[1.5, -2.0, 0.5], seed=1).frame)
    assert [c.name for c in table_of(answer).columns] == ["x1", "x2", "x3"]


def letters(letter: str | None) -> tuple[Any, ArraySource, ArraySource]:
    raw = datasets.build("letters5x5", letter=letter)
    assert isinstance(raw.train, ArraySource)
    assert isinstance(raw.test, ArraySource)
    return raw, raw.train, raw.test


def test_the_letters_are_far_enough_apart() -> None:
    pictures = torch.stack([letter_picture(name).flatten() > 0 for name in ALPHABET]).int()
    distances = (pictures[:, None] != pictures[None]).sum(-1)
    distances.fill_diagonal_(25)
    assert len(ALPHABET) == 26
    assert distances.min() >= 3, "else a flip of one letter were a flip of another"
    assert distances["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index("X")].min() >= 4


def test_letters_are_learned_clean_and_flipped_and_tested_on_other_flips() -> None:
    raw, train, test = letters(None)
    assert raw.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert (len(train), len(test)) == (26 + 26 * 25 // 2, 26 * 25 // 2)
    assert train.inputs.dtype == torch.uint8
    assert train.inputs.shape[1:] == (1, 5, 5)
    assert set(train.inputs.unique().tolist()) == {0, 255}
    seen: dict[str, list[int]] = {}
    for part in (train, test):
        for picture, target in zip(part.inputs, part.targets.tolist(), strict=True):
            flips = int((picture != letter_picture(raw.classes[target])).sum())
            assert flips == 1 or (flips == 0 and part is train)
            seen.setdefault(str(picture.flatten().tolist()), []).append(target)
    assert len(seen) == 26 * 26, "every picture is there once, and in one part alone"
    assert math.isclose(min(torch.bincount(test.targets).tolist()), 12)
    assert torch.equal(letters(None)[1].inputs, train.inputs)


def test_one_letter_is_told_from_all_others() -> None:
    raw, train, test = letters("X")
    assert raw.classes == ("other", "X")
    assert torch.equal(train.inputs, letters(None)[1].inputs)
    assert int(train.targets.sum()) + int(test.targets.sum()) == 26
    assert torch.equal(train.inputs[train.targets == 1][0], letter_picture("X"))
    with pytest.raises(ConfigError, match="letter"):
        datasets.build("letters5x5", letter="x")
