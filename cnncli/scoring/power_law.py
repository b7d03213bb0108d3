"""How an error falls with the number of samples: a·n^-b + c, fitted to several seeds at each size.

The errors of one size are weighted by their standard error. Networks that are trained on more samples lie closer
together, about in proportion to their error, so one relative deviation is taken from all sizes: three seeds of one size
alone would tell little of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Array = NDArray[np.float64]
DRAWS = 500  # of the bootstrap
LEVEL = 0.95
FEWEST = 4  # sizes: three numbers are fitted
STEEPEST = 3.0  # of b
_TINY = 1e-9


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """``a·(n / size)^-b + c``, and the same for each draw of the bootstrap, ``[B, 3]``.

    ``relative`` is the standard deviation of a single run, as a share of its error; ``size`` the largest n.
    """

    size: float
    fitted: Array
    drawn: Array
    relative: float

    @property
    def a(self) -> float:
        """The factor of n^-b itself, for n samples."""
        return float(self.fitted[0] * self.size ** self.fitted[1])

    def at(self, n: float) -> Interval:
        """The expected error with ``n`` samples."""
        return _interval(_law(self.fitted, n / self.size), _law(self.drawn.T, n / self.size))

    def of_runs(self, n: float, runs: int) -> Interval:
        """The mean error of so many new runs with ``n`` samples: it is as uncertain as the law, and the runs vary."""
        expected = _law(self.drawn.T, n / self.size)
        noise = np.random.default_rng(1).standard_normal(len(expected)) * self.relative / math.sqrt(runs)
        return _interval(_law(self.fitted, n / self.size), np.maximum(expected * (1 + noise), 0))

    def gain(self, n: float, factor: float) -> Interval:
        """By how much the expected error falls with ``factor`` times as many samples."""
        own, more = n / self.size, factor * n / self.size
        gained = _law(self.drawn.T, own) - _law(self.drawn.T, more)
        return _interval(_law(self.fitted, own) - _law(self.fitted, more), gained)


def fit_power_law(errors: Mapping[int, Sequence[float]]) -> PowerLaw:
    """The law of the errors of several runs at each size, at least ``FEWEST`` sizes; 0 or more each.

    The bootstrap draws residuals from all runs, each divided by what its size lets expect, around the fitted law, so
    that a law that does not fit has a wide interval.
    """
    sizes = sorted(errors)
    largest = float(sizes[-1])
    n = np.array(sizes) / largest
    means = np.array([np.mean(errors[size]) for size in sizes])
    counts = np.array([len(errors[size]) for size in sizes])
    relative = _relative([np.asarray(errors[size], dtype=float) for size in sizes])
    scale = np.maximum(means, _TINY) * max(relative, 1e-3) / np.sqrt(counts)
    fitted = _fit(n, means, scale)
    residuals = (means - _law(fitted, n)) / scale
    # what the fit did not take away: three numbers were fitted; a lack of fit counts as noise, never the other way
    spread = max(1.0, math.sqrt(float((residuals**2).sum()) / max(len(n) - 3, 1)))
    generator = np.random.default_rng(0)
    noise = _noise(errors, sizes, generator, spread)
    expected = _law(fitted, n)
    drawn = np.array([_fit(n, expected + row * scale, scale, fitted) for row in noise])
    return PowerLaw(largest, fitted, drawn, relative * spread)


def _relative(groups: list[Array]) -> float:
    """The standard deviation of a run as a share of the mean of its size, of all sizes together."""
    squares, freedom = 0.0, 0
    for group in groups:
        if len(group) > 1 and group.mean() > 0:
            squares += float(((group / group.mean() - 1) ** 2).sum())
            freedom += len(group) - 1
    return math.sqrt(squares / freedom) if freedom else 0.0


def _noise(
    errors: Mapping[int, Sequence[float]], sizes: list[int], generator: np.random.Generator, spread: float
) -> Array:
    """Draws ``[B, sizes]`` of the means' deviations in units of their standard errors."""
    pool = []
    for size in sizes:
        group = np.asarray(errors[size], dtype=float)
        if len(group) > 1 and group.mean() > 0:
            pool += ((group / group.mean() - 1) * math.sqrt(len(group) / (len(group) - 1))).tolist()
    deviation = float(np.std(pool)) if pool else 0.0
    if deviation == 0:  # one run of each size, or runs that are all alike
        return generator.standard_normal((DRAWS, len(sizes))) * spread
    columns = [
        generator.choice(pool, (DRAWS, len(errors[size]))).mean(1) * math.sqrt(len(errors[size])) / deviation
        for size in sizes
    ]
    return np.stack(columns, axis=1) * spread


def _law(numbers: Array, n: Array | float) -> Array:
    a, b, c = numbers
    found: Array = a * np.power(n, -b) + c
    return found


def _fit(n: Array, errors: Array, scale: Array, start: Array | None = None) -> Array:
    """Weighted least squares with a, c ≥ 0 and 0 ≤ b ≤ 3; n is a share of the largest."""
    top = max(float(errors.max()), _TINY)
    unit = errors / top, scale / top

    def residuals(numbers: Array) -> Array:
        return (_law(numbers, n) - unit[0]) / unit[1]

    last = max(float(unit[0][-1]), _TINY)

    def slopes(numbers: Array) -> Array:
        falling = np.power(n, -numbers[1])
        found: Array = np.stack([falling, -numbers[0] * np.log(n) * falling, np.ones_like(n)], axis=1)
        return found / unit[1][:, None]

    starts = [np.array([0.7 * last, 0.5, 0.3 * last]), np.array([last, 0.3, 0.0])]
    if start is not None:
        starts = [start / np.array([top, 1.0, top])]
    bounds = ([0.0, 0.0, 0.0], [np.inf, STEEPEST, np.inf])
    inside = (1e-8, [np.inf, STEEPEST - 1e-8, np.inf])
    tries = [least_squares(residuals, np.clip(each, *inside), slopes, bounds, xtol=1e-6, ftol=1e-6) for each in starts]
    best = min(tries, key=lambda found: float(found.cost))
    found: Array = np.asarray(best.x, dtype=float) * np.array([top, 1.0, top])
    return found


def _interval(value: Array, draws: Array) -> Interval:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))
