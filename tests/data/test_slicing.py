"""Which slices the columns and folders of data make."""

import pandas as pd
import pytest

from cnncli.core.errors import DataError
from cnncli.data.number_forms import PLAIN
from cnncli.data.slicing import MOST_SLICES, by_names, slices_of


def counted(column: list[object], numeric: bool, na: tuple[str, ...] = ()) -> tuple[dict[str, int], str]:
    found = slices_of(pd.Series(column), "c", "t.csv", PLAIN if numeric else None, na)
    return {name: int((found.index == number).sum()) for number, name in enumerate(found.names)}, found.note


def test_texts_and_few_numbers_are_slices_as_they_are_and_missing_ones_are_one_too() -> None:
    assert counted(["b", "a", None, "b", " "], numeric=False) == ({"a": 1, "b": 2, "(missing)": 2}, "")
    assert counted([10.0, 2.0, float("nan"), 10.0], numeric=True) == ({"2": 1, "10": 2, "(missing)": 1}, "")
    assert counted(["x", "NA"], numeric=False, na=("NA",)) == ({"x": 1, "(missing)": 1}, "")


def test_many_numbers_are_cut_at_their_quantiles_and_said_to_be() -> None:
    counts, note = counted([*range(1, 101), float("nan")], numeric=True)
    assert counts == {"1 to 20": 20, "21 to 40": 20, "41 to 60": 20, "61 to 80": 20, "81 to 100": 20, "(missing)": 1}
    assert "100 different numbers" in note
    assert "5 groups" in note


def test_a_number_that_comes_often_is_a_group_and_names_tell_groups_apart() -> None:
    counts, note = counted([0] * 80 + list(range(1, 21)), numeric=True)
    assert counts == {"0": 80, "1 to 20": 20}
    assert "2 groups" in note
    close = [1_000_000 + n / 1000 for n in range(50)]
    assert len(counted(close, numeric=True)[0]) == 5


def test_a_column_of_too_many_texts_is_told_to_be_so() -> None:
    with pytest.raises(DataError, match="'name' has 201 different values in 201 samples") as error:
        by_names([str(n) for n in range(MOST_SLICES + 1)], "name", "t.csv")
    assert "choose a column with fewer" in str(error.value)
    assert len(by_names([str(n) for n in range(MOST_SLICES)], "name", "t.csv").names) == MOST_SLICES


def test_numbers_with_a_wrong_cell_are_texts() -> None:
    assert counted(["1", "x", "2"], numeric=True)[0] == {"1": 1, "2": 1, "x": 1}
