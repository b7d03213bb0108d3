"""Tests and intervals of differences. Nothing here knows a metric or a run.

What is resampled together is a unit: a sample, a group of samples, or a block of neighbours. A metric is told by its
value and by each unit's *influence*: by how much the value changes per weight of the unit. The influences of a mean
over N samples are ``(x - mean) / N``; they add up to 0.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

LEVEL = 0.05  # what is below is called a difference
POWER = 0.8
FEWEST_UNITS = 50  # below, groups and blocks are not resampled
FEWEST_SEEDS = 3  # of each of two settings that are compared
DRAWS, FEWEST_DRAWS = 10_000, 2_000
AT_ONCE, MOST_ROWS = 4_000_000, 1_000  # weights in memory, and of how many resamples: of many classes sums are long
MOST_WEIGHTS = 50_000_000  # in all; of more units fewer resamples are drawn
MOST_NEEDED = 1_000_000_000
MANY_SEEDS = 500  # from which on Student's t is the normal distribution
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, the standard error, and the p-value of the value 0 where one was asked for."""

    value: float
    low: float
    high: float
    error: float
    p: float | None = None


def mid_p(only_first: ArrayLike, only_second: ArrayLike) -> Array:
    """McNemar's mid-p value, two-sided, of how many samples only the first and only the second predicts right.

    The exact conditional p-value, less the probability of what was found (Fagerland, Lydersen & Laake, "The McNemar
    test for binary matched-pairs data: mid-p and asymptotic are better than exact conditional", 2013).
    """
    first, second = np.asarray(only_first, dtype=float), np.asarray(only_second, dtype=float)
    fewer, of = np.minimum(first, second), first + second
    found = np.exp(special.gammaln(of + 1) - special.gammaln(fewer + 1) - special.gammaln(of - fewer + 1)
                   - of * math.log(2))  # fmt: skip
    at_most = special.betainc(np.maximum(of - fewer, 1), fewer + 1, 0.5)  # the binomial distribution up to fewer
    return np.where(of == 0, 1.0, np.clip(2 * at_most - found, 0.0, 1.0))


def resamples(units: int, seed: int = 0, draws: int | None = None) -> Iterator[Array]:
    """Weights float64 ``[B, units]`` in chunks: how often each unit is drawn, of as many draws with replacement."""
    generator = np.random.default_rng(seed)
    if draws is None:
        draws = int(np.clip(MOST_WEIGHTS // units, FEWEST_DRAWS, DRAWS))
    while draws > 0:
        rows = min(draws, MOST_ROWS, max(AT_ONCE // units, 1))
        drawn = generator.integers(units, size=(rows, units)) + units * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)
        draws -= rows


def bootstrap(
    value: ArrayLike, influence: Array, replicates: Array, level: float = LEVEL
) -> tuple[Array, Array, Array]:
    """The ends of the percentile interval and the p-value of 0, for replicates ``[B, …]``, influences ``[units, …]``.

    The percentiles are those of Student's t with the degrees of freedom that the influences give ("expanded
    percentile interval", Hesterberg, "What teachers should know about the bootstrap", 2014): without, few samples on
    which two networks differ would seem surer than they are.
    """
    freedom = degrees(influence)
    tail = special.ndtr(special.stdtrit(freedom, level / 2))
    ordered = np.sort(replicates, axis=0)
    low, high = _quantile(ordered, tail), _quantile(ordered, 1 - tail)
    one_side = np.minimum((replicates <= 0).mean(0), (replicates >= 0).mean(0))
    reached = special.ndtri(np.maximum(one_side, 1 / (len(replicates) + 1)))
    p = np.minimum(2 * special.stdtr(freedom, reached), 1.0)
    return low, high, np.where(np.all(replicates == value, axis=0) & (np.asarray(value) == 0), 1.0, p)


def _quantile(ordered: Array, at: ArrayLike) -> Array:
    """Quantiles ``[…]`` of sorted values ``[B, …]``, a level for each column."""
    places = np.asarray(at) * (len(ordered) - 1)
    below = np.floor(places).astype(int)
    part = places - below
    above = np.minimum(below + 1, len(ordered) - 1)
    found = [np.take_along_axis(ordered, np.asarray(rows)[None], axis=0)[0] for rows in (below, above)]
    result: Array = found[0] * (1 - part) + found[1] * part
    return result


def degrees(influence: Array) -> Array:
    """The degrees of freedom of a variance that is estimated from units with these influences ``[units, …]``.

    Satterthwaite's: ``2 n / (kurtosis - 1)``, at most n - 1. It is n - 1 for what is spread like a normal variable, and
    about twice the number of units that are not 0 where few are.
    """
    count = len(influence)
    squares = influence**2
    mean = squares.mean(0)
    spread = (squares**2).mean(0) - mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 2 * count * mean**2 / spread
    most = float(max(count - 1, 1))
    return np.clip(np.where(np.isfinite(found), found, most), 1.0, most)


def by_units(value: ArrayLike, influence: Array, level: float = LEVEL) -> tuple[Array, Array, Array]:
    """The ends of the interval and the p-value of 0 by Student's t over few units (the t-test on their differences)."""
    error, freedom = standard_error(influence), degrees(influence)
    half = -special.stdtrit(freedom, level / 2) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        reached = np.where(error > 0, np.abs(value) / error, np.where(np.asarray(value) == 0, 0.0, np.inf))
    return np.asarray(value) - half, np.asarray(value) + half, 2 * special.stdtr(freedom, -reached)


def standard_error(influence: Array) -> Array:
    """The standard error of a value from the influences ``[units, …]`` of its units."""
    count = len(influence)
    result: Array = np.sqrt((influence**2).sum(0) * count / max(count - 1, 1))
    return result


def of_units(value: float, influence: Array, replicate: Callable[[Array], Array], few: bool, seed: int = 0) -> Estimate:
    """The bootstrap's interval, or that of a t-test where there are ``few`` units.

    ``replicate`` gives the values ``[B]`` for weights ``[B, units]``.
    """
    if few:
        low, high, p = by_units(value, influence)
        return Estimate(value, float(low), float(high), float(standard_error(influence)), float(p))
    replicates = np.concatenate([replicate(weights) for weights in resamples(len(influence), seed)])
    replicates = replicates[np.isfinite(replicates)]
    low, high, p = bootstrap(value, influence, replicates)
    return Estimate(value, float(low), float(high), float(replicates.std()), float(p))


def welch(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The mean of ``second`` less that of ``first``, with Welch's interval and test: a run is a unit.

    ``p`` is None where no value differs from another of its own side, but the two sides do: there is nothing to
    measure the difference by.
    """
    means, variances = zip(*(_moments(values) for values in (first, second)), strict=True)
    difference, variance = means[1] - means[0], variances[0] + variances[1]
    if variance == 0:
        return Estimate(difference, difference, difference, 0.0, None if difference else 1.0)
    freedom, error = welch_degrees(first, second), math.sqrt(variance)
    half = -special.stdtrit(freedom, LEVEL / 2) * error
    p = float(2 * special.stdtr(freedom, -abs(difference) / error))
    return Estimate(difference, float(difference - half), float(difference + half), error, p)


def welch_degrees(first: Sequence[float], second: Sequence[float]) -> float:
    """The degrees of freedom of Welch's test; those of equal spreads where no value differs."""
    variances = [_moments(values)[1] for values in (first, second)]
    parts = [v**2 / (len(values) - 1) for v, values in zip(variances, (first, second), strict=True)]
    return sum(variances) ** 2 / sum(parts) if sum(parts) else float(len(first) + len(second) - 2)


def of_seeds(values: Sequence[float]) -> Estimate:
    """The mean over seeds with its t interval."""
    mean, variance = _moments(values)
    half = -special.stdtrit(len(values) - 1, LEVEL / 2) * math.sqrt(variance)
    return Estimate(mean, float(mean - half), float(mean + half), math.sqrt(variance))


def _moments(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and the variance of the mean."""
    found = np.asarray(values, dtype=float)
    spread = 0.0 if np.ptp(found) == 0 else float(found.var(ddof=1))  # a mean of equal values can be off by a bit
    return float(found.mean()), spread / len(found)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for their number (Holm 1979); None stays, and is not counted."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min((len(known) - rank) * p, 1.0))
        corrected[place] = largest
    return corrected


def samples_for_mid_p(difference: float, discordant: float) -> int:
    """How many samples find a ``difference`` of fractions in ``POWER`` of all cases, by McNemar's test (Connor 1987).

    ``discordant`` is the fraction of samples that one of the two predicts right and the other does not; it is at
    least the difference.
    """
    share = max(discordant, difference)
    sides = -special.ndtri(LEVEL / 2), special.ndtri(POWER)
    found = (sides[0] * math.sqrt(share) + sides[1] * math.sqrt(share - difference**2)) / difference
    return _whole(found**2)


def units_for(difference: float, error: float, units: int, freedom: float) -> int:
    """How many units find a ``difference`` in ``POWER`` of all cases, where so many gave a standard ``error``."""
    needed = float(units)
    for _ in range(50):
        reached = special.stdtrit(max(freedom * needed / units, 1.0), 1 - LEVEL / 2) + special.ndtri(POWER)
        needed, before = units * (reached * error / difference) ** 2, needed
        if abs(needed - before) < 0.5:
            break
    return _whole(needed)


def found_with(error: float, freedom: float) -> float:
    """The difference that is found in ``POWER`` of all cases with this standard error."""
    return float((special.stdtrit(freedom, 1 - LEVEL / 2) + special.ndtri(POWER)) * error)


def seeds_for(difference: float, deviations: tuple[float, float]) -> int:
    """How many seeds of each setting find a ``difference`` in ``POWER`` of all cases, by Welch's test.

    ``deviations`` are the standard deviations over the seeds of the two settings.
    """
    first, second = (deviation**2 for deviation in deviations)
    if first + second == 0:
        return FEWEST_SEEDS

    def power(seeds: int) -> float:
        freedom = (seeds - 1) * (first + second) ** 2 / (first**2 + second**2)
        shift, reached = difference / math.sqrt((first + second) / seeds), special.stdtrit(freedom, 1 - LEVEL / 2)
        return 1 - float(special.nctdtr(freedom, shift, reached))

    sides = special.ndtri(1 - LEVEL / 2) + special.ndtri(POWER)
    seeds = max(_whole((sides / difference) ** 2 * (first + second)), FEWEST_SEEDS)  # enough if the spread were known
    while seeds < MANY_SEEDS and power(seeds) < POWER:
        seeds += 1
    return seeds


def _whole(number: float) -> int:
    return math.ceil(min(number, MOST_NEEDED))
