"""Blocks that are computed from kept outputs."""

from dataclasses import replace

import numpy as np
import pytest

from cnncli.core.results import CurveBlock, MistakesBlock
from cnncli.report.derived import derived_blocks, hardest, largest_errors, risk_coverage, risk_sentence
from cnncli.runs.outputs import Outputs
from tests.runs.test_kept_outputs import of_kind, outputs


def classified(answer: list[list[float]], target: list[int]) -> Outputs:
    rows = np.array(answer, np.float32)
    return replace(outputs(len(target)), classes=("a", "b"), answer=rows, target=np.array(target), task="any")


def test_the_error_rate_of_the_surest_samples_is_counted_from_the_surest_on() -> None:
    curve = risk_coverage(classified([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.55, 0.45]], [0, 0, 0, 1]))
    assert curve is not None
    assert curve.x == (0.25, 0.5, 0.75, 1.0)
    assert curve.y == pytest.approx((0, 1 / 2, 1 / 3, 2 / 4))
    assert risk_sentence(curve) == (
        "If the network answers only the 50 % of the samples of which it is surest, it is wrong in 50 % of them; "
        "if it answers all, in 50 %."
    )


def test_samples_of_the_same_confidence_are_taken_together() -> None:
    curve = risk_coverage(classified([[0.75, 0.25]] * 4, [0, 0, 1, 1]))
    assert curve is not None
    assert (curve.x, curve.y) == ((1.0,), (0.5,))


def test_without_a_mistake_there_is_nothing_to_leave_to_people() -> None:
    curve = risk_coverage(classified([[0.9, 0.1], [0.4, 0.6]], [0, 1]))
    assert curve is not None
    assert "There is no mistake" in risk_sentence(curve)


def test_the_curve_agrees_with_a_plain_count_and_is_drawn_with_few_points() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(1000).round(3)
    shares = np.stack([first, 1 - first], 1)
    target = (rng.random(1000) > first).astype(np.int64)
    curve = risk_coverage(classified(shares.tolist(), target.tolist()))
    assert curve is not None
    assert len(curve.x) <= 200
    wrong = shares.argmax(1) != target
    confidence = shares.astype(np.float32).max(1)
    for x, y in zip(curve.x[::20], curve.y[::20], strict=True):
        kept = np.sort(confidence)[::-1][round(x * len(target)) - 1] <= confidence
        assert y == pytest.approx(wrong[kept].mean())


def test_largest_errors_are_measured_in_deviations_of_their_target() -> None:
    truth = np.array([[0.0, 0.0], [1.0, 1000.0], [2.0, 2000.0]])
    answer = truth + np.array([[0.0, 300.0], [1.5, 0.0], [0.0, 0.0]])
    found = largest_errors(replace(outputs(3), classes=("small", "large"), target=truth, answer=answer))
    assert found is not None
    assert [row[:2] for row in found.rows[:2]] == [("1", "small"), ("0", "large")]
    assert found.rows[0][2:] == pytest.approx((1.0, 2.5, 1.5))


@pytest.mark.parametrize("kind", ["classes", "binary", "labels", "numbers", "text", "nothing"])
def test_each_kind_of_outputs_gives_the_blocks_that_it_has(kind: str) -> None:
    found = derived_blocks(of_kind(kind), ())
    curves = [block for block in found if isinstance(block, CurveBlock)]
    assert len(curves) == (kind in ("classes", "binary"))
    assert any(isinstance(block, MistakesBlock) for block in found) <= (kind in ("classes", "binary", "labels"))
    assert bool(hardest(of_kind(kind), 3)) == (kind == "text")


def test_the_hardest_passages_come_first() -> None:
    text = replace(of_kind("text"), loss=np.array([1.0, 3.0, 2.0, 0.5, 0.1]))
    assert hardest(text, 2) == [(1, 3.0), (2, 2.0)]
