"""Checking tables: a clean one gives nothing, and everything planted is found with its lines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Answer

Cli = Callable[..., Answer]
Plant = Callable[[pd.DataFrame], pd.DataFrame]


def rows(count: int = 400, seed: int = 1) -> pd.DataFrame:
    """A table without a fault: three columns of numbers, one of texts, and a class that depends on the first."""
    generator = np.random.default_rng(seed)
    kind = generator.integers(0, 2, count)
    return pd.DataFrame({
        "length": generator.normal(size=count).round(4) + kind, "width": generator.normal(50, 9, count).round(3),
        "height": generator.gamma(4, 3, count).round(3), "colour": generator.choice(["red", "green", "blue"], count),
        "kind": np.where(kind == 1, "yes", "no"),
    })  # fmt: skip


def write(table: pd.DataFrame, folder: Path, more: str = "", target: str = "kind", task: str = "") -> Path:
    """The table and a config for it."""
    table.to_csv(folder / "rows.csv", index=False)
    config = folder / "rows.yaml"
    config.write_text(
        f"dataset: {{name: csv, file: {folder / 'rows.csv'}, target: {target}{more}}}\nmodel: mlp\n{task}"
    )
    return config


def found(report: dict[str, Any]) -> dict[str, tuple[str, str, list[int]]]:
    """Of each kind where it was found, its column and lines."""
    both = [(where, each) for where in ("faults", "notices") for each in report[where]]
    return {each["kind"]: (where, each["column"], each["lines"]) for where, each in both}


def put(column: str, row: int | slice, value: object) -> Plant:
    def plant(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: object})
        table.loc[row, column] = value
        return table

    return plant


def test_a_clean_table_gives_no_fault_and_no_notice(cnncli: Cli, tmp_path: Path) -> None:
    answer = cnncli("data", "check", write(rows(), tmp_path), "--json")
    assert answer.code == 0, answer.err
    report = answer.json
    assert (report["faults"], report["notices"]) == ([], [])
    assert (report["kind"], report["samples"]) == ("rows", 400)
    assert report["columns"] == {"features": 4, "targets": 1, "numbers": 3, "texts": 2}
    assert {split: sum(counts.values()) for split, counts in report["splits"].items()} == report["totals"]
    assert report["totals"] == {"train": 288, "test": 80, "val": 32}
    text = cnncli("data", "check", tmp_path / "rows.yaml")
    assert "400 rows: nothing to fix" in text.out
    alone = cnncli("data", "check", tmp_path / "rows.csv", "--json")
    assert (alone.code, alone.json["faults"], alone.json["notices"]) == (0, [], [])


def test_the_splits_are_those_of_training(cnncli: Cli, tmp_path: Path) -> None:
    config = write(rows(), tmp_path)
    told = cnncli("data", "check", config, "--json").json["splits"]["test"]
    run = cnncli("train", config, "train.epochs=1", "--json", "logging.tensorboard=false", "logging.pictures=false")
    assert run.code == 0, run.err
    assert {name: each["support"] for name, each in run.json["per_class"].items()} == told


PLANTED: dict[str, tuple[Plant, str, str, list[int] | None]] = {  # kind: how, where it is told, column, lines
    "missing": (put("length", 3, ""), "faults", "length", [5]),
    "mixed": (put("width", 5, "unknown"), "faults", "width", [7]),
    "infinite": (put("height", 12, "inf"), "faults", "height", [14]),
    "outliers": (put("height", 9, 9999), "notices", "height", [11]),
    "single_row": (put("kind", 20, "maybe"), "faults", "kind", [22]),
    "similar_categories": (put("colour", slice(0, 29), "Red"), "notices", "colour", None),
    "nearly_unique": (lambda t: t.assign(note=[f"text {i}" for i in range(400)]), "faults", "note", None),
    "identifier": (lambda t: t.assign(number=range(1000, 1400)), "notices", "number", None),
    "constant": (lambda t: t.assign(site=7), "notices", "", None),
    "copy": (lambda t: t.assign(width2=t["width"]), "notices", "width2", None),
    "tells_target": (lambda t: t.assign(late=(t["kind"] == "yes") * 1), "notices", "late", None),
    "repeated_rows": (lambda t: pd.concat([t, t.iloc[30:32]]), "notices", "", [402, 403]),
    "conflict": (
        lambda t: pd.concat([t, t.iloc[40:41].assign(kind="no" if t["kind"][40] == "yes" else "yes")]),
        "faults", "", [42, 402],
    ),
    "few_rows": (lambda t: t.assign(kind=["rare" if i < 5 else k for i, k in enumerate(t["kind"])]), "notices",
                 "kind", [2, 3, 4, 5, 6]),
    "unbalanced": (lambda t: t.assign(kind=["b" if i < 40 else "a" for i in range(400)]), "notices", "", None),
    "empty_column": (lambda t: t.assign(empty=""), "faults", "empty", None),
    "similar_classes": (lambda t: t.assign(kind=["Yes" if i < 30 else k for i, k in enumerate(t["kind"])]),
                        "notices", "", None),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLANTED)
def test_what_was_planted_is_found_in_its_column_and_lines(cnncli: Cli, tmp_path: Path, kind: str) -> None:
    plant, where, column, lines = PLANTED[kind]
    answer = cnncli("data", "check", write(plant(rows()), tmp_path), "--json")
    told = found(answer.json)
    assert kind in told, told
    assert told[kind][0] == where
    assert told[kind][1] == column
    if lines is not None:
        assert told[kind][2] == lines
    assert answer.code == (3 if where == "faults" else 0)
    also = {
        "repeated_rows": {"equal_rows"},
        "single_row": {"unbalanced"},
        "few_rows": {"unbalanced"},
        "similar_classes": {"unbalanced"},
    }.get(kind, set())
    assert set(told) <= {kind, *also}, "nothing else is said"


def test_everything_planted_at_once_is_found_at_once(cnncli: Cli, tmp_path: Path) -> None:
    table = rows()
    chosen = ["missing", "mixed", "infinite", "outliers", "similar_categories", "nearly_unique", "identifier",
              "constant",
              "copy", "single_row"]  # fmt: skip
    for kind in chosen:
        table = PLANTED[kind][0](table)
    told = found(cnncli("data", "check", write(table, tmp_path), "--json").json)
    assert set(chosen) <= set(told)
    text = cnncli("data", "check", tmp_path / "rows.yaml")
    assert text.code == 3
    assert "column 'width' has 1 value among numbers that cannot be read as one: 'unknown' (line 7)" in text.out
    assert "6 faults to fix" in text.out  # the copy has the text, too


@pytest.mark.parametrize("missing", ["fill", "drop"])
def test_what_the_config_fills_or_drops_is_a_notice(cnncli: Cli, tmp_path: Path, missing: str) -> None:
    table = put("colour", 4, "")(put("length", 3, "")(rows()))
    answer = cnncli("data", "check", write(table, tmp_path, f", missing: {missing}"), "--json")
    assert answer.code == 0, answer.out
    assert [(each["kind"], each["lines"]) for each in answer.json["notices"]] == [("missing", [5]), ("missing", [6])]


def test_the_advice_on_missing_values_helps(cnncli: Cli, tmp_path: Path) -> None:
    config = write(put("length", 3, "")(rows()), tmp_path)
    answer = cnncli("data", "check", config)
    assert "set dataset.missing: fill or drop" in answer.out
    config.write_text(config.read_text().replace("target:", "missing: fill, target:"))
    assert cnncli("data", "check", config).code == 0


def test_a_split_by_date_is_a_drift_and_unseen_texts_are_named(cnncli: Cli, tmp_path: Path) -> None:
    table = rows().assign(day=np.arange(400) * 1.5, part=["train"] * 300 + ["test"] * 100)
    table.loc[330:, "colour"] = "violet"
    report = cnncli("data", "check", write(table, tmp_path, ", split_column: part"), "--json").json
    drifts = {each["column"]: each["text"] for each in report["notices"] if each["kind"] == "drift"}
    assert "is above all training values in all test rows: 450 to 598.5" in drifts["day"]
    assert "that training has not, such as 'violet'" in drifts["colour"]
    assert [each["kind"] for each in report["faults"]] == ["refused"]  # training would stop at the colour


def test_rows_of_the_test_part_that_were_learned_are_a_fault_where_they_are_many(cnncli: Cli, tmp_path: Path) -> None:
    table = rows().assign(part=["train"] * 300 + ["test"] * 100)
    table.iloc[300:303, :5] = table.iloc[0:3, :5]
    config = write(table, tmp_path, ", split_column: part")
    few = found(cnncli("data", "check", config, "--json").json)
    assert few["equal_rows"][0] == "notices"
    table.iloc[300:340, :5] = table.iloc[0:40, :5]
    write(table, tmp_path, ", split_column: part")
    answer = cnncli("data", "check", config, "--json")
    assert answer.code == 3
    lines = found(answer.json)["leak"][2]
    assert 30 <= len(lines) < 40  # some of the others went to validation
    assert set(lines) <= set(range(302, 342))


def test_equal_rows_of_few_different_values_are_no_fault(cnncli: Cli, tmp_path: Path) -> None:
    """Passengers by class and sex are equal by nature, with either outcome."""
    generator = np.random.default_rng(0)
    table = pd.DataFrame({name: generator.choice(["a", "b"], 200) for name in ("one", "two", "kind")})
    answer = cnncli("data", "check", write(table, tmp_path), "--json")
    assert answer.code == 0
    assert {"conflict", "equal_rows"} <= {each["kind"] for each in answer.json["notices"]}


def test_keys_that_are_there_twice_are_all_named(cnncli: Cli, tmp_path: Path) -> None:
    table = rows().assign(key=[f"k{i}" for i in range(400)])
    table.loc[[7, 9], "key"] = "k1"
    answer = cnncli("data", "check", write(table, tmp_path, ", key: key"), "--json")
    assert answer.code == 3
    assert found(answer.json) == {"repeated_key": ("faults", "key", [9, 11])}


def test_numbers_to_learn_are_checked_as_well(cnncli: Cli, tmp_path: Path) -> None:
    table = rows().assign(price=lambda t: t["width"] * 2 + 1)
    config = write(table, tmp_path, target="price", task="task: regression\n")
    told = found(cnncli("data", "check", config, "--json").json)
    assert told["tells_target"] == ("notices", "width", [])
    table = put("price", 8, "cheap")(table)
    answer = cnncli("data", "check", write(table, tmp_path, target="price", task="task: regression\n"), "--json")
    assert answer.code == 3
    assert found(answer.json)["mixed"] == ("faults", "price", [10])


def test_a_table_alone_is_checked_without_a_config(cnncli: Cli, tmp_path: Path) -> None:
    table = rows()
    for kind in (
        "missing",
        "mixed",
        "outliers",
        "similar_categories",
        "nearly_unique",
        "identifier",
        "constant",
        "copy",
    ):
        table = PLANTED[kind][0](table)
    write(pd.concat([table, table.iloc[:1]]), tmp_path)
    answer = cnncli("data", "check", tmp_path / "rows.csv", "--json")
    assert answer.code == 0  # what becomes of it is for a config to say
    kinds = {each["kind"] for each in answer.json["notices"]}
    assert kinds >= {"missing", "mixed", "outliers", "similar_categories", "nearly_unique", "constant", "copy",
                     "repeated_rows"}  # fmt: skip
    assert answer.json["splits"] == {"train": {"rows": 401}}


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n3\n", b'a,b\n"1,2\n'])
def test_a_file_that_is_no_table_is_a_fault_of_the_report(cnncli: Cli, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    answer = cnncli("data", "check", tmp_path / "rows.csv", "--json")
    assert answer.code == 3
    (fault,) = answer.json["faults"]
    assert fault["kind"] == "refused"
    assert "rows.csv" in fault["text"]


def test_many_findings_are_cut_short_for_people_and_whole_for_programs(cnncli: Cli, tmp_path: Path) -> None:
    table = rows()
    for number in range(60):
        table[f"c{number}"] = table["width"] + number
        table.loc[number, f"c{number}"] = np.nan
    config = write(table, tmp_path)
    assert len(cnncli("data", "check", config, "--json").json["faults"]) == 60
    text = cnncli("data", "check", config)
    assert "more (--json has all)" in text.out
    assert "60 faults to fix" in text.out


def test_tables_of_the_package_can_be_checked(cnncli: Cli, tmp_path: Path) -> None:
    (tmp_path / "iris.yaml").write_text("dataset: iris\nmodel: mlp\n")
    answer = cnncli("data", "check", tmp_path / "iris.yaml", "--json")
    assert answer.code == 0
    assert {each["kind"] for each in answer.json["notices"]} == {"repeated_rows", "equal_rows"}  # as is well known
