"""Tables, heat map and curve in terminals of several widths, without starting one."""

import math
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from cnncli.cli.console import print_table
from cnncli.cli.curve import plot
from cnncli.cli.layers import print_layers
from cnncli.cli.matrix import print_matrix
from cnncli.cli.tables import print_result
from cnncli.core.cells import column_widths, fold, padded, shortened
from cnncli.core.results import Baseline, MatrixBlock, SplitReport
from cnncli.models.inspect import LayerRow
from cnncli.runs.results import Monitored, RunResult
from tests.terminal import as_terminal

WIDTHS = (45, 80, 120)
COLUMNS = ["class", "precision", "balanced accuracy", "what it is", "samples"]
ROWS = [
    ["昆蟲🐝", "0.9876", "97.50 %", "a bee, seen from above or from the side, with its wings", "1,234"],
    ["commonest class", "1.0000", "100.00 %", "", "2"],
]


def words(text: str) -> set[str]:
    return set(text.split())


@pytest.mark.parametrize("width", [20, *WIDTHS])
def test_tables_are_folded_between_words(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, width)
    print_table("A title that says what all this is about", COLUMNS, ROWS, left=(0, 3))
    lines = shown.text.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    expected = words(" ".join([*ROWS[0], *ROWS[1], "A title that says what all this is about"]))
    assert expected <= words(shown.text), "no word is broken"


@pytest.mark.parametrize("width", [80, 120])
def test_wide_signs_are_aligned_in_tables(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, width)
    print_table("", ["class", "n"], [["昆蟲🐝", "10"], ["蜂", "7"], ["ant", "345"]])
    rows = [line.rstrip() for line in shown.text.splitlines() if line.strip()][-3:]
    assert len({cell_len(row) for row in rows}) == 1
    assert [row.split()[-1] for row in rows] == ["10", "7", "345"]


def test_a_path_that_is_wider_than_the_terminal_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 45)
    path = "/home/somebody/" + "pictures/" * 8 + "1.png"
    print_table("", ["path", "class"], [[path, "ant"]])
    assert path in shown.text.splitlines()


def test_formulas_are_aligned_on_their_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 120)
    layers = [
        LayerRow("conv", "Conv2d", (16, 8, 8), 160, "16·(1·3·3) + 16"),
        LayerRow("relu", "ReLU", (16, 8, 8), 0, ""),
        LayerRow("fc", "Linear", (10,), 90, "8·10 + 10"),
    ]
    print_layers(layers)
    lines = shown.text.splitlines()
    places = [next(line for line in lines if text in line).index(text) for text in ("counted as", "16·(1", "8·10")]
    assert len(set(places)) == 1


def matrix(names: list[str], count: int = 7) -> MatrixBlock:
    size = len(names)
    counts = tuple(tuple(count * 10 + i if i == j else (i * j) % 3 for j in range(size)) for i in range(size))
    return MatrixBlock("confusion", "Confusion (row: true class, column: predicted)", tuple(names), counts)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "names",
    [
        ["cat", "dog"],
        [f"class {n} with a long name" for n in range(20)],
        [f"{n}昆蟲🐝" for n in range(12)],
        ["a-name-without-any-blanks-that-is-wider-than-all-of-the-terminal", "b"],
    ],
)
def test_a_confusion_matrix_keeps_its_numbers_at_any_width(
    names: list[str], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = as_terminal(monkeypatch, width)
    block = matrix(names)
    print_matrix(block)
    lines = shown.text.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    assert "48;" in shown.getvalue(), "colours behind the numbers"
    seen: list[list[int]] = [[] for _ in names]
    body = [line for line in lines[2:] if re.search(r"\d$", line) and not re.fullmatch(r"[\s\d]*", line)]
    for number, line in enumerate(body):
        cells = re.search(r"((?: +\d+)+)$", line)
        assert cells is not None
        seen[number % len(names)] += map(int, cells[1].split())
    for row, counts in zip(seen, block.counts, strict=True):
        assert row == list(counts)


def test_a_matrix_of_few_classes_has_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 80)
    print_matrix(matrix(["cat", "昆蟲"]))
    *_, head, first, second = shown.text.splitlines()
    assert head.split() == ["cat", "昆蟲"]
    assert first.split() == ["cat", "70", "0"]
    assert second.split() == ["昆蟲", "0", "71"]
    assert cell_len(head) == cell_len(first) == cell_len(second)


def test_a_matrix_in_a_pipe_is_separated_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    print_matrix(matrix(["cat", "dog"]))
    assert capsys.readouterr().out.splitlines()[1:] == ["\tcat\tdog", "cat\t70\t0", "dog\t0\t71"]


@pytest.mark.parametrize("best", [1, 2, 10, 19, 20])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [30, *WIDTHS])
def test_a_curve_fits_and_marks_the_best_epoch(best: int, ascii_only: bool, width: int) -> None:
    points = [(epoch, 1 - math.exp(-epoch / 3)) for epoch in range(1, 21)]
    lines = plot(points, best, ("28.35 %", "99.87 %"), width, ascii_only)
    assert all(len(line) <= width for line in lines)
    assert len(lines) == 7
    assert "".join(lines).isascii() == ascii_only
    bar, mark = ("|", "^") if ascii_only else ("│", "▲")
    assert lines[0].startswith(f"99.87 % {bar}")
    assert lines[4].startswith(f"28.35 % {bar}")
    columns = len(lines[5]) - len("28.35 % +")
    where = lines[6].index(mark) - len("28.35 % +")
    assert where == round((best - 1) / 19 * (columns - 1)), "below its value"
    assert str(best) in lines[6].split()
    dots = [[place for place, sign in enumerate(line[9:]) if sign != " "] for line in lines[:5]]
    assert dots[4][0] == 0, "it begins at its lowest"
    assert max(dots[0]) == columns - 1, "and ends at its highest"


def test_gaps_and_constants_are_drawn_and_too_few_values_are_not() -> None:
    gap = plot([(1, 0.2), (2, 0.2), (3, math.nan), (4, 0.2), (5, 0.2)], 1, ("0.2", "0.2"), 45, True)
    assert gap[2].startswith("0.2 |****")
    assert "**  " in gap[2]
    assert [line.strip() for line in (gap[0], gap[4])] == ["|", "|"]
    assert plot([(1, 0.2), (2, math.nan), (3, 0.3)], 1, ("0.2", "0.3"), 45, True) == []
    assert plot([(n, n) for n in range(9)], 1, ("0", "8"), 12, True) == []


def result(folder: Path, rising: bool) -> RunResult:
    losses = [1.0, 0.6, 0.4, 0.5, 0.7, 0.9] if rising else [1.0, 0.7, 0.5, 0.42, 0.41, 0.407]
    lines = [
        f'{{"epoch": {n}, "lr": 0.1, "train/loss": {1 / n}, "val/loss": {loss}, "val/accuracy": {1 - loss / 2}}}\n'
        for n, loss in enumerate(losses, 1)
    ]
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(lines))
    report = SplitReport(
        "test", 20, {"accuracy": 0.8}, "accuracy", False, (Baseline("commonest class", {"accuracy": 0.5}, "a"),),
        (matrix(["a", "b"]), MatrixBlock("confusion", "Large", tuple(map(str, range(21))), ((0,) * 21,) * 21)),
    )  # fmt: skip
    monitored = Monitored("val/accuracy", "max", 0.8)
    metrics = {"test": {"accuracy": 0.8}}
    run = str(folder)
    return RunResult(run, f"{run}/best.pt", f"{run}/last.pt", 3, 6, monitored, metrics, {"test": 20}, report)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_result_in_a_terminal_has_its_curve(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, 80, encoding)
    print_result(result(tmp_path / "run", rising=True), as_json=False)
    text = shown.text
    assert "\nval accuracy by epoch (best: 80.00 %, epoch 3 is kept)\n" in text
    assert ("▲" in text, "^" in text) == ((True, False) if encoding == "utf-8" else (False, True))
    text.encode(encoding)
    told = " ".join(text.split())
    assert "Validation loss has risen since epoch 4 while training loss fell: overfitting; best epoch 3 kept;" in told
    assert "Confusion (row: true class" in text
    assert "Large" not in text


def test_a_result_in_a_pipe_has_the_sentence_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_result(result(tmp_path / "run", rising=True), as_json=False)
    out = capsys.readouterr().out
    assert "by epoch" not in out
    assert out.startswith("Validation loss has risen since epoch 4 while training loss fell: overfitting;")
    print_result(result(tmp_path / "other", rising=False), as_json=False)
    out = capsys.readouterr().out
    assert out.startswith("Best epoch by val/accuracy: 3 of 6\n"), "nothing is said where there is nothing to say"
    print_result(result(tmp_path / "third", rising=True), as_json=True)
    assert capsys.readouterr().out.startswith("{")


def test_a_damaged_history_costs_the_curve_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = result(tmp_path / "run", rising=True)
    (tmp_path / "run" / "metrics.jsonl").write_text("{")
    print_result(found, as_json=False)
    shown = capsys.readouterr()
    assert shown.out.startswith("Best epoch by val/accuracy: 3 of 6\n")
    assert "note: " in shown.err
    assert "metrics.jsonl: cannot be read" in shown.err


def test_cells_are_counted_by_the_columns_that_they_take() -> None:
    assert padded("昆蟲", 6) == "昆蟲  "
    assert padded("昆蟲", 6, right=True) == "  昆蟲"
    assert fold("昆蟲 🐝 ant", 6) == ["昆蟲", "🐝 ant"]
    assert fold("a-long-word b", 3) == ["a-long-word", "b"]
    assert shortened("昆蟲昆蟲", 6) == "昆蟲…"
    assert shortened("ant", 3) == "ant"
    assert shortened("e\u0301e\u0301e\u0301e\u0301", 3) == "e\u0301e\u0301…", "accents stay with their letters"
    assert shortened("👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧", 4) == "👨‍👩‍👧…", "what is joined is not cut through"
    assert column_widths([10, 30, 5], [5, 8, 5], 30) == [10, 15, 5]
    assert column_widths([10, 30], [9, 9], 17) is None
