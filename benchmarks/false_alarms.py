"""How often ``compare`` takes equal networks for different ones: ``python -m benchmarks.false_alarms``.

Answers are drawn, no network is trained: 5,000 pairs for each row (``--pairs``), a fifth of them for the rows of
neighbouring samples. A false alarm is p < 0.05 of two that are equally good. Planted differences have as many samples
or seeds as ``compare`` says that they take to be found in 80 % of all cases.
The same resamples serve all pairs of a row.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from cnncli.scoring import statistics as st

DRAWS = 2_000
Array = NDArray[np.float64]
Row = tuple[str, str, float]
"""What was drawn, how it was judged, and how often p < 0.05."""


def alarms(p: Array) -> float:
    """The fraction below the level."""
    return float((p < st.LEVEL).mean())


def judged(totals: Array, sizes: Array) -> Array:
    """The p-values of mean differences: ``totals`` ``[units, pairs]``, ``sizes`` ``[units]``, as in ``compare``."""
    value = totals.sum(0) / sizes.sum()
    influence = (totals - sizes[:, None] * value) / sizes.sum()
    if len(sizes) < st.FEWEST_UNITS:
        return st.by_units(value, influence)[2]
    weights = np.concatenate(list(st.resamples(len(sizes), 0, DRAWS)))
    return st.bootstrap(value, influence, (weights @ totals) / (weights @ sizes)[:, None])[2]


def answers(random: np.random.Generator, shape: tuple[int, int], discordant: float, better: float = 0.0) -> Array:
    """-1 where only the first is right, 1 where only the second is, else 0."""
    drawn = random.random(shape)
    first = (discordant - better) / 2
    return np.where(drawn < first, -1.0, np.where(drawn < discordant, 1.0, 0.0))


def by_mid_p(found: Array) -> Array:
    """McNemar's mid-p values of ``[N, pairs]``."""
    return st.mid_p((found < 0).sum(0), (found > 0).sum(0))


def equal(random: np.random.Generator, pairs: int) -> Iterator[Row]:
    """Independent samples, two equally good networks."""
    for samples in (200, 500, 2000):
        for discordant in (0.02, 0.05, 0.2):
            found = answers(random, (samples, pairs), discordant)
            what = f"{samples:,} samples, {100 * discordant:.0f} % answered differently"
            yield what, "accuracy, mid-p", alarms(by_mid_p(found))
            yield what, "accuracy, bootstrap", alarms(judged(found, np.ones(samples)))
    for samples in (200, 1000):
        losses = random.lognormal(-2, 1.5, (2, samples, pairs))
        yield (
            f"{samples:,} samples, skewed losses",
            "loss, bootstrap",
            alarms(judged(losses[1] - losses[0], np.ones(samples))),
        )
        yield (
            f"{samples:,} samples, a class of 10 %",
            "balanced accuracy, bootstrap",
            alarms(balanced(random, samples, pairs)),
        )


def balanced(random: np.random.Generator, samples: int, pairs: int) -> Array:
    """The p-values of balanced accuracies, of which one class has a tenth of the samples."""
    rare = np.arange(samples) < samples // 10
    found = answers(random, (samples, pairs), 0.15)
    value = (found[rare].mean(0) + found[~rare].mean(0)) / 2
    shares = np.where(rare, 1 / rare.sum(), 1 / (~rare).sum())[:, None]
    means = np.where(rare[:, None], found[rare].mean(0), found[~rare].mean(0))
    weights = np.concatenate(list(st.resamples(samples, 0, DRAWS)))
    each = [(weights[:, of] @ found[of]) / weights[:, of].sum(1, keepdims=True) for of in (rare, ~rare)]
    return st.bootstrap(value, (found - means) * shares / 2, (each[0] + each[1]) / 2)[2]


def planted(random: np.random.Generator, pairs: int) -> Iterator[Row]:
    """As many samples as are said to find the difference in 80 % of all cases."""
    for better, discordant in ((0.01, 0.05), (0.02, 0.04), (0.05, 0.2)):
        samples = st.samples_for_mid_p(better, discordant)
        what = f"{100 * better:.0f} points planted, {samples:,} samples"
        some = min(pairs, 20_000_000 // samples)
        found = answers(random, (samples, some), discordant, better)
        yield what, "accuracy, mid-p", alarms(by_mid_p(found))
        yield what, "accuracy, bootstrap", alarms(judged(found, np.ones(samples)))
    for better in (0.2, 0.1):  # of a standard deviation of 1, skewed
        pilot = 500
        samples = st.units_for(better, 1 / pilot**0.5, pilot, pilot - 1)
        found = random.gamma(4.0, 0.5, (samples, pairs)) - 2 + better
        yield (
            f"{better} planted in losses, {samples:,} samples",
            "loss, bootstrap",
            alarms(judged(found, np.ones(samples))),
        )
    for better in (2.0, 1.0, 0.5):
        seeds = st.seeds_for(better, (1.0, 0.5))
        found = random.standard_normal((2, pairs, seeds)) * np.array([1.0, 0.5])[:, None, None]
        found[1] += better
        yield f"{better} deviations planted, {seeds} seeds each", "Welch", alarms(np.array(welch_of(found)))


def welch_of(found: Array) -> Array:
    """Welch's p-values ``[pairs]`` of ``[2, pairs, seeds]``."""
    return np.array([st.welch(list(first), list(second)).p for first, second in zip(*found, strict=True)])


def grouped(random: np.random.Generator, pairs: int) -> Iterator[Row]:
    """Groups whose samples are alike: each network has groups that suit it."""
    for groups, uneven in ((200, False), (60, False), (60, True), (30, False), (30, True), (10, False)):
        sizes = random.geometric(0.1, groups) if uneven else np.full(groups, 10)
        suits = random.choice([-1.0, 0.0, 1.0], (groups, pairs), p=[0.2, 0.6, 0.2])
        found = answers(random, (int(sizes.sum()), pairs), 0.1)
        found = np.where(random.random(found.shape) < 0.5, np.repeat(suits, sizes, axis=0), found)
        begins = np.cumsum(sizes) - sizes
        what = f"{groups} groups of {'1 to ' + str(sizes.max()) if uneven else 10} samples"
        how = "t-test on groups" if groups < st.FEWEST_UNITS else "bootstrap of groups"
        yield what, how, alarms(judged(np.add.reduceat(found, begins, axis=0), sizes.astype(float)))
        yield what, "without group: mid-p", alarms(by_mid_p(found))
        yield what, "without group: bootstrap", alarms(judged(found, np.ones(len(found))))


def neighbours(random: np.random.Generator, pairs: int) -> Iterator[Row]:
    """A series: what the errors differ by goes on from step to step."""
    from cnncli.scoring.units import block_length, blocks

    for samples in (200, 1000):
        for memory in (0.0, 0.3, 0.6, 0.8):
            found = np.zeros((samples, pairs))
            for step in range(samples):
                found[step] = (memory * found[step - 1] if step else 0) + random.standard_normal(pairs)
            what = f"{samples:,} steps, correlation {memory} with the next"
            p = np.array([one_series(row, block_length(row), blocks) for row in found.T[: pairs // 5]])
            yield what, "blocks", alarms(p)
            yield what, "without blocks", alarms(judged(found, np.ones(samples)))


def one_series(found: Array, length: int, blocks: Callable[[int, int], NDArray[np.int64]]) -> float:
    """The p-value of the mean of one series of differences."""
    index = blocks(len(found), length)
    return float(judged(np.bincount(index, found)[:, None], np.bincount(index).astype(float))[0])


def seeds(random: np.random.Generator, pairs: int) -> Iterator[Row]:
    """Settings that are equally good, by their seeds."""
    for count in (3, 5):
        found = random.standard_normal((2, pairs, count))
        yield f"{count} seeds each", "Welch", alarms(welch_of(found))
        weights = np.concatenate(list(st.resamples(count, 0, DRAWS))) / count
        other = np.concatenate(list(st.resamples(count, 1, DRAWS))) / count
        replicates = other @ found[1].T - weights @ found[0].T
        outside = (np.quantile(replicates, 0.025, axis=0) > 0) | (np.quantile(replicates, 0.975, axis=0) < 0)
        yield f"{count} seeds each", "bootstrap of seeds", float(outside.mean())
    found = random.standard_normal((2, pairs, 4))
    assert np.allclose(welch_of(found), ttest_ind(found[1], found[0], axis=1, equal_var=False).pvalue)


def main() -> None:
    """Print the table."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--pairs", type=int, default=5000, metavar="N", help="5,000 unless given")
    pairs, random = made.parse_args().pairs, np.random.default_rng(0)
    for title, rows in (("Equal networks", equal), ("Planted differences", planted), ("Groups", grouped),
                        ("Neighbours", neighbours), ("Seeds", seeds)):  # fmt: skip
        print(f"\n{title}")
        for what, how, share in rows(random, pairs):
            print(f"  {what:<50}{how:<32}{100 * share:5.1f} %", flush=True)


if __name__ == "__main__":
    main()
