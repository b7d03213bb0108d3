"""A training run as it is seen in a real terminal of 45, 80 and 120 columns."""

import re
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.terminal import Seen, in_terminal

EPOCHS = 10
CONFIG = TINY.replace("epochs: 2", f"epochs: {EPOCHS}").replace("batch_size: 128", "batch_size: 8")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[45, 80, 120])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Seen]:
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "tiny.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        seen = in_terminal(request.param, "train", "tiny.yaml", "--name", "tiny/1")
    assert seen.code == 0, "\n".join(seen.lines)
    return request.param, seen


def test_an_epoch_is_a_line_and_all_are_aligned(run: tuple[int, Seen]) -> None:
    width, seen = run
    rows = [line for line in seen.lines if re.match(rf" *\d+/{EPOCHS} ", line)]
    assert [int(line.split("/")[0]) for line in rows] == list(range(1, EPOCHS + 1))
    assert len([line for line in seen.lines if line.startswith("epoch  ")]) == 1, "headings once"
    plain = [re.sub(r" +\*( best)?$", "", line) for line in rows]
    assert len({len(line) for line in plain}) == 1, "the columns end in the same place"
    points = [tuple(place for place, sign in enumerate(line[:40]) if sign == ".") for line in plain]
    assert len(set(points)) == 1
    marks = [line for line in rows if "*" in line]
    assert marks, "the first epoch is the best so far"
    assert all(line.endswith("* best" if width >= 60 else "*") for line in marks)
    columns = len(plain[0].replace(" %", "%").replace(" s ", "s ").split())
    assert columns == {45: 5, 80: 8, 120: 8}[width]


def test_the_bar_takes_the_width_that_is_left(run: tuple[int, Seen]) -> None:
    width, seen = run
    bars = [bar for bar in seen.bars if bar.startswith("epoch") and bar.endswith("left")]
    assert bars
    assert all(len(bar) == width for bar in bars), bars
    lengths = [len(re.findall(r"[━╸╺]", bar)) for bar in bars]
    assert min(lengths) >= width // 4, bars
    late = [bar for bar in bars if re.match(r"epoch (?!  ?1/)", bar)]
    assert late
    assert any("accuracy" in bar for bar in late) == (width >= 80)
    assert all(re.search(r"\d:\d\d left$", bar) for bar in late), "seconds left of the run are known after an epoch"


def test_after_the_last_epoch_there_are_curve_matrix_and_paths(run: tuple[int, Seen]) -> None:
    _, seen = run
    assert any(line.startswith("val accuracy by epoch (best: ") for line in seen.lines)
    assert sum("│" in line for line in seen.lines) == 5
    title = next(number for number, line in enumerate(seen.lines) if line.startswith("Confusion"))
    matrix = [line for line in seen.lines[title:] if re.match(r"\d( +\d+){10}$", line)]
    assert [line[0] for line in matrix] == list("0123456789")
    assert sum(sum(map(int, line.split()[1:])) for line in matrix) == 359
    assert b"\x1b[1;37;48;2;" in seen.raw or b"\x1b[1;37;48;5;" in seen.raw, "on colours"
    words = re.findall(r"[a-z]+", " ".join(seen.lines[:title]))
    assert {"commonest", "balanced", "samples", "macro"} <= set(words), "words are not broken"
    assert any(line.startswith("best ") and line.endswith("runs/tiny/1/best.pt") for line in seen.lines)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_lines_are_plain_where_that_is_asked_for(environment: dict[str, str]) -> None:
    Path("tiny.yaml").write_text(TINY)
    seen = in_terminal(80, "train", "tiny.yaml", **environment)
    assert seen.code == 0
    assert not seen.bars
    before, *_ = seen.raw.partition(b"Best epoch")
    assert b"\x1b[2K" not in seen.raw, "nothing is wiped"
    assert b"\x1b[" not in before.removesuffix(b"\x1b[1m")
    assert any(line.startswith("  1/2  ") for line in seen.lines)
