"""What training says by itself of data that are worth a look."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cnncli.config.sections import DatasetConfig
from cnncli.core.notices import collecting
from cnncli.data import build_data
from tests.conftest import Answer
from tests.curate.test_check_series import steps
from tests.curate.test_check_series import write as write_series
from tests.curate.test_check_tables import rows
from tests.curate.test_check_tables import write as write_table
from tests.curate.test_check_texts import lines

Cli = Callable[..., Answer]
QUIET = ("train.epochs=1", "logging.tensorboard=false", "logging.pictures=false", "logging.samples=false")


def told(wants: str, **dataset: object) -> dict[str, str]:
    with collecting() as found:
        build_data(DatasetConfig.model_validate(dataset), lambda items, total, what: items, wants=wants)
    return {each.kind: each.text for each in found}


def of_table(table: pd.DataFrame, folder: Path, **more: object) -> dict[str, str]:
    write_table(table, folder)
    return told("classes", name="csv", file=str(folder / "rows.csv"), target="kind", **more)


def test_clean_data_are_trained_on_without_a_note(cnncli: Cli, tmp_path: Path) -> None:
    assert of_table(rows(), tmp_path) == {}
    write_series(steps(), tmp_path)
    file = str(tmp_path / "series.csv")
    assert told("windows", name="series_csv", file=file, window=14, horizon=7, period=7) == {}
    (tmp_path / "text.txt").write_text("\n".join(lines()))
    assert told("characters", name="text", path=str(tmp_path / "text.txt")) == {}
    answer = cnncli("train", write_table(rows(), tmp_path), *QUIET)
    assert answer.code == 0
    assert "note:" not in answer.err


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_known_tables_are_trained_on_without_a_note_of_a_glance(name: str) -> None:
    assert told("classes", name=name) == {}


def test_a_value_far_from_all_others_is_told(cnncli: Cli, tmp_path: Path) -> None:
    table = rows(2000)
    table.loc[3, "width"] = 1e6
    answer = cnncli("train", write_table(table, tmp_path), *QUIET)
    assert "note: " in answer.err
    assert "more than 30 deviations from the mean in column 'width'; data check names them" in answer.err
    named = cnncli("data", "check", tmp_path / "rows.yaml", "--json").json["notices"]
    assert ("outliers", [5]) in [(each["kind"], each["lines"]) for each in named]  # the advice helps


def test_contradicting_rows_and_single_ones_are_told(tmp_path: Path) -> None:
    table = rows()
    table.loc[5, "kind"] = "perhaps"
    table = pd.concat([table, table.iloc[:60].assign(kind="other")], ignore_index=True)
    found = of_table(table, tmp_path, test_fraction=0.0)
    assert "the same features and different classes" in found["conflict"]
    assert found["single_sample"].endswith("1 classes have one training sample only: 'perhaps'")
    assert "'perhaps'" in found["unbalanced"]


def test_a_split_by_time_that_drifts_is_told(tmp_path: Path) -> None:
    table = rows().assign(part=["train"] * 300 + ["test"] * 100)
    table.loc[300:, "width"] += 100
    found = of_table(table, tmp_path, split_column="part")
    assert "the test part is more than 3 deviations from the level of training in column 'width'" in found["drift"]


def test_a_series_at_another_level_and_a_text_of_lost_characters_are_told(tmp_path: Path) -> None:
    table = steps()
    table.loc[480:, "temp"] += 30
    write_series(table, tmp_path)
    found = told("windows", name="series_csv", file=str(tmp_path / "series.csv"), window=14, horizon=7, period=7)
    assert "the test part" in found["drift"]
    assert "'temp'" in found["drift"]
    own = lines()
    own[5] += "\ufffd" * 300
    own[795] += "☃" * 100
    (tmp_path / "text.txt").write_text("\n".join(own))
    found = told("characters", name="text", path=str(tmp_path / "text.txt"))
    assert "of the test part are characters that training has not" in found["unknown_characters"]


def test_equal_rows_of_few_different_values_are_no_conflict(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame({name: generator.choice(["a", "b"], 200) for name in ("one", "two", "kind")})
    assert "conflict" not in of_table(table, tmp_path)
