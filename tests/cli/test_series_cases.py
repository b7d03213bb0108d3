"""Series as people have them, from the command line: read and forecast right, or refused with advice that helps."""

import csv
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import Answer

Run = Callable[..., Answer]
CONFIG = """\
dataset: {name: series_csv, file: s.csv, window: 14, horizon: 7, period: 7}
model: linear
optimizer: {name: adam, lr: 0.01}
train: {epochs: 3}
logging: {tensorboard: false, samples: false, pictures: false}
"""
DAYS = [date(2024, 1, 1) + timedelta(i) for i in range(200)]
GROWING = [round(50 + i + 5 * math.sin(2 * math.pi * i / 7), 2) for i in range(200)]  # the next value is about 250
STEADY = [round(100 + 40 * math.sin(2 * math.pi * i / 7) + i % 3, 2) for i in range(200)]


def write(rows: list[str], header: str = "date,sales", name: str = "s.csv") -> None:
    Path(name).write_text("\n".join([header, *rows]) + "\n")


def train(cnncli: Run, *overrides: str, name: str = "a/one") -> Answer:
    Path("s.yaml").write_text(CONFIG)
    return cnncli("train", "s.yaml", "--name", name, *overrides)


def forecast(cnncli: Run, *options: object, name: str = "a/one") -> list[dict[str, Any]]:
    answer = cnncli("forecast", "--ckpt", f"runs/{name}", "--json", *options)
    assert answer.code == 0, answer.err
    rows: list[dict[str, Any]] = answer.json["rows"]
    return rows


def refused(answer: Answer, message: str, code: int = 3) -> None:
    assert answer.code == code, answer.err
    last = answer.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert re.search(message, last), last


FORMS: dict[str, Callable[[date], str]] = {
    "ISO": lambda d: f"{d}",
    "US": lambda d: f"{d:%m/%d/%Y}",
    "German": lambda d: f"{d:%d.%m.%Y}",
    "English": lambda d: f'"{d:%b %d, %Y}"',
    "compact": lambda d: f"{d:%Y%m%d}",
    "Unix": lambda d: str((d - date(1970, 1, 1)).days * 86400),
}


def test_the_newest_first_is_learned_forwards_whatever_the_form(cnncli: Run) -> None:
    write([f"{day},{value}" for day, value in zip(DAYS, GROWING, strict=True)])
    more = ("dataset.difference=7", "train.epochs=10")
    assert train(cnncli, *more).code == 0
    right = [row["sales"] for row in forecast(cnncli, "--steps", 7)]
    assert right == pytest.approx([50 + i + 5 * math.sin(2 * math.pi * i / 7) for i in range(200, 207)], rel=0.1)
    for form, text in FORMS.items():
        write([f"{text(day)},{value}" for day, value in zip(DAYS, GROWING, strict=True)][::-1])
        answer = train(cnncli, *more, name=f"a/{form}")
        assert answer.code == 0, answer.err
        assert "note: s.csv: the lines are newest first; they are sorted by 'date'" in answer.err
        rows = forecast(cnncli, "--steps", 7, name=f"a/{form}")
        assert [row["sales"] for row in rows] == right, form
        assert [row["time"] for row in rows] == [text(DAYS[-1] + timedelta(i)).strip('"') for i in range(1, 8)]


@pytest.mark.parametrize("lost", [slice(100, 101), slice(100, 131)])
def test_a_gap_is_refused_and_the_advice_helps(cnncli: Run, lost: slice) -> None:
    rows = [f"{day},{value}" for day, value in zip(DAYS, STEADY, strict=True)]
    del rows[lost]
    write(rows)
    answer = train(cnncli)
    refused(
        answer, r"s\.csv:102: column 'date' goes from '2024-04-09' to .*set dataset\.gaps: interpolate \(or previous\)"
    )
    for how in ("interpolate", "previous"):
        answer = train(cnncli, f"dataset.gaps={how}", name=f"a/{how}")
        assert answer.code == 0, answer.err
        assert "missing values are filled" in answer.err
        assert [row["time"] for row in forecast(cnncli, "--steps", 2, name=f"a/{how}")] == ["2024-07-19", "2024-07-20"]
        assert cnncli("eval", "--ckpt", f"runs/a/{how}").code == 0


def test_columns_whose_headers_are_numbers_train(cnncli: Run) -> None:
    write([f"{d.year}/{d.month}/{d.day} 0:00,{v},{v / 2}" for d, v in zip(DAYS, STEADY, strict=True)], "date,0,OT")
    assert train(cnncli).code == 0
    rows = forecast(cnncli, "--steps", 1)
    assert {"0", "0_lower", "OT"} <= set(rows[0])
    assert rows[0]["time"] == "2024/7/19 0:00"
    assert train(cnncli, "dataset.columns=[OT]", name="a/two").code == 0


@pytest.mark.parametrize("start", [datetime(2024, 10, 23, tzinfo=UTC), datetime(2024, 3, 27, tzinfo=UTC)])
def test_daylight_saving_is_explained_and_the_advice_helps(cnncli: Run, start: datetime) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    moments = [(start + timedelta(hours=i)).astimezone(berlin) for i in range(200)]
    write([f"{moment:%Y-%m-%d %H:%M},{value}" for moment, value in zip(moments, STEADY, strict=True)])
    refused(train(cnncli), r"s\.csv:\d+: .*set dataset\.zone to the zone of these times, such as Europe/Berlin")
    assert train(cnncli, "dataset.zone=Europe/Berlin").code == 0
    local = forecast(cnncli, "--steps", 3)
    write([f"{moment.isoformat()},{value}" for moment, value in zip(moments, STEADY, strict=True)])
    assert train(cnncli, name="a/offsets").code == 0
    offsets = forecast(cnncli, "--steps", 3, name="a/offsets")
    assert [row["sales"] for row in local] == [row["sales"] for row in offsets]
    for step, (mine, other) in enumerate(zip(local, offsets, strict=True)):
        expected = (start + timedelta(hours=200 + step)).astimezone(berlin)
        assert (mine["time"], other["time"]) == (f"{expected:%Y-%m-%d %H:%M}", expected.isoformat())


SEASON = [3, 5, 9, 2, 8, 7, 1]
NOTHING = {
    "constant": [5.0] * 200,
    "seasonal": [100.0 * SEASON[i % 7] for i in range(200)],
    "millions": [1e6 * SEASON[i % 7] for i in range(200)],
    "launch": [0.0] * 150 + [float(i) for i in range(50)],
}


@pytest.mark.parametrize("kind", NOTHING)
def test_mase_of_nothing_is_left_out_and_a_perfect_baseline_is_named(cnncli: Run, kind: str) -> None:
    write([f"{day},{value}" for day, value in zip(DAYS, NOTHING[kind], strict=True)])
    answer = train(cnncli, "--json")
    assert answer.code == 0, answer.err
    assert "note: s.csv: the training part of 'sales' repeats itself exactly every 7 steps; MASE" in answer.err
    found = json.loads(answer.out)
    for values in (*found["metrics"].values(), *found["baselines"]):
        assert "mase" not in values
        assert "mae" in values
    assert found["headline"]["metric"] == "mae"
    shown = cnncli("eval", "--ckpt", "runs/a/one")
    assert shown.code == 0, shown.err
    assert ("is perfect: it makes no error on test" in shown.out) == (kind != "launch")


def test_a_monitor_that_is_not_defined_names_one_that_is(cnncli: Run) -> None:
    write([f"{day},{value}" for day, value in zip(DAYS, NOTHING["seasonal"], strict=True)])
    refused(
        train(cnncli, "checkpoint.monitor=val/mase"), r"val/mase is not defined .*set checkpoint\.monitor: val/loss"
    )
    assert train(cnncli, "checkpoint.monitor=val/loss", name="a/two").code == 0


@pytest.mark.parametrize("ids", [("A", "B"), ("1", "2")])
@pytest.mark.parametrize("order", ["one after the other", "interleaved"])
def test_several_series_are_scaled_split_and_forecast_each_by_itself(
    cnncli: Run, ids: tuple[str, str], order: str
) -> None:
    rows = [(name, f"{d}", base + v) for name, base in zip(ids, (100, 9000), strict=True)
            for d, v in zip(DAYS, STEADY, strict=True)]  # fmt: skip
    rows = sorted(rows, key=lambda row: row[1]) if order == "interleaved" else rows
    write([",".join(map(str, row)) for row in rows], "unique_id,ds,y")
    answer = train(cnncli, "dataset.columns=[y]", "train.epochs=10", "device=cpu")
    assert answer.code == 0, answer.err
    assert "2 series, told apart by 'unique_id'" in answer.err
    found = forecast(cnncli, "--steps", 10)
    assert [(row["series"], row["step"]) for row in found] == [(name, step + 1) for name in ids for step in range(10)]
    assert [row["time"] for row in found][::10] == ["2024-07-19"] * 2
    assert all(abs(row["y"] - (200 if row["series"] == ids[0] else 9100)) < 150 for row in found)
    assert all(row["y_lower"] < row["y"] < row["y_upper"] for row in found)
    assert cnncli("forecast", "--ckpt", "runs/a/one", "--steps", 2, "--out", "ahead.csv").code == 0
    with Path("ahead.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [row["series"] for row in written] == [ids[0]] * 2 + [ids[1]] * 2
    assert cnncli("eval", "--ckpt", "runs/a/one").code == 0
    write([",".join(map(str, row)) for row in rows if row[0] == ids[1]], "unique_id,ds,y", "second.csv")
    assert forecast(cnncli, "--csv", "second.csv", "--steps", 10) == found[10:]
    Path("s.csv").write_text(Path("second.csv").read_text())
    refused(
        cnncli("forecast", "--ckpt", "runs/a/one"), r"holds one series without a name; set dataset\.series: unique_id"
    )
    write(
        [f"C,{line.split(',', 1)[1]}" for line in Path("second.csv").read_text().splitlines()[1:]],
        "unique_id,ds,y",
        "c.csv",
    )
    refused(
        cnncli("forecast", "--ckpt", "runs/a/one", "--csv", "c.csv"), "the series 'C' was not there in training; known"
    )


def test_a_series_that_cannot_be_forecast_does_not_stop_the_others(cnncli: Run) -> None:
    rows = [f"{name},{day},{v}" for name in "AB" for day, v in zip(DAYS, STEADY, strict=True)]
    short = [f"tiny,{day},{v}" for day, v in zip(DAYS[:13], STEADY, strict=False)]
    write([*rows[:200], *short, *rows[200:]], "id,ds,y")
    assert train(cnncli, "dataset.log=true", "dataset.period=2").code == 0
    write(rows, "id,ds,y", "good.csv")
    expected = forecast(cnncli, "--csv", "good.csv", "--steps", 9)
    assert [row["series"] for row in expected] == ["A"] * 9 + ["B"] * 9
    for line, cause in (
        (short, "series 'tiny' has 13 steps, the network looks at 14; give more"),
        ([f"C,{day},{v}" for day, v in zip(DAYS, STEADY, strict=True)], "the series 'C' was not there in training"),
        ([f"tiny,{day},{v - 100}" for day, v in zip(DAYS, STEADY, strict=True)], "series 'tiny': the series' row"),
    ):
        write([*rows[:200], *line, *rows[200:]], "id,ds,y", "new.csv")
        answer = cnncli("forecast", "--ckpt", "runs/a/one", "--csv", "new.csv", "--steps", 9, "--json")
        assert answer.code == 3
        assert answer.json["rows"] == expected
        assert [each["series"] for each in answer.json["errors"]] == [line[0].split(",")[0]]
        assert [text for text in answer.err.splitlines() if text.startswith("error: ")] == [
            f"error: {answer.json['errors'][0]['error']}"
        ]
        assert answer.err.splitlines()[-1].startswith(f"error: new.csv: {cause}")
    answer = cnncli("forecast", "--ckpt", "runs/a/one", "--steps", 9, "--out", "ahead.csv", "--plot", "ahead.png")
    assert answer.code == 3, "the data it was trained on have a short one"
    with Path("ahead.csv").open() as file:
        assert [row["series"] for row in csv.DictReader(file)] == ["A"] * 9 + ["B"] * 9
    write(short, "id,ds,y", "new.csv")
    refused(cnncli("forecast", "--ckpt", "runs/a/one", "--csv", "new.csv"), "new.csv: series 'tiny' has 13 steps")


@pytest.mark.parametrize(
    ("header", "named", "left"),
    [
        ("step,passengers", "step", "passengers"),
        ("y,y_lower", "y_lower", "y"),
        ("series,y", "series", "y"),
    ],
)
def test_a_target_called_as_a_column_of_the_forecast_is_refused_and_the_advice_helps(
    cnncli: Run, header: str, named: str, left: str
) -> None:
    write([f"{v},{v / 2}" for v in STEADY], header)
    refused(train(cnncli), rf"a target is called '{named}', .*dataset\.targets: \[{left}\]")
    answer = train(cnncli, f"dataset.targets=[{left}]")
    assert answer.code == 0, answer.err
    assert set(forecast(cnncli, "--steps", 1)[0]) == {"step", left, f"{left}_lower", f"{left}_upper"}


def test_a_text_of_one_unknown_sign_is_refused(cnncli: Run) -> None:
    Path("t.txt").write_text("\ufffd" * 2000)
    Path("t.yaml").write_text("dataset: {name: text, path: t.txt, block: 16}\nmodel: {name: lstm, hidden: 8}\n")
    refused(cnncli("train", "t.yaml"), r"t\.txt: the training part has no character but U\+FFFD")


def test_daily_temperatures_as_they_are_on_the_web_train_by_six_lines(cnncli: Run) -> None:
    rows = [f'"{DAYS[0] + timedelta(i)}",{14 - 5 * math.sin(i / 58) + (i * 7919 % 31) / 10:.1f}' for i in range(800)]
    rows[170] = f'"{DAYS[0] + timedelta(170)}",?0.2'
    rows[400] = f'"{DAYS[0] + timedelta(400)}",?0.8'
    text = '"Date","Daily minimum temperatures"\n' + "\n".join(rows)
    Path("daily.csv").write_text(text + "\n\nDaily minimum temperatures in some town, in a country, 2024-2026\n\n")
    steps = [
        ("", r"daily\.csv:803: .* 2 columns"),
        (", footer: 1", r"daily\.csv:172: .* has '\?0\.2' .*dataset\.na_values"),
        (', footer: 1, na_values: ["?0.2", "?0.8"]', r"daily\.csv:172: .* no value; .*dataset\.gaps: interpolate"),
    ]
    config = "dataset: {{name: series_csv, file: daily.csv, window: 14, horizon: 7, period: 365{}}}\nmodel: linear\n"
    for keys, message in steps:
        Path("w.yaml").write_text(config.format(keys))
        refused(cnncli("train", "w.yaml", "train.epochs=2"), message)
    Path("w.yaml").write_text(config.format(steps[-1][0] + ", gaps: interpolate"))
    answer = cnncli("train", "w.yaml", "--name", "a/one", "train.epochs=2")
    assert answer.code == 0, answer.err
    rows_ahead = forecast(cnncli, "--steps", 2)
    assert [row["time"] for row in rows_ahead] == [f"{DAYS[0] + timedelta(800 + i)}" for i in range(2)]
    assert all(5 < row["Daily minimum temperatures"] < 25 for row in rows_ahead)
