"""The line of an epoch: as many columns as the terminal has room for, one under the other all through a run."""

import io
import re
import sys
from typing import Any

import pytest
from rich.cells import cell_len

from cnncli.core.results import Values
from cnncli.training.display import Display
from cnncli.training.epoch_table import EpochTable, Shown, clock, labelled, short_metric
from tests.terminal import as_terminal

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
    assert [line.split()[-1] for line in headings] == ["mean", "train", "images/s"], headings
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
        "0.04 s",
        "99.9 s",
        "1:40",
        "2h 02m",
    ]


def test_a_file_gets_lines_that_need_no_headings() -> None:
    line = labelled(record(7), SHOWN)
    assert line.startswith(
        "epoch   7/120  train loss 2.9286  accuracy  10.00 %  val loss 0.2857  accuracy 100.00 %  lr "
    )
    assert re.search(r"  train +123,457 images/s  epoch +73.7 s$", line), "the time of an epoch is not that of training"
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


@pytest.mark.parametrize("width", [45, 80])
def test_a_header_goes_on_below_its_beginning_and_paths_stay_whole(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, width, stream="stderr")
    path = "runs/" + "昆蟲-" * 20 + "/one"
    Display().header({"compute": "several words " * 12, "run": path})
    first, *rest, last = shown.text.splitlines()
    assert first.startswith("compute    several words")
    assert rest
    assert all(line.startswith(" " * 11 + "several") or line.startswith(" " * 11 + "words") for line in rest)
    assert all(len(line) <= width for line in [first, *rest])
    assert last == f"run        {path}"


def test_rows_in_a_terminal_have_headings_and_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 80, stream="stderr")
    display = Display()
    for epoch in (1, 2):
        display.epoch(record(epoch), SHOWN, is_best=epoch == 2)
    *_, headings, first, second = shown.text.splitlines()
    assert headings.split()[0] == "epoch"
    assert first.split()[0] == "1/120"
    assert not first.endswith("best")
    assert second.endswith("  * best")
    assert len(second) == len(first) + len("  * best")


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_nothing_moves_where_plain_lines_are_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 80, stream="stderr")
    monkeypatch.setenv(name, "dumb")
    display = Display()
    assert list(display.track([1, 2], 2, "decoding")) == [1, 2]
    assert list(display.evaluate([1], 1, "evaluating val", None)) == [1]  # type: ignore[arg-type]
    display.epoch(record(1), SHOWN, is_best=True)
    assert "\x1b" not in shown.getvalue()
    assert shown.getvalue().splitlines()[0] == "decoding …"


def test_the_bar_fills_the_width_and_tells_the_seconds_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 80, stream="stderr")
    monkeypatch.setattr("cnncli.training.display.REFRESH_SECONDS", 0.0)
    display, meter = Display(), FakeMeter()
    for epoch in (1, 2):
        list(display.train(range(4), 4, 0, (epoch, 3), meter))  # type: ignore[arg-type]
        list(display.evaluate(range(2), 2, "evaluating val", meter))  # type: ignore[arg-type]
        display.epoch(record(epoch), SHOWN, is_best=False)
    bars = [bar for bar in re.split(r"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]", shown.text.replace("\x1b[2K", "")) if "━" in bar]
    assert bars
    assert all(cell_len(bar) == 80 for bar in bars), bars
    last = next(bar for bar in bars if bar.startswith("epoch 2/3 ━") and " 4/4 " in bar)
    assert last.endswith(" 4/4  loss 0.5000  accuracy  50.00 %  0:00 left")


def test_a_full_bar_tells_the_metrics_of_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 80, stream="stderr")
    meter = FakeMeter()
    for done in Display().train(range(4), 4, 0, (1, 3), meter):  # type: ignore[arg-type]
        meter.samples += 10
        meter.running = lambda done=done: {"loss": float(done), "accuracy": 0.5}  # type: ignore[method-assign]
    full = [bar for bar in re.split(r"[\r\n]", shown.text) if " 4/4 " in bar]
    assert "loss 3.0000" in full[-1]


def test_a_bar_over_parts_of_many_samples_shows_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 80, stream="stderr")
    assert list(Display().track([1], 1, "decoding 80 pictures")) == [1]
    assert "100 %" in shown.text
    assert "1/1" not in shown.text


class FakeMeter:
    samples = 10

    def running(self) -> Values:
        return {"loss": 0.5, "accuracy": 0.5}
