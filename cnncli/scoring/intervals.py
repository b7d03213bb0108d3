"""How sure a metric is that was measured on so many samples: its 95 % interval."""

import math

import numpy as np

from cnncli.core.intervals import wilson
from cnncli.core.metrics import LOWER_IS_BETTER, LOWER_SCORES
from cnncli.runs.outputs import Outputs
from cnncli.scoring import statistics as st
from cnncli.scoring.measures import FRACTIONS, POINTS, Measures, measures
from cnncli.scoring.statistics import Array
from cnncli.scoring.units import Units, units_of

MOST, FEWEST = 10_000, 1_000  # resamples
ALIKE = 1e-3
MOST_WEIGHTS = 2_000_000  # of all resamples together: a tenth of a second at most
Ends = tuple[float, float]


def headline_interval(outputs: Outputs, name: str, reported: dict[str, float]) -> Ends | None:
    """The 95 % interval of the metric ``name`` of a split, which the task has ``reported``.

    None where the outputs do not give the same value: a plug-in's metric may have the name of another.
    """
    measured = measures(outputs, reported)
    value = measured.values().get(name)
    if value is None or not math.isclose(value, reported[name], rel_tol=ALIKE, abs_tol=ALIKE):
        return None
    return interval_of(measured, units_of(outputs, outputs.loss * outputs.weight), name, value)


def interval_of(
    measured: Measures, units: Units, name: str, value: float | None, most_weights: int = MOST_WEIGHTS
) -> Ends | None:
    """The 95 % interval of the metric ``name`` with this ``value``; None where one unit tells nothing of it.

    A fraction of independent samples has Wilson's. Any other metric has the percentile interval of 10,000 resamples
    of the units with seed 0, of as many fewer as ``most_weights`` demands, but 1,000 at least. Of fewer than 50
    units, and of so many that not even 1,000 resamples are allowed, the interval is Student's t from the influences.
    """
    if value is None:
        return None
    if name in FRACTIONS and measured.hits is not None and units.kind == "samples":
        return wilson(int(measured.hits.sum()), len(measured.hits))
    if units.count < 2:
        return None
    low, high = _ends(measured, units, name, value, most_weights)
    if not low < high:  # no unit differs from another; also where an end is not known
        return wilson(round(value * units.count), units.count) if name in POINTS else None
    least = 0.0 if name in POINTS or name in LOWER_IS_BETTER | LOWER_SCORES else -np.inf
    most = 1.0 if name in POINTS or name == "r2" else np.inf
    return float(max(low, least)), float(min(high, most))


def _ends(measured: Measures, units: Units, name: str, value: float, most_weights: int) -> Ends:
    if name in FRACTIONS and measured.hits is not None:  # at once, however many classes there are
        hits, of = (units.sums(each) for each in (measured.hits.astype(float), np.ones(len(measured.hits))))
        influence, cost = (hits - value * of) / len(measured.hits), units.count

        def replicate(weights: Array) -> Array:
            found: Array = (weights @ hits) / (weights @ of)
            return found

    else:
        summed = measured.by_unit(units)
        influence, cost = measured.influences(summed, units)[name], _cost(measured, units, summed.nnz, name)

        def replicate(weights: Array) -> Array:
            return measured.replicates(weights, summed, units, frozenset({name}))[name]

    draws = min(most_weights // cost, MOST)
    if units.count < st.FEWEST_UNITS or draws < FEWEST:
        low, high, _ = st.by_units(value, influence)
        return float(low), float(high)
    replicates = np.concatenate([replicate(weights) for weights in st.resamples(units.count, draws=draws)])
    low, high, _ = st.bootstrap(value, influence, replicates[np.isfinite(replicates)])
    return float(low), float(high)


def _cost(measured: Measures, units: Units, entries: int, name: str) -> int:
    """How many weights a resample has to handle."""
    labels = max([ranked.scores.shape[1] for ranked in measured.ranked if name in ranked.names], default=0)
    columns = int(measured.parts.shape[1])
    return max(units.count, entries // 4, columns, len(units.index) * labels * 2)
