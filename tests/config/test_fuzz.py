"""Mutated configs, the same ones each time: all load, or are refused in lines, and nothing is written."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.config.fuzz import FINE, limits, outcome, set_up
from tests.config.mutate import Case, case, sweep

COUNT = int(os.environ.get("CNNCLI_FUZZ", "400"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files that the configs name."""
    folder = tmp_path / "here"
    set_up(folder)
    monkeypatch.chdir(folder)
    with limits():
        yield folder


def answers(cases: Iterable[Case], folder: Path) -> list[str]:
    """The outcome of each, and of those that are not fine what was tried."""
    outcomes = ((outcome(tried, folder), tried) for tried in cases)
    return [answer if answer in FINE else f"{answer}: {tried}" for answer, tried in outcomes]


def test_every_mutation_loads_or_is_refused_in_lines(folder: Path) -> None:
    assert set(answers(map(case, range(COUNT)), folder)) == set(FINE)


@pytest.mark.slow
def test_every_value_in_every_place_loads_or_is_refused_in_lines(folder: Path) -> None:
    assert set(answers(islice(sweep(), 0, None, 499), folder)) == set(FINE)


def test_a_mutation_depends_on_its_number_alone() -> None:
    assert case(7) == case(7)
    assert len({case(number).content for number in range(50)}) > 40
