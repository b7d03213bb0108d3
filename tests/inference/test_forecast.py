"""Beyond the end of a series: the network's own answers in the data's unit, and errors in one line."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnncli.inference.predictor import load_predictor
from tests.conftest import Answer

Run = Callable[..., Answer]
WINDOW, HORIZON = 12, 6
CONFIG = """\
name: series
dataset: {{name: series_csv, file: series.csv, window: 12, horizon: 6, period: 12, batch_size: 16, {data}}}
model: {{name: mlp, hidden: [8]}}
optimizer: {{name: adam, lr: 0.01}}
train: {{epochs: 3}}
logging: {{tensorboard: false, samples: false, pictures: false}}
"""
MONTHS = [f"{year}-{month:02}" for year in range(1955, 1961) for month in range(1, 13)]
FIRST, DAY, HOUR = np.datetime64("2021-01-01"), np.timedelta64(1, "D"), np.timedelta64(1, "h")


def passengers(number: int, scale: float = 1.0) -> float:
    """Grows, and swings with the year."""
    wave = 1 + 0.2 * math.sin(2 * math.pi * number / 12) + 0.03 * math.sin(number**2)
    return round(scale * (100 + 2 * number) * wave, 3)


def write_series(name: str = "series.csv", scale: float = 1.0, extra: bool = False, times: list[str] | None = None,
                 ahead: list[float] | None = None) -> Path:  # fmt: skip
    """A file of months and passengers, with a second column ``trains`` if ``extra``, longer by ``ahead``."""
    stamps = MONTHS if times is None else times
    values = [passengers(number, scale) for number in range(len(stamps))]
    stamps, values = [*stamps, *(f"{1961 + i // 12}-{i % 12 + 1:02}" for i in range(len(ahead or [])))], [
        *values, *(ahead or [])]  # fmt: skip
    rows = [[stamp, repr(value)] for stamp, value in zip(stamps, values, strict=True)]
    if extra:
        rows = [[*row, repr(500 - 2 * number + number % 5)] for number, row in enumerate(rows)]
    lines = [["month", "passengers", *(["trains"] if extra else [])], *rows]
    Path(name).write_text("".join(",".join(line) + "\n" for line in lines))
    return Path(name)


def trained(cnncli: Run, data: str = "log: true, difference: 12", **options: Any) -> Path:
    write_series(**options)
    Path("series.yaml").write_text(CONFIG.format(data=data))
    answer = cnncli("train", "series.yaml", "--name", "series/one")
    assert answer.code == 0, answer.err
    return Path("runs/series/one")


def forecast(cnncli: Run, run: Path, *options: object) -> list[dict[str, Any]]:
    answer = cnncli("forecast", "--ckpt", run, "--json", *options)
    assert answer.code == 0, answer.err
    rows: list[dict[str, Any]] = answer.json["rows"]
    return rows


def column(rows: list[dict[str, Any]], name: str = "passengers") -> list[float]:
    return [row[name] for row in rows]


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("difference", [12, 1, None])
def test_within_the_horizon_it_is_the_networks_own_answer(cnncli: Run, log: bool, difference: int | None) -> None:
    run = trained(cnncli, f"log: {str(log).lower()}, difference: {difference or 'null'}")
    predictor = load_predictor(run)
    series: Any = predictor.spec.preprocess
    calibration: Any = predictor.task.calibration
    raw = [passengers(number) for number in range(len(MONTHS))]
    level = [math.log(value) for value in raw] if log else raw
    moved = [level[i] - level[i - difference] for i in range(difference, len(level))] if difference else level
    window = torch.tensor([[(value - series.mean[0]) / series.std[0]] for value in moved[-WINDOW:]])
    with torch.no_grad():
        outputs = predictor.network(window[None])[0, :, 0].tolist()
    expected, widths = [], [row[0] for row in calibration.half_width]
    for step, output in enumerate(outputs):
        known = len(level) + step
        while difference and known >= len(level):
            known -= difference
        expected.append(output * series.std[0] + series.mean[0] + (level[known] if difference else 0.0))
    undo = math.exp if log else float
    rows = forecast(cnncli, run, "--steps", 6)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert column(rows) == pytest.approx([undo(value) for value in expected], rel=1e-5)
    for sign, bound in ((-1, "lower"), (1, "upper")):
        ends = [undo(value + sign * width) for value, width in zip(expected, widths, strict=True)]
        assert column(rows, f"passengers_{bound}") == pytest.approx(ends, rel=1e-5)
    assert column(forecast(cnncli, run, "--steps", 4)) == column(rows)[:4], "fewer steps are the first of more"


@pytest.mark.parametrize("difference", [12, 1, 3])
def test_beyond_the_horizon_it_goes_on_from_its_own_forecasts(cnncli: Run, difference: int) -> None:
    run = trained(cnncli, f"log: true, difference: {difference}")
    far = forecast(cnncli, run, "--steps", 16)
    longer = write_series("longer.csv", ahead=column(far)[:6])
    assert column(forecast(cnncli, run, "--csv", longer, "--steps", 6)) == pytest.approx(column(far)[6:12], rel=1e-6)
    longer = write_series("longer.csv", ahead=column(far)[:12])
    assert column(forecast(cnncli, run, "--csv", longer, "--steps", 4)) == pytest.approx(column(far)[12:], rel=1e-6)


@pytest.mark.parametrize("targets", ["[passengers, trains]", "[trains, passengers]"])
def test_several_columns_go_on_together_in_whatever_order(cnncli: Run, targets: str) -> None:
    run = trained(cnncli, f"targets: {targets}", extra=True)
    far = forecast(cnncli, run, "--steps", 12)
    lines = [line.split(",") for line in Path("series.csv").read_text().splitlines()]
    lines += [[f"1961-{row['step']:02}", repr(row["passengers"]), repr(row["trains"])] for row in far[:6]]
    Path("longer.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    near = forecast(cnncli, run, "--csv", "longer.csv", "--steps", 6)
    for name in ("passengers", "trains"):
        assert column(near, name) == pytest.approx(column(far, name)[6:], rel=1e-5)
    assert min(column(far, "trains")) > max(column(far, "passengers")), "the columns were not exchanged"


def test_a_file_with_the_columns_in_another_order_gives_the_same(cnncli: Run) -> None:
    run = trained(cnncli, "", extra=True)
    before = forecast(cnncli, run, "--steps", 6)
    rows = [line.split(",") for line in Path("series.csv").read_text().splitlines()]
    moved = "".join(f"{month},{trains},0,{passengers}\n" for month, passengers, trains in rows[1:])
    Path("series.csv").write_text(f"month,trains,planes,passengers\n{moved}")
    assert forecast(cnncli, run, "--steps", 6) == before
    assert forecast(cnncli, run, "--steps", 6, "--csv", "series.csv") == before


def test_out_writes_a_row_for_each_step_with_its_month(cnncli: Run) -> None:
    run = trained(cnncli)
    answer = cnncli("forecast", "--ckpt", run, "--steps", 24, "--out", "ahead.csv")
    assert answer.code == 0, answer.err
    with Path("ahead.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert list(rows[0]) == ["time", "step", "passengers", "passengers_lower", "passengers_upper"]
    assert [row["time"] for row in rows] == [f"{year}-{month:02}" for year in (1961, 1962) for month in range(1, 13)]
    told = forecast(cnncli, run, "--steps", 24)
    assert [float(row["passengers"]) for row in rows] == column(told)
    assert [row["time"] for row in told] == [row["time"] for row in rows]


def test_without_options_it_prints_a_table(cnncli: Run) -> None:
    run = trained(cnncli)
    answer = cnncli("forecast", "--ckpt", run / "best.pt", "--steps", 2)
    lines = [line.split() for line in answer.out.splitlines()]
    assert lines[0] == ["time", "step", "passengers", "passengers_lower", "passengers_upper"]
    assert [line[:2] for line in lines[1:]] == [["1961-01", "1"], ["1961-02", "2"]]
    told = forecast(cnncli, run, "--steps", 2)
    assert [line[2:] for line in lines[1:]] == [[f"{row[name]:.5g}" for name in lines[0][2:]] for row in told]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([f"{FIRST + i * DAY}" for i in range(72)], ["2021-03-14", "2021-03-15"]),
        ([f"{FIRST + (3 + 7 * i) * DAY}" for i in range(72)], ["2022-05-23", "2022-05-30"]),
        ([f"{FIRST + i * HOUR}:00" for i in range(72)], [f"2021-01-04T0{i}:00" for i in (0, 1)]),
        ([f"week {i}" for i in range(72)], None),
        ([f"{FIRST + i * i * DAY}" for i in range(72)], None),
    ],
    ids=["days", "weeks", "hours", "no dates", "uneven dates"],
)  # fmt: skip
def test_times_go_on_in_the_rhythm_of_the_file(cnncli: Run, times: list[str], expected: list[str] | None) -> None:
    rows = forecast(cnncli, trained(cnncli, times=times), "--steps", 2)
    assert [row.get("time") for row in rows] == (expected or [None, None])


def test_beyond_the_end_of_the_calendar_there_are_no_times(cnncli: Run) -> None:
    times = [f"{year}-{month:02}" for year in range(9993, 9999) for month in range(1, 13)]
    assert times[-1] == "9998-12"
    rows = forecast(cnncli, trained(cnncli, times=times), "--steps", 24)
    assert len(rows) == 24
    assert "time" not in rows[0]


def test_plot_writes_a_picture(cnncli: Run) -> None:
    run = trained(cnncli)
    assert cnncli("forecast", "--ckpt", run, "--plot", "ahead.png").code == 0
    assert Path("ahead.png").read_bytes().startswith(b"\x89PNG")
    assert cnncli("forecast", "--ckpt", run, "--plot", "ahead.svg").code == 0
    assert "<svg" in Path("ahead.svg").read_text()


def test_another_series_gives_another_forecast(cnncli: Run) -> None:
    run = trained(cnncli)
    own = column(forecast(cnncli, run, "--steps", 12))
    same = column(forecast(cnncli, run, "--steps", 12, "--csv", write_series("same.csv")))
    doubled = column(forecast(cnncli, run, "--steps", 12, "--csv", write_series("doubled.csv", scale=2)))
    assert same == own
    # factors of growth are all that this network knows: twice the passengers grow in the same way
    assert doubled == pytest.approx([2 * value for value in own], rel=1e-4)


@pytest.mark.parametrize("log", [True, False])
def test_the_interval_holds_the_forecast_and_widens_with_each_further_horizon(cnncli: Run, log: bool) -> None:
    run = trained(cnncli, f"log: {str(log).lower()}, difference: 12")
    rows = forecast(cnncli, run, "--steps", 18)
    undone: Callable[[float], float] = math.log if log else float
    widths = []
    for row in rows:
        assert 0 < row["passengers_lower"] < row["passengers"] < row["passengers_upper"]
        widths.append(undone(row["passengers_upper"]) - undone(row["passengers"]))
        assert widths[-1] == pytest.approx(undone(row["passengers"]) - undone(row["passengers_lower"]), rel=1e-6)
    for horizon in (2, 3):
        later = widths[HORIZON * (horizon - 1) : HORIZON * horizon]
        assert later == pytest.approx([math.sqrt(horizon) * width for width in widths[:HORIZON]], rel=1e-6)
    assert cnncli("forecast", "--ckpt", run, "--json").json["level"] == 0.5, (
        "one validation window holds the next with even odds"
    )


def refused(answer: Answer, code: int, message: str) -> None:
    assert answer.code == code, answer.err
    assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) == 1, answer.err
    assert message in answer.err
    assert answer.out == ""


def test_wrong_options_are_refused_in_one_line(cnncli: Run) -> None:
    run = trained(cnncli)
    for steps in (0, -3, 10**6):
        refused(cnncli("forecast", "--ckpt", run, "--steps", steps), 2, f"--steps {steps}: give a number from 1 to")
    refused(cnncli("forecast", "--ckpt", run, "--plot", "x.txt"), 2, "--plot x.txt: end the name in .png")
    assert not Path("x.txt").exists()
    refused(cnncli("forecast", "--ckpt", run, "--out", "no/such/folder.csv"), 6, "no/such/folder.csv")
    refused(cnncli("forecast", "--ckpt", run, "--plot", "no/such/folder.png"), 6, "no/such/folder.png")


def test_a_checkpoint_of_something_else_is_refused(cnncli: Run, tiny: Path) -> None:
    assert cnncli("train", tiny, "train.epochs=1", "--name", "tiny/one").code == 0
    answer = cnncli("forecast", "--ckpt", "runs/tiny/one")
    refused(answer, 2, "runs/tiny/one/best.pt: forecast is for series, the data are pictures; use cnncli predict")


def test_files_that_do_not_fit_are_refused_in_one_line(cnncli: Run) -> None:
    run = trained(cnncli)
    Path("other.csv").write_text("month,passenger\n1961-01,3\n")
    answer = cnncli("forecast", "--ckpt", run, "--csv", "other.csv")
    refused(answer, 3, "other.csv: no column 'passengers'; did you mean 'passenger'?")
    refused(cnncli("forecast", "--ckpt", run, "--csv", "none.csv"), 3, "none.csv")
    short = write_series("short.csv", times=MONTHS[:23])
    refused(cnncli("forecast", "--ckpt", run, "--csv", short), 3, "has 23 steps, the network looks at 24; give more")
    enough = write_series("enough.csv", times=MONTHS[:24])
    assert len(forecast(cnncli, run, "--csv", enough)) == 12
    Path("zero.csv").write_text(enough.read_text() + "1957-01,0\n")
    refused(cnncli("forecast", "--ckpt", run, "--csv", "zero.csv"), 3, "is not positive")
    Path("gap.csv").write_text(enough.read_text() + "1957-01,\n")
    refused(cnncli("forecast", "--ckpt", run, "--csv", "gap.csv"), 3, "gap.csv:26: column 'passengers' has no value")
    Path("series.csv").unlink()
    refused(cnncli("forecast", "--ckpt", run), 3, "series.csv: no such file")


def test_further_than_the_horizon_it_needs_forecasts_of_all_columns(cnncli: Run) -> None:
    run = trained(cnncli, "targets: [passengers]", extra=True)
    assert len(forecast(cnncli, run, "--steps", 6)) == 6
    answer = cnncli("forecast", "--ckpt", run, "--steps", 7)
    refused(answer, 2, "--steps 7: the network sees 6 steps ahead, and further ones need trains")


def test_a_column_that_left_the_trained_file_is_named(cnncli: Run) -> None:
    run = trained(cnncli, "", extra=True)
    write_series()
    refused(cnncli("forecast", "--ckpt", run), 3, "'trains'")
