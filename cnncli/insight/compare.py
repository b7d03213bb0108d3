"""Is one run, or one setting, really better than another: ``compare``."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np

from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.intervals import wilson
from cnncli.core.metrics import LOWER_IS_BETTER, LOWER_SCORES
from cnncli.core.printable import shell_word
from cnncli.core.spec import Split
from cnncli.insight.comparison import Answer, Compared, Comparison, Interval, Judged, Needed, Summary, Test
from cnncli.insight.pairs import Pair, alone, has_outputs, judged_alike, kept, pair
from cnncli.insight.rows import Row, find_rows
from cnncli.runs.settings import SEED, differing_keys, written
from cnncli.scoring import statistics as st
from cnncli.scoring.intervals import interval_of
from cnncli.scoring.measures import FRACTIONS, POINTS, Parts, Values
from cnncli.scoring.scores import SCORES

POINT = 0.01
LOWER = LOWER_IS_BETTER | LOWER_SCORES
CHECKPOINTS = (
    "This speaks of these {} checkpoints only: another seed of the same settings can differ significantly, too. "
    "Settings are compared from three seeds each."
)


def compare(
    words: Sequence[str],
    runs_dir: Path,
    split: Split = "val",
    difference: float | None = None,
    metric: str | None = None,
) -> Comparison:
    """The runs that the words name side by side, each against the first; from what they have kept, without their data.

    ``metric`` is the one that decides, of those that all runs have; without it the task's headline. ``difference`` of
    it is the one of which is told what it would take to find it. Raises ``ConfigError``, ``CheckpointError``,
    ``StorageError``, and ``DataError`` where two runs are no pair.
    """
    if len(words) < 2:
        raise ConfigError("compare needs two runs or more; the first is what the others are measured against")
    rows = find_rows(words, runs_dir, split)
    outcome, headline = rows[0].runs[0].outcome, _deciding(rows, metric)
    _check_difference(difference, headline)
    judged = [_judged(row, headline) for row in rows]
    compared = _corrected([_compared(rows[0], row, headline, difference) for row in rows[1:]], headline)
    names = _in_order(judged, headline)
    return Comparison(
        split=split,
        samples=_samples(rows, split),
        headline=headline,
        lower_is_better=outcome.lower_is_better if headline == outcome.headline else headline in LOWER,
        metrics=tuple(name for name in names if name not in SCORES or name == headline),
        scores=tuple(name for name in SCORES if name != headline and all(name in row.metrics for row in judged)),
        rows=tuple(judged),
        differs=_differs(rows),
        compared=tuple(compared),
        notes=tuple(_notes(rows, compared, split)),
    )


def _deciding(rows: Sequence[Row], metric: str | None) -> str:
    """The metric that decides; raises ``ConfigError`` for one that not all runs have."""
    if metric is None:
        return str(rows[0].runs[0].outcome.headline)
    told = [(run.path, row.metrics(run)) for row in rows for run in row.runs]
    known = [name for name in told[0][1] if all(name in metrics for _, metrics in told)]
    if metric in known:
        return metric
    lacking = next(path for path, metrics in told if metric not in metrics)
    raise ConfigError(f"{lacking}: has no metric '{metric}' on {rows[0].split}; {did_you_mean(metric, known)}")


def _check_difference(difference: float | None, headline: str) -> None:
    if difference is None:
        return
    if not (difference > 0 and math.isfinite(difference)):
        raise ConfigError(f"--difference {difference}: is no difference; give one above 0")
    if headline in POINTS and difference >= 1:
        raise ConfigError(f"--difference {difference}: {headline} goes from 0 to 1; one point is --difference 0.01")


def _samples(rows: Sequence[Row], split: Split) -> int | None:
    """How many samples the first run was judged on, where that is kept."""
    run = rows[0].runs[0]
    return len(kept(run, split).ids) if has_outputs(run, split) else None


def _judged(row: Row, headline: str) -> Judged:
    """The metrics of a row; those that not all of its runs have are left out."""
    told = [row.metrics(run) for run in row.runs]
    names = [name for name in told[0] if all(name in metrics for metrics in told)]
    metrics = {name: _summary([metrics[name] for metrics in told]) for name in names}
    if row.single and headline in metrics and has_outputs(row.runs[0], row.split):
        metrics[headline] = replace(metrics[headline], interval=_interval(row, headline))
    return Judged(
        argument=row.argument,
        runs=tuple(str(run.path) for run in row.runs),
        seeds=tuple(row.seeds),
        metrics=metrics,
        baselines=tuple(row.baselines(headline)),
    )


def _summary(values: list[float]) -> Summary:
    if len(values) == 1:
        return Summary(values[0], None, tuple(values))
    found = st.of_seeds(values)
    interval = Interval(found.low, found.high) if len(values) >= st.FEWEST_SEEDS else None
    return Summary(found.value, float(np.std(values, ddof=1)), tuple(values), interval)


def _interval(row: Row, name: str) -> Interval | None:
    """The interval of a single run's metric: how sure it is that was measured on so many samples."""
    measured, units = alone(row.runs[0], row.split)
    ends = interval_of(measured, units, name, measured.values().get(name))
    return None if ends is None else Interval(*ends)


def _compared(first: Row, row: Row, headline: str, difference: float | None) -> Compared:
    """A row against the first, by what there is of both."""
    wanted = difference or _default_difference(first, headline)
    if first.enough and row.enough:
        return _by_seeds(first, row, headline, wanted)
    if not (first.single and row.single):
        few = row if not row.enough else first
        why = (f"settings are compared from three seeds each, {few.argument} has {len(few.runs)}; train more with: "
               f"cnncli train {shell_word(few.runs[0].path / 'config.yaml')} --seeds 3")  # fmt: skip
        return Compared(row.argument, first.argument, None, (len(first.runs), len(row.runs)), {}, why_none=why)
    missing = [each.runs[0].path for each in (first, row) if not has_outputs(each.runs[0], row.split)]
    if missing:
        why = (
            f"{missing[0]} has kept no outputs; to have them: cnncli eval {shell_word(missing[0])} --split {row.split}"
        )
        return Compared(row.argument, first.argument, None, (1, 1), {}, why_none=why)
    return _by_samples(first, row, pair(first.runs[0], row.runs[0], row.split), headline, wanted)


def _default_difference(first: Row, headline: str) -> float:
    """One point; of what is no fraction one per cent of what the first reaches."""
    if headline in POINTS:
        return POINT
    return abs(fmean(first.metrics(run)[headline] for run in first.runs)) / 100 or POINT


def _by_seeds(first: Row, row: Row, headline: str, wanted: float) -> Compared:
    """Settings, by Welch's test: a run is a unit."""
    told = [[row.metrics(run) for run in row.runs] for row in (first, row)]
    names = [name for name in told[0][0] if all(name in metrics for of in told for metrics in of)]
    values = {name: [[metrics[name] for metrics in of] for of in told] for name in names}
    tests = {name: _test(name, st.welch(*values[name]), "Welch's t-test over seeds") for name in names}
    deviations = tuple(float(np.std(of, ddof=1)) for of in values[headline])
    needed = st.seeds_for(wanted, (deviations[0], deviations[1]))
    counts = len(first.runs), len(row.runs)
    found = st.found_with(st.welch(*values[headline]).error, st.welch_degrees(*values[headline]))
    return Compared(row.argument, first.argument, "seeds", counts, tests, Needed(wanted, "seeds", needed), found)


def _by_samples(first: Row, row: Row, both: Pair, headline: str, wanted: float) -> Compared:
    """Two checkpoints, by the samples that both have answered; settings with one seed each are no more."""
    units, names = both.units, [name for name in both.first.values() if name in both.second.values()]
    counts = (units.count, units.count)
    if units.count < 2:
        why = f"one of {units.kind} is not enough for a test"
        return Compared(row.argument, first.argument, None, counts, {}, why_none=why)
    ours, theirs = both.first.values(), both.second.values()
    summed = both.first.by_unit(units), both.second.by_unit(units)
    influences = [each.influences(of, units) for each, of in zip((both.first, both.second), summed, strict=True)]
    changes = {name: influences[1][name] - influences[0][name] for name in names}
    drawn: Values = {} if units.few else _drawn(both, summed, names)
    tests, needed, found = {}, None, None
    for name in names:
        estimate, method = _estimate(name, theirs[name] - ours[name], changes[name], both, drawn)
        tests[name] = _test(name, estimate, method)
        if name == headline:
            freedom = float(st.degrees(changes[name]))
            needed = Needed(wanted, units.kind, _units_needed(name, wanted, estimate, both, freedom))
            found = st.found_with(estimate.error, freedom)
    return Compared(row.argument, first.argument, units.kind, counts, tests, needed, found)


def _drawn(both: Pair, summed: tuple[Parts, Parts], names: list[str]) -> Values:
    """The differences of all metrics for the same resamples of both runs, ``[B]`` each."""
    asked, found = frozenset(names), {name: list[st.Array]() for name in names}
    for weights in st.resamples(both.units.count):
        ours = both.first.replicates(weights, summed[0], both.units, asked)
        theirs = both.second.replicates(weights, summed[1], both.units, asked)
        for name in names:
            found[name].append(theirs[name] - ours[name])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _estimate(name: str, difference: float, change: st.Array, both: Pair, drawn: Values) -> tuple[st.Estimate, str]:
    """The difference of one metric with its interval and p-value, and how they were found."""
    units, hits = both.units, (both.first.hits, both.second.hits)
    if units.few:
        found = st.of_units(difference, change, lambda weights: weights[:, 0], few=True)
        method = f"t-test over {units.kind}"
    else:
        replicates = drawn[name][np.isfinite(drawn[name])]
        low, high, p = st.bootstrap(difference, change, replicates)
        found = st.Estimate(difference, float(low), float(high), float(replicates.std()), float(p))
        method = f"bootstrap of {units.kind}"
    if name in POINTS and found.low == found.high:  # no unit on which they differ: fewer than this share of all
        most = wilson(0, units.count)[1]
        found, method = replace(found, low=difference - most, high=difference + most), "Wilson's interval"
    if name in FRACTIONS and units.kind == "samples" and hits[0] is not None and hits[1] is not None:
        p = st.mid_p(int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum()))
        return replace(found, p=float(p)), "McNemar's mid-p test"
    return found, method


def _units_needed(name: str, wanted: float, found: st.Estimate, both: Pair, freedom: float) -> int:
    hits = both.first.hits, both.second.hits
    if name in FRACTIONS and both.units.kind == "samples" and hits[0] is not None and hits[1] is not None:
        return st.samples_for_mid_p(wanted, float((hits[0] != hits[1]).mean()))
    return st.units_for(wanted, found.error, both.units.count, freedom)


def _test(name: str, found: st.Estimate, method: str) -> Test:
    return Test(found.value, found.low, found.high, found.p, found.p, method, _answer(name, found.value, found.p))


def _answer(name: str, difference: float, p: float | None) -> Answer | None:
    if p is None:
        return None
    if p >= st.LEVEL:
        return "not distinguishable"
    return "better" if (difference < 0) == (name in LOWER) else "worse"


def _corrected(compared: list[Compared], headline: str) -> list[Compared]:
    """Holm's correction of each metric over the comparisons with the first; ``needed`` only where nothing was found."""
    names = dict.fromkeys(name for each in compared for name in each.tests)
    tests = [dict(each.tests) for each in compared]
    for name in names:
        having = [of for of in tests if name in of]
        for of, p in zip(having, st.holm([of[name].p for of in having]), strict=True):
            of[name] = replace(of[name], p_holm=p, answer=_answer(name, of[name].difference, p))
    return [
        replace(each, tests=of, needed=each.needed if _undecided(of, headline) else None)
        for each, of in zip(compared, tests, strict=True)
    ]


def _undecided(tests: dict[str, Test], headline: str) -> bool:
    return headline in tests and tests[headline].answer == "not distinguishable"


def _in_order(rows: Sequence[Judged], headline: str) -> tuple[str, ...]:
    """The metrics of all rows, the headline first."""
    return tuple(dict.fromkeys([headline, *(name for row in rows for name in row.metrics)]))


def _differs(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """The keys in which the settings differ, with what each row says; the seed where all rows are single runs."""
    settings = [row.runs[0].settings for row in rows]
    keys = [key for key in differing_keys(settings) if key != SEED or all(row.single for row in rows)]
    return {key: tuple(written(of[key]) if key in of else "" for of in settings) for key in keys}


def _notes(rows: Sequence[Row], compared: Sequence[Compared], split: Split) -> list[str]:
    """What must be known to read the answers right."""
    pairs = sum(bool(each.tests) and each.unit != "seeds" for each in compared)
    notes = [CHECKPOINTS.format("two" if pairs == 1 else pairs + 1)] if pairs else []
    seeds = [row for row in rows if row.enough]
    if any(each.unit == "seeds" for each in compared) and _several_parts(seeds, split):
        notes.append("Not all of these runs were judged on the same samples: a part of the spread over seeds is the "
                     "samples'.")  # fmt: skip
    if any(test.p is None for each in compared for test in each.tests.values()):
        notes.append("Where no seed changes a value there is no test: compare two single runs.")
    return notes


def _several_parts(rows: Sequence[Row], split: Split) -> bool:
    runs = [run for row in rows for run in row.runs if has_outputs(run, split)]
    first = kept(runs[0], split) if runs else None
    return first is not None and any(not judged_alike(first, kept(run, split)) for run in runs[1:])
