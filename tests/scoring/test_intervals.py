"""Intervals of metrics are those of the books, hold what they say, and cost little."""

import time
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cnncli.core.intervals import wilson
from cnncli.scoring import intervals
from cnncli.scoring.intervals import headline_interval, interval_of
from cnncli.scoring.measures import measures
from cnncli.scoring.units import units_of
from tests.insight.made_runs import classified, made_outputs


def numbers(samples: int, seed: int = 0, **given: Any) -> Any:
    """Predictions that are off by a normal error of one half."""
    random = np.random.default_rng(seed)
    target = random.normal(size=(samples, 1))
    answer = target + 0.5 * random.normal(size=(samples, 1))
    return made_outputs(classes=("y",), target=target, answer=answer, loss=(answer - target)[:, 0] ** 2, **given)


def ends(outputs: Any, name: str, **given: Any) -> Any:
    measured = measures(outputs, {})
    return interval_of(measured, units_of(outputs, outputs.loss), name, measured.values().get(name), **given)


def test_a_fraction_of_independent_samples_has_wilsons() -> None:
    assert ends(classified(40, 1.0, 0), "accuracy") == wilson(40, 40)
    assert ends(classified(1, 0.0, 0), "accuracy") == wilson(0, 1)


def test_of_few_samples_the_interval_of_a_mean_is_students() -> None:
    found = numbers(30)
    errors = np.abs(found.answer - found.target)[:, 0]
    freedom = 2 * 30 / (stats.kurtosis(errors, fisher=False) - 1)
    half = stats.t.ppf(0.975, min(freedom, 29)) * stats.sem(errors)
    assert ends(found, "mae") == pytest.approx((errors.mean() - half, errors.mean() + half), rel=1e-5)


@pytest.mark.parametrize("samples", [200, 1000])
def test_of_more_samples_it_is_scipys_bootstrap_interval(samples: int) -> None:
    found = numbers(samples)
    errors = (found.answer - found.target)[:, 0]
    theirs = stats.bootstrap(
        (errors,), lambda e, axis: np.sqrt((e**2).mean(axis)), method="percentile", rng=np.random.default_rng(0)
    )
    low, high = theirs.confidence_interval
    assert ends(found, "rmse") == pytest.approx((low, high), abs=0.1 * (high - low))
    assert ends(found, "rmse") == ends(found, "rmse")  # one seed


def test_where_resamples_would_take_too_long_the_interval_is_nearly_the_same() -> None:
    found = numbers(900)
    resampled, at_once = ends(found, "r2"), ends(found, "r2", most_weights=1000)
    assert at_once == pytest.approx(resampled, abs=0.1 * (resampled[1] - resampled[0]))
    assert at_once != resampled


def test_groups_are_resampled_together() -> None:
    groups = np.repeat(np.arange(60), 10).astype(str)
    alone = numbers(600)
    same = alone.at(np.repeat(np.arange(0, 600, 10), 10))  # ten times the same sample
    width = np.ptp(ends(same, "mae"))
    grouped = made_outputs(classes=("y",), target=same.target, answer=same.answer, loss=same.loss, groups=groups)
    assert np.ptp(ends(grouped, "mae")) > 2.5 * width


def test_intervals_stay_where_the_metric_can_be() -> None:
    low, high = ends(numbers(2), "rmse")
    assert low == 0
    assert high > 1
    truth = np.arange(60)[:, None] % 4 == np.arange(4)
    perfect = made_outputs(classes=tuple("abcd"), target=truth, answer=truth * np.float32(0.9), loss=np.zeros(60),
                           thresholds=np.full(4, 0.5))  # fmt: skip
    assert ends(perfect, "mean_average_precision") == wilson(60, 60)  # no sample differs from another
    exact = made_outputs(classes=("y",), target=np.ones((5, 1)), answer=np.ones((5, 1)), loss=np.zeros(5))
    assert ends(exact, "mae") is None
    assert ends(numbers(1), "rmse") is None


def test_a_metric_that_is_another_has_no_interval() -> None:
    found = numbers(100)
    told = measures(found, {}).values()
    assert headline_interval(found, "rmse", told) == ends(found, "rmse")
    assert headline_interval(found, "rmse", {"rmse": told["rmse"] * 1.1}) is None
    assert headline_interval(found, "mase", {"mase": 1.0}) is None


@pytest.mark.slow
@pytest.mark.parametrize(("samples", "name", "least"), [(20, "rmse", 0.91), (60, "rmse", 0.9), (3000, "r2", 0.92)])
def test_about_95_of_100_intervals_hold_the_true_value(samples: int, name: str, least: float) -> None:
    true = {"rmse": 0.5, "r2": 0.75}[name]
    found = [ends(numbers(samples, seed), name, most_weights=400_000) for seed in range(300)]
    assert np.mean([low <= true <= high for low, high in found]) >= least


@pytest.mark.slow
def test_ten_thousand_samples_take_about_a_tenth_of_a_second() -> None:
    random = np.random.default_rng(0)
    truth = random.random((10_000, 10)) < 0.2
    answer = random.random((10_000, 10)).astype(np.float32)
    labels = made_outputs(classes=tuple("abcdefghij"), target=truth, thresholds=np.full(10, 0.5), answer=answer,
                          loss=random.random(10_000))  # fmt: skip
    grouped = classified(10_000, 0.8, 0, groups=1500)
    for outputs, name in ((numbers(10_000), "rmse"), (labels, "mean_average_precision"), (grouped, "accuracy")):
        told = measures(outputs, {}).values()
        took = []
        for _ in range(3):
            begin = time.perf_counter()
            headline_interval(outputs, name, told)
            took.append(time.perf_counter() - begin)
        assert min(took) < 0.25, name  # a test machine may be busy
    assert intervals.MOST_WEIGHTS // 10_000 < intervals.FEWEST  # so many samples are not resampled
