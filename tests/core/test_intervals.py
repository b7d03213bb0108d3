"""Intervals of fractions are those of others."""

import pytest
from scipy.stats import binomtest

from cnncli.core.intervals import wilson


@pytest.mark.parametrize(("hits", "of"), [(0, 5), (5, 5), (3, 7), (990, 1000)])
def test_an_interval_is_scipys(hits: int, of: int) -> None:
    found = binomtest(hits, of).proportion_ci(0.95, method="wilson")
    assert wilson(hits, of) == pytest.approx((found.low, found.high), abs=1e-4)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
