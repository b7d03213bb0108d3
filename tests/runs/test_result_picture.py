"""result.png: what is drawn of each part of a report, whichever task it is of."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from cnncli.core.intervals import wilson
from cnncli.core.results import (
    Baseline,
    Block,
    CurveBlock,
    FactsBlock,
    Line,
    LinesBlock,
    MatrixBlock,
    Mistake,
    MistakesBlock,
    Rate,
    RatesBlock,
    ReliabilityBlock,
    ScatterBlock,
    SplitReport,
)
from cnncli.runs.fonts import lettering
from cnncli.runs.panels import MOST_CONFUSIONS, MOST_LABELS
from cnncli.runs.result_picture import draw_result, result_figure
from tests.core.test_results import BY_COLUMN, RECORDS

NAMES = ("昆蟲", "кошка", "قطة", "🐱👨\u200d👩\u200d👧")
MATRIX = MatrixBlock("confusion", "Confusion", NAMES, ((7, 1, 0, 0), (0, 8, 0, 0), (0, 0, 0, 0), (0, 0, 3, 9)))
RATES = RatesBlock("intervals", NAMES, (Rate("recall", "recall", (7, 8, 0, 9), (8, 8, 0, 12)),))
RELIABILITY = ReliabilityBlock("reliability", "the predicted class is right", (0.55, 0.97), (3, 21), (6, 22))
MISTAKES = MistakesBlock(
    "mistakes", "Most confident mistakes", (Mistake(3, "昆蟲", "кошка", 0.98), Mistake(17, "🐱", "قطة", 0.61))
)
CURVE = CurveBlock("roc", "false_rate", "true_rate", (0.0, 0.5, 1.0), (0.0, 0.9, 1.0), diagonal=True, title="ROC")
SCATTER = ScatterBlock("points", "价格", (1.0, 2.0, 3.0), (1.5, 1.75, 3.5))
LINES = LinesBlock("forecasts", "气温", "hour", (Line("true", "true", (1.0, 2.0)), Line("last", "last", (2.5,), 2)))
PICTURES = {3: np.zeros((8, 8, 3), np.uint8), 17: np.full((8, 8, 3), 200, np.uint8)}


@pytest.fixture(autouse=True)
def _drawing() -> Iterator[None]:
    with lettering():
        yield


def report(*blocks: Block) -> SplitReport:
    baselines = (
        Baseline("commonest class", {"accuracy": 0.25}, always="昆蟲"),
        Baseline("guessing", {"accuracy": 0.2}),
    )
    return SplitReport("test", 28, {"accuracy": 0.857}, "accuracy", False, baselines, blocks)


def words(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


@pytest.mark.parametrize(
    ("block", "panels"),
    [(MATRIX, 1), (RATES, 1), (RELIABILITY, 1), (CURVE, 1), (SCATTER, 2), (LINES, 1), (BY_COLUMN, 1)],
    ids=lambda value: getattr(value, "key", None),
)
def test_every_part_that_shows_something_has_its_panels(block: Block, panels: int) -> None:
    figure = result_figure(report(block), {})
    assert len(figure.findobj(lambda artist: hasattr(artist, "get_xlim"))) == panels
    written = io.BytesIO()
    draw_result(report(block), written, {})  # what warns is an error here
    assert written.getvalue().startswith(b"\x89PNG")


def test_where_no_part_can_be_drawn_the_network_stands_beside_the_baselines() -> None:
    found = words(result_figure(report(FactsBlock({"a": 1}, "a"), RECORDS, MISTAKES), {}))
    assert {"this network", "commonest class (昆蟲)", "guessing", " 0.857", " 0.25"} <= set(found)


def test_the_first_line_tells_the_headline_and_the_baseline() -> None:
    found = words(result_figure(report(MATRIX), {}))
    assert "test, 28 samples: accuracy 0.857;  baseline, commonest class (昆蟲): 0.25" in found


def test_the_matrix_has_every_count_and_every_name_on_both_sides() -> None:
    found = words(result_figure(report(MATRIX), {}))
    assert all(found.count(name) == 2 for name in NAMES)
    assert {"7", "1", "8", "3", "9"} <= set(found)


def many(count: int) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Names and counts of ``count`` classes; class i is taken for the next one i times out of ``2 * count``."""
    counts = np.diag(np.full(count, 2 * count)) - np.diag(np.arange(count))
    counts += np.roll(np.diag(np.arange(count)), 1, axis=1)
    return tuple(f"class {i}" for i in range(count)), tuple(tuple(row) for row in counts.tolist())


@pytest.mark.parametrize("count", [MOST_LABELS + 1, 100, 1000])
def test_of_many_classes_the_worst_are_shown(count: int) -> None:
    names, counts = many(count)
    rate = Rate("recall", "recall", tuple(counts[i][i] for i in range(count)), (2 * count,) * count)
    found = words(
        result_figure(report(MatrixBlock("confusion", "", names, counts), RatesBlock("r", names, (rate,))), {})
    )
    pairs = [text for text in found if "→" in text and text.startswith("class")]
    assert len(pairs) == MOST_CONFUSIONS
    assert pairs[0] == f"class {count - 1} → class 0"
    assert pairs[1] == f"class {count - 2} → class {count - 1}"
    assert f" {count - 1} of {2 * count}" in found
    lowest = [text for text in found if text.endswith(f"({2 * count})")]
    assert lowest == [f"class {count - 1 - i} ({2 * count})" for i in range(MOST_LABELS)]
    assert f"Recall of the {MOST_LABELS} lowest of {count} (samples)" in found


def test_many_classes_without_a_confusion() -> None:
    counts = tuple(tuple(int(i == j) for j in range(30)) for i in range(30))
    assert "No confusions" in words(result_figure(report(MatrixBlock("c", "", tuple(map(str, range(30))), counts)), {}))


def test_rates_stand_on_their_intervals_and_a_class_without_samples_is_left_out() -> None:
    figure = result_figure(report(RATES), {})
    assert [text for text in words(figure) if text.endswith(")") and text[0] in "昆кق🐱"] == [
        "昆蟲 (8)", "кошка (8)", "🐱👨\u200d👩\u200d👧 (12)"
    ]  # fmt: skip
    (axes,) = figure.findobj(lambda artist: hasattr(artist, "get_xlim"))
    (bars,) = [bar for bar in axes.collections if bar.get_segments()]
    reached = [(segment[0][0], segment[1][0]) for segment in bars.get_segments()]
    assert np.array(reached) == pytest.approx(np.array([wilson(7, 8), wilson(8, 8), wilson(9, 12)]))


def test_mistakes_are_shown_with_the_true_and_the_predicted_name() -> None:
    found = words(result_figure(report(MATRIX, MISTAKES), PICTURES))
    assert "true: 昆蟲\npred.: кошка\n98.0 %" in found
    assert "true: 🐱\npred.: قطة\n61.0 %" in found
    assert "Most confident mistakes" in found
    figure = result_figure(report(MATRIX, MISTAKES), PICTURES)
    shown = [
        image.get_array().shape for axes in figure.findobj(lambda a: hasattr(a, "images")) for image in axes.images
    ]
    assert shown.count((8, 8, 3)) == 2


def test_mistakes_of_data_that_are_no_pictures_leave_no_panel() -> None:
    assert "Most confident mistakes" not in words(result_figure(report(MATRIX, MISTAKES), {}))


def test_a_whole_report_is_one_picture() -> None:
    blocks = (FactsBlock({"a": 1}, "a"), MISTAKES, CURVE, RELIABILITY, RATES, MATRIX, LINES, SCATTER, BY_COLUMN)
    written = io.BytesIO()
    draw_result(report(*blocks), written, PICTURES)
    assert len(written.getvalue()) > 10_000
