"""Tests and intervals are those of the books, and simulated pairs show that they hold what they say."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import false_alarms
from cnncli.scoring import statistics as st
from cnncli.scoring.units import block_length, blocks


def test_mid_p_is_the_exact_p_less_the_probability_of_what_was_found() -> None:
    for first, second in ((0, 0), (1, 9), (5, 5), (0, 6), (30, 17)):
        fewer, of = min(first, second), first + second
        exact = 2 * stats.binom.cdf(fewer, of, 0.5)
        assert st.mid_p(first, second) == pytest.approx(exact - stats.binom.pmf(fewer, of, 0.5))
    assert st.mid_p(0, 0) == 1
    assert st.mid_p(1, 9) == pytest.approx(0.0117, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_welch_is_scipys(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.normal(0, 1, 3 + seed), random.normal(1, 3, 4)
    found, theirs = st.welch(first.tolist(), second.tolist()), stats.ttest_ind(second, first, equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()))


def test_without_spread_equal_settings_are_equal_and_others_have_no_test() -> None:
    assert st.welch([0.1] * 3, [0.1] * 3).p == 1
    found = st.welch([1.0] * 3, [0.9] * 4)
    assert found.p is None
    assert found.low == found.high == pytest.approx(-0.1)
    assert st.welch([1.0] * 3, [0.9, 0.91, 0.92]).p == pytest.approx(stats.ttest_1samp([0.9, 0.91, 0.92], 1).pvalue)


def test_holm_is_that_of_the_paper() -> None:
    assert st.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert st.holm([0.5, None, 0.6]) == [1.0, None, 1.0]
    assert st.holm([]) == []


def test_few_units_have_the_t_test_of_their_means() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 20)
    low, high, p = st.by_units(values.mean(), (values - values.mean()) / 20)
    theirs = stats.ttest_1samp(values, 0)
    # of degrees of freedom that follow the kurtosis, at most 19
    assert float(st.standard_error((values - values.mean()) / 20)) == pytest.approx(stats.sem(values))
    assert p >= theirs.pvalue - 1e-12
    assert p == pytest.approx(theirs.pvalue, rel=0.2)
    assert low < values.mean() < high


def test_the_bootstrap_of_a_mean_is_about_the_t_interval() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    influence = (values - values.mean()) / 400
    found = st.of_units(values.mean(), influence, lambda weights: weights @ values / 400, few=False)
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    assert found.error == pytest.approx(stats.sem(values), rel=0.03)
    again = st.of_units(values.mean(), influence, lambda weights: weights @ values / 400, few=False)
    assert again == found


def test_degrees_of_freedom_count_the_units_that_differ() -> None:
    assert st.degrees(np.random.default_rng(0).normal(size=5000)) == pytest.approx(4999, rel=0.1)
    assert st.degrees(np.r_[np.ones(4), -np.ones(4), np.zeros(992)]) == pytest.approx(16, rel=0.02)
    assert st.degrees(np.zeros(9)) == 8


def test_weights_draw_as_many_units_as_there_are() -> None:
    weights = np.concatenate(list(st.resamples(40, draws=3000)))
    assert weights.shape == (3000, 40)
    assert np.all(weights.sum(1) == 40)
    assert weights.mean(0) == pytest.approx(np.ones(40), abs=0.1)
    assert weights.var() == pytest.approx(1 - 1 / 40, abs=0.05)


def test_what_a_difference_takes_is_what_the_books_say() -> None:
    # Connor 1987: discordant 0.2, difference 0.1
    sides = stats.norm.ppf(0.975) * math.sqrt(0.2) + stats.norm.ppf(0.8) * math.sqrt(0.19)
    assert st.samples_for_mid_p(0.1, 0.2) == math.ceil((sides / 0.1) ** 2)
    assert st.seeds_for(1.0, (1.0, 1.0)) == 17  # the textbook's two-sample t-test
    assert st.seeds_for(10.0, (1.0, 1.0)) == 3
    assert st.seeds_for(0.01, (1.0, 1.0)) == pytest.approx(156_978, rel=0.001)
    assert st.units_for(0.2, 1 / math.sqrt(500), 500, 499) == pytest.approx(199, abs=1)
    assert st.units_for(1e-12, 1.0, 10, 9) == st.MOST_NEEDED


def test_blocks_are_neighbours_and_longer_where_they_are_alike() -> None:
    assert blocks(7, 3).tolist() == [0, 0, 0, 0, 1, 1, 1]
    random = np.random.default_rng(0)
    noise = random.normal(size=1000)
    alike = np.convolve(random.normal(size=1009), np.ones(10), "valid")
    assert block_length(noise) < 8 < 20 < block_length(alike)
    assert block_length(noise, at_least=24) == 24
    assert block_length(noise[:20], at_least=24) == 2
    assert block_length(np.ones(50)) == 1


@pytest.mark.slow
def test_equal_networks_are_called_different_in_about_one_of_twenty_cases() -> None:
    random = np.random.default_rng(0)
    for what, how, share in false_alarms.equal(random, 2000):
        assert share <= 0.06 + 0.005, (what, how)  # a standard error of 2,000 pairs
    for what, how, share in false_alarms.grouped(random, 2000):
        if how.startswith("without"):
            assert share > 0.2, (what, how)
        else:
            assert share <= 0.06 + 0.005, (what, how)


@pytest.mark.slow
def test_planted_differences_are_found_as_often_as_is_said() -> None:
    for what, how, share in false_alarms.planted(np.random.default_rng(0), 1500):
        assert share == pytest.approx(0.8, abs=0.04) or (how == "Welch" and share > 0.77), (what, how)
