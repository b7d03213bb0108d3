"""The picture of the curves: whole epochs, the best one, overfitting, and a single epoch by its steps."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnncli.core.results import Values
from cnncli.runs.curves import Curves, curves_figure, draw_curves
from cnncli.runs.fonts import lettering
from cnncli.runs.reading import read_curves


@pytest.fixture(autouse=True)
def _drawing() -> Iterator[None]:
    with lettering():
        yield


def record(epoch: int, train: float, val: float | None) -> Values:
    found = {"epoch": epoch, "global_step": 10 * epoch, "lr": 0.1 / epoch, "train/loss": train}
    if val is not None:
        found |= {"val/loss": val, "val/accuracy": 1 - val / 4, "baseline/accuracy": 0.1}
    return found


OVERFITTING = [record(i, 2 / i, 1 + 0.3 * abs(i - 4)) for i in range(1, 13)]


def lines(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_xdata()) for line in axes.get_lines()}


def words(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.mark.parametrize("count", [2, 3, 5, 12, 100])
def test_the_axis_has_whole_epochs(count: int) -> None:
    figure = curves_figure(Curves([record(i, 1 / i, 1 / i) for i in range(1, count + 1)], 1, "accuracy", []))
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert all(float(tick).is_integer() for tick in axes.get_xticks())
        assert len(axes.get_xticks()) >= 2


def test_loss_metric_and_learning_rate_have_a_panel_each() -> None:
    loss, accuracy, rate = curves_figure(Curves(OVERFITTING, 4, "accuracy", [])).axes
    assert [axes.get_ylabel() for axes in (loss, accuracy, rate)] == ["loss", "accuracy", "learning rate"]
    assert lines(loss)["training"] == lines(loss)["validation"] == list(range(1, 13))
    assert "validation" in lines(accuracy)
    assert "baseline" in words(loss.figure)
    assert rate.get_lines()[0].get_ydata()[1] == pytest.approx(0.05)


def test_the_best_epoch_and_where_overfitting_begins_are_marked() -> None:
    reading = read_curves(OVERFITTING, 4)
    assert reading.overfits_from == 5
    figure = curves_figure(Curves(OVERFITTING, 4, "accuracy", []))
    for axes in figure.axes[:2]:
        assert lines(axes)["best epoch (4)"] == [4, 4]
        (span,) = axes.patches
        assert span.get_x() == 4.5
    assert "overfitting since epoch 5" in words(figure)
    assert reading.sentence is not None
    assert reading.sentence in words(figure).replace("\n", " ")


def test_where_nothing_overfits_nothing_is_marked() -> None:
    figure = curves_figure(Curves([record(i, 2 / i, 2 / i) for i in range(1, 8)], 7, "loss", []))
    assert len(figure.axes) == 2
    assert not figure.axes[0].patches


def test_without_validation_there_is_one_curve() -> None:
    figure = curves_figure(Curves([record(i, 2 / i, None) for i in (1, 2, 3)], 3, "accuracy", []))
    assert set(lines(figure.axes[0])) == {"training", "best epoch (3)"}


def test_a_single_epoch_is_drawn_by_its_steps(tmp_path: Path) -> None:
    steps = [{"step": i + 1, "loss": 2 / (i + 1), "lr": 0.01 * (i + 1)} for i in range(10)]
    curves = Curves([record(1, 1.0, 0.8)], 1, "accuracy", steps)
    loss, rate = curves_figure(curves).axes
    found = lines(loss)
    assert found["training, single steps"] == list(range(1, 11))
    assert found["validation, after the epoch"] == [10]
    assert len(rate.get_lines()[0].get_xdata()) == 10
    assert "validation accuracy 0.8" in loss.get_title()
    draw_curves(curves, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_single_epoch_whose_steps_are_not_known_is_drawn_all_the_same(tmp_path: Path) -> None:
    draw_curves(Curves([record(1, 1.0, 0.8)], 1, "accuracy", []), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
