"""The line of an epoch: as many columns as the terminal has room for, one under the other all through a run."""

import io
import re
import sys
from typing import Any

import pytest

from cnncli.core.results import Values
from cnncli.training.display import Display
from cnncli.training.epoch_table import EpochTable, Shown, clock, labelled, short_metric

SHOWN = Shown(120, "accuracy", "val/accuracy", "images")


def record(epoch: int, **more: Any) -> Values:
    found = {
        "epoch": epoch, "lr": 0.001 / epoch, "train_seconds": 1.5 * epoch**2, "eval_seconds": 0.2,
        "samples_per_second": 123456.7, "train/loss": 20.5 / epoch, "train/accuracy": 0.1, "val/loss": 2.0 / epoch,
        "val/accuracy": 1.0, "baseline/accuracy": 0.1,
    }  # fmt: skip
    return found | {key.replace("_", "/", 1): value for key, value in more.items()}


def lines(width: int, shown: Shown = SHOWN, **more: Any) -> list[str]:
    """The headings and rows of some epochs, each with its mark."""
    table, found = EpochTable(shown), []
    for epoch in (1, 9, 99, 120):
        headings, row, mark = table.row(record(epoch, **more), width)
        found += [*headings, f"{row}  {mark}"]
    return found


@pytest.mark.parametrize("width", [20, 30, 45, 60, 80, 100, 120, 200])
def test_a_row_fits_the_terminal_and_columns_stand_below_their_headings(width: int) -> None:
    *headings, first, _, _, last = lines(width)
    assert len(headings) == 2, "once in a run"
    assert all(len(line) <= width for line in [*headings, first, last])
    bottom = headings[1]
    ends = [match.end() for match in re.finditer(r"\S+", bottom)]
    for row in (first, last):
        assert all(row[end - 1] != " " and row[end : end + 2].strip() == "" for end in ends), row


def test_a_wider_terminal_shows_more() -> None:
    shown = [lines(width)[1].split() for width in (20, 45, 80)]
    assert shown == [
        ["epoch", "accuracy"],
        ["epoch", "loss", "loss", "accuracy", "time"],
        ["epoch", "loss", "accuracy", "loss", "accuracy", "time", "lr", "images/s"],
    ]
    assert lines(80)[-1].endswith("  * best")
    assert lines(45)[-1].endswith("  *")


def test_what_picks_the_best_epoch_is_shown_and_its_long_name_folded() -> None:
    shown = Shown(120, "micro_f1", "val/mean_average_precision", "images")
    found = lines(80, shown, val_mean_average_precision=0.25, val_micro_f1=0.5)
    headings = found[: next(number for number, line in enumerate(found) if "*" in line)]
    assert [line.split()[-1] for line in headings] == ["mean", "average", "images/s"], headings
    assert "precision" in headings[-1]
    assert "0.2500" in found[-1]


def test_another_width_gives_new_headings() -> None:
    table = EpochTable(SHOWN)
    assert table.row(record(1), 80)[0]
    assert not table.row(record(2), 80)[0]
    assert table.row(record(3), 45)[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.1235"), (12.3456, "12.346"), (-1.2345, "-1.234"), (123456.0, "123456"), (1234567.0, "1e+06"),
        (-2e9, "-2e+09"),
    ],
)  # fmt: skip
def test_numbers_keep_within_six_signs(value: float, text: str) -> None:
    assert short_metric("loss", value) == text
    assert len(text) <= 6
    assert short_metric("accuracy", 1.0) == "100.00 %"


def test_times_are_short() -> None:
    assert [clock(seconds) for seconds in (0, 61, 3723.4)] == ["0:00", "1:01", "1:02:03"]
    assert [clock(seconds, tenths=True) for seconds in (0.04, 99.9, 100.4, 7321)] == [
        "0.0 s",
        "99.9 s",
        "1:40",
        "2h 02m",
    ]


def test_a_file_gets_lines_that_need_no_headings() -> None:
    line = labelled(record(7), SHOWN)
    assert line.startswith(
        "epoch   7/120  train loss 2.9286  accuracy  10.00 %  val loss 0.2857  accuracy 100.00 %  lr "
    )
    assert len({len(labelled(record(epoch), SHOWN)) for epoch in (1, 7, 120)}) == 1


def test_standard_error_that_is_no_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    display = Display()
    display.header({"data": "many words " * 30})
    display.epoch(record(1), SHOWN, is_best=True)
    header, line = sys.stderr.getvalue().splitlines()  # type: ignore[attr-defined]
    assert header.count("words") == 30
    assert line.startswith("epoch   1/120  train loss")
    assert line.endswith("* best")
