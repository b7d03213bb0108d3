"""Checking series: a clean one gives nothing, and everything planted is found with its lines or times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Answer

Cli = Callable[..., Answer]
Plant = Callable[[pd.DataFrame], pd.DataFrame]
STEPS = 600


def steps(seed: int = 1) -> pd.DataFrame:
    """Two daily series without a fault: one with a week's season, one of noise."""
    generator = np.random.default_rng(seed)
    season = 10 + 3 * np.sin(2 * np.pi * np.arange(STEPS) / 7)
    return pd.DataFrame({
        "date": pd.date_range("2023-01-01", periods=STEPS, freq="D").astype(str),
        "load": (season + generator.normal(0, 0.5, STEPS)).round(3),
        "temp": (20 + generator.normal(0, 1, STEPS)).round(3),
    })  # fmt: skip


def write(table: pd.DataFrame, folder: Path, keys: str = "period: 7") -> Path:
    table.to_csv(folder / "series.csv", index=False)
    config = folder / "series.yaml"
    file = folder / "series.csv"
    config.write_text(f"dataset: {{name: series_csv, file: {file}, window: 14, horizon: 7, {keys}}}\nmodel: linear\n")
    return config


def found(report: dict[str, Any]) -> dict[str, tuple[str, str, list[int]]]:
    both = [(where, each) for where in ("faults", "notices") for each in report[where]]
    return {each["kind"]: (where, each["column"], each["lines"]) for where, each in both}


def put(column: str, at: int | slice, value: object) -> Plant:
    def plant(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: object})
        table.loc[at, column] = value
        return table

    return plant


def shifted(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[480:, "temp"] += 30
    return table


def wilder(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[480:, "temp"] = 20 + 9 * (table.loc[480:, "temp"] - 20)
    return table


PLANTED: dict[str, tuple[Plant, str, str, list[int] | None]] = {
    "missing": (put("load", 20, ""), "faults", "load", [22]),
    "mixed": (put("load", 30, "n/a"), "faults", "load", [32]),
    "infinite": (put("load", 33, "inf"), "faults", "load", [35]),
    "gap": (lambda t: t.drop(index=[200, 201, 300]), "faults", "date", [202, 300]),
    "repeated_time": (lambda t: pd.concat([t, t.iloc[[-1]]]), "faults", "date", [602]),
    "sorted": (lambda t: t.iloc[::-1], "notices", "", None),
    "outliers": (put("temp", 50, 500), "notices", "temp", None),
    "still": (put("temp", slice(100, 150), 20.5), "notices", "temp", None),
    "level_shift": (shifted, "notices", "temp", None),
    "scale_change": (wilder, "notices", "temp", None),
    "constant": (lambda t: t.assign(site=7), "notices", "site", None),
    "copy": (lambda t: t.assign(temp2=t["temp"]), "notices", "temp2", None),
    "mase_undefined": (lambda t: t.assign(exact=np.arange(STEPS) % 7), "notices", "", None),
}  # fmt: skip


@pytest.mark.parametrize("keys", ["period: 7", "period: 7, targets: [load], difference: 7"])
def test_a_clean_series_gives_no_fault_and_no_notice(cnncli: Cli, tmp_path: Path, keys: str) -> None:
    answer = cnncli("data", "check", write(steps(), tmp_path, keys), "--json")
    assert answer.code == 0, answer.err
    report = answer.json
    assert (report["faults"], report["notices"]) == ([], [])
    assert (report["kind"], report["samples"], report["series"]) == ("series", STEPS, 1)
    assert report["totals"] == {"train": 432, "val": 48, "test": 120}
    assert (report["from"], report["to"]) == ("2023-01-01", "2024-08-22")
    assert "600 steps: nothing to fix" in cnncli("data", "check", tmp_path / "series.yaml").out


@pytest.mark.parametrize("kind", PLANTED)
def test_what_was_planted_is_found(cnncli: Cli, tmp_path: Path, kind: str) -> None:
    plant, where, column, lines = PLANTED[kind]
    answer = cnncli("data", "check", write(plant(steps()), tmp_path), "--json")
    told = found(answer.json)
    assert kind in told, answer.out
    assert told[kind][:2] == (where, column)
    if lines is not None:
        assert told[kind][2] == lines
    assert answer.code == (3 if where == "faults" else 0)
    also = {"repeated_time": {"sorted"}, "constant": {"mase_undefined"}}.get(kind, set())
    assert set(told) <= {kind, *also}, answer.out


def test_everything_planted_at_once_is_found_at_once(cnncli: Cli, tmp_path: Path) -> None:
    table = steps()
    chosen = ["missing", "mixed", "outliers", "still", "level_shift", "gap", "repeated_time"]
    for kind in ["level_shift", *(kind for kind in chosen if kind != "level_shift")]:
        table = PLANTED[kind][0](table)
    answer = cnncli("data", "check", write(table, tmp_path), "--json")
    assert answer.code == 3
    assert set(chosen) <= set(found(answer.json))


def test_the_advice_on_gaps_and_words_helps(cnncli: Cli, tmp_path: Path) -> None:
    table = PLANTED["gap"][0](PLANTED["mixed"][0](steps()))
    answer = cnncli("data", "check", write(table, tmp_path))
    assert "3 steps (day) missing in 2 gaps before lines 202, 300" in answer.out
    assert "dataset.na_values" in answer.out
    assert "dataset.gaps: interpolate" in answer.out
    config = write(table, tmp_path, "period: 7, gaps: interpolate, na_values: ['n/a']")
    answer = cnncli("data", "check", config, "--json")
    assert answer.code == 0
    assert [each["kind"] for each in answer.json["notices"]] == ["gaps"]


def test_a_period_that_is_not_the_season_is_noticed(cnncli: Cli, tmp_path: Path) -> None:
    answer = cnncli("data", "check", write(steps(), tmp_path, "period: 5"), "--json")
    assert answer.code == 0
    (notice,) = answer.json["notices"]
    assert (notice["kind"], notice["column"]) == ("period", "load")
    assert "repeats itself every 7 steps" in notice["text"]
    assert cnncli("data", "check", write(steps(), tmp_path, "period: 14"), "--json").json["notices"] == []


def test_values_without_a_logarithm_are_a_fault(cnncli: Cli, tmp_path: Path) -> None:
    table = put("load", 77, -1)(put("load", 70, 0)(steps()))
    answer = cnncli("data", "check", write(table, tmp_path, "period: 7, log: true"), "--json")
    assert answer.code == 3
    faults = {each["kind"]: each["text"] for each in answer.json["faults"]}
    assert "2 values not above 0" in faults["not_positive"]
    assert "2023-03-12, 2023-03-19" in faults["not_positive"]


def test_a_series_that_is_too_short_for_its_windows_is_a_fault(cnncli: Cli, tmp_path: Path) -> None:
    answer = cnncli("data", "check", write(steps().iloc[:40], tmp_path), "--json")
    assert answer.code == 3
    (fault,) = answer.json["faults"]
    assert fault["kind"] == "refused"
    assert "too few for a window of 14" in fault["text"]


def test_of_several_series_the_one_is_named(cnncli: Cli, tmp_path: Path) -> None:
    table = pd.concat([steps(1).assign(id="north"), steps(2).assign(id="south")])
    config = write(table, tmp_path, "period: 7, series: id")
    report = cnncli("data", "check", config, "--json").json
    assert (report["faults"], report["notices"], report["series"]) == ([], [], 2)
    assert report["splits"]["test"] == {"north": 120, "south": 120}
    south = PLANTED["gap"][0](PLANTED["outliers"][0](steps(2))).assign(id="south")
    answer = cnncli("data", "check", write(pd.concat([steps(1).assign(id="north"), south]), tmp_path,
                                           "period: 7, series: id"), "--json")  # fmt: skip
    told = found(answer.json)
    assert told["gap"] == ("faults", "date", [802, 900])
    (outlier,) = (each for each in answer.json["notices"] if each["kind"] == "outliers")
    assert "column 'temp' of series 'south' has 1 value far from the neighbours: 500, at 2023-02-20" in outlier["text"]


def test_a_series_without_times_is_told_by_steps(cnncli: Cli, tmp_path: Path) -> None:
    table = PLANTED["outliers"][0](steps()).drop(columns="date")
    answer = cnncli("data", "check", write(table, tmp_path), "--json")
    assert found(answer.json) == {"order": ("notices", "", []), "outliers": ("notices", "temp", [51])}


@pytest.mark.parametrize("content", ["", "nothing here\n", "date,load\n2023-01-01,5\n"])
def test_a_file_that_is_no_series_is_a_fault_of_the_report(cnncli: Cli, tmp_path: Path, content: str) -> None:
    config = write(steps(), tmp_path)
    (tmp_path / "series.csv").write_text(content)
    answer = cnncli("data", "check", config, "--json")
    assert answer.code == 3
    assert [each["kind"] for each in answer.json["faults"]] == ["refused"]
