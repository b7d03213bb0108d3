"""How the values of one column of one series run: what is wrong, or worth a look."""

from dataclasses import dataclass

import numpy as np

from cnncli.curate.findings import MOST, Finding, count_of, some
from cnncli.data.gaps import Array, Stretch
from cnncli.data.series import SeriesData
from cnncli.data.spans import Bounds

FAR = 25.0  # robust standard deviations from the neighbours
RARE = 0.02  # of the values: more that lie far out are how the series is
STILL = 10  # steps of one value in a row that are worth a look; and 3 % of the series
SHIFT = 3.0  # robust standard deviations of training between the middle of training and of the test part
SCALE = 4.0  # times the spread of training
BESIDE = 0.3  # by so much the autocorrelation at another lag is above that at the period
ENOUGH = 40  # steps, below which nothing is said of how values are spread


@dataclass(frozen=True, eq=False)
class Run:
    """One column ``values`` float64 ``[L]`` of one series of ``raw``, and the bounds of its parts."""

    raw: SeriesData
    stretch: Stretch
    column: str
    values: Array
    bounds: Bounds

    def finding(self, kind: str, text: str, rows: list[int] | None = None) -> Finding:
        """A finding on this column; ``rows`` are counted from the first of the series."""
        of = f" of series '{self.stretch.id}'" if self.stretch.id else ""
        at = "" if not rows else f", at {some([self.at(row) for row in rows[:6]])}"
        whole = f"{self.raw.name}: column '{self.column}'{of} {text}{at}"
        lines = [] if self.raw.times is not None else [row + 1 for row in (rows or [])[:MOST]]
        return Finding(kind, whole, lines=lines, column=self.column)

    def at(self, row: int) -> str:
        """When a row was, in words."""
        if self.raw.times is None:
            return f"step {row + 1}"
        return short_time(self.raw.time_at(self.stretch.begin + row))

    def part(self, split: str) -> Array:
        """The values of one part, as the network learns them: their logarithms or differences where it does."""
        begin, end = self.bounds[split]  # type: ignore[index]
        values = self.values[begin:end]
        if self.raw.log:
            values = np.log(values[values > 0])
        lag = self.raw.difference
        return values if lag is None or len(values) <= lag else values[lag:] - values[:-lag]


def short_time(time: str) -> str:
    """A time in the form of ISO 8601 without zeros at its end."""
    return time.removesuffix(".000000").removesuffix("T00:00:00")


def look_at_run(run: Run) -> tuple[list[Finding], list[Finding]]:
    """Faults and notices on one column of one series."""
    faults = _not_positive(run)
    if _is_constant(run):
        return faults, [run.finding("constant", f"has one value at every step of training: {run.values[0]:g}")]
    return faults, [*_still(run), *_outliers(run), *_shift(run), *_period(run)]


def _is_constant(run: Run) -> bool:
    begin, end = run.bounds["train"]
    own = run.values[begin:end]
    return len(own) > 1 and bool((own == own[0]).all())


def _not_positive(run: Run) -> list[Finding]:
    if not run.raw.log or not (run.values <= 0).any():
        return []
    rows = np.flatnonzero(run.values <= 0)
    text = f"has {count_of(len(rows), 'value', '')}not above 0, of which there is no logarithm; set dataset.log: false"
    return [run.finding("not_positive", text, rows.tolist())]


def _still(run: Run) -> list[Finding]:
    """The longest stretch in which nothing changes, as of a sensor that hangs."""
    changes = np.flatnonzero(np.diff(run.values)) + 1
    starts, ends = np.concatenate([[0], changes]), np.concatenate([changes, [len(run.values)]])
    lengths = ends - starts
    longest = int(lengths.argmax())
    usual = np.median(lengths)
    length = int(lengths[longest])
    if length < max(STILL, 0.03 * len(run.values), 5 * usual) or (lengths > length / 2).sum() > 3:
        return []
    value = run.values[starts[longest]]
    return [run.finding("still", f"does not change for {length:,} steps ({value:g})", [int(starts[longest])])]


def _outliers(run: Run) -> list[Finding]:
    """Values far from those before and after them."""
    values = run.values
    if len(values) < ENOUGH:
        return []
    padded = np.pad(values, 3, mode="edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 7), axis=1)
    off = np.abs(values - around)
    spread = 1.4826 * np.median(off[off > 0]) if (off > 0).any() else 0.0
    rows = np.flatnonzero(off > FAR * spread) if spread > 0 else np.zeros(0, dtype=int)
    if not len(rows) or len(rows) > RARE * len(values):
        return []
    shown = some([f"{value:g}" for value in dict.fromkeys(values[rows].tolist())])
    return [
        run.finding(
            "outliers", f"has {count_of(len(rows), 'value', '')}far from the neighbours: {shown}", rows.tolist()
        )
    ]


def _shift(run: Run) -> list[Finding]:
    """Another level or spread in the test part than in training."""
    train, test = run.part("train"), run.part("test")
    if len(train) < ENOUGH or len(test) < ENOUGH // 4:
        return []
    middle, spread = np.median(train), _spread(train)
    if spread <= 0:
        return []
    moved = (np.median(test) - middle) / spread
    if abs(moved) > SHIFT:
        way = "higher" if moved > 0 else "lower"
        advice = "" if run.raw.difference else "; dataset.difference: 1 learns changes"
        text = f"is {abs(moved):.1f} deviations {way} in the test part than in training"
        return [run.finding("level_shift", text + advice)]
    ratio = _spread(test) / spread
    if ratio > SCALE or ratio < 1 / SCALE:
        return [run.finding("scale_change", f"varies {ratio:.2g} times as much in the test part as in training")]
    return []


def _spread(values: Array) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _period(run: Run) -> list[Finding]:
    """Another season than the period that is set: the lag at which the series resembles itself most."""
    begin, end = run.bounds["train"]
    values, period = run.values[begin:end], run.raw.period
    if run.column not in run.raw.targets or len(values) < max(ENOUGH, 4 * period):
        return []
    spread = _spread(values)
    middle = np.median(values)
    alike = autocorrelation(np.clip(values, middle - 5 * spread, middle + 5 * spread) if spread else values)
    lags = np.arange(len(alike))
    peaks = (lags > 1) & (alike > np.roll(alike, 1)) & (alike >= np.roll(alike, -1))
    peaks[-1:] = False
    if not peaks.any() or period >= len(alike):
        return []
    strongest = float(alike[peaks].max())
    best = int(lags[peaks & (alike > 0.9 * strongest)][0])  # the shortest: its multiples are as strong
    noise = 5 / np.sqrt(len(values))
    if alike[best] < max(BESIDE, noise) or alike[best] - alike[period] < BESIDE or period % best == 0:
        return []
    text = (
        f"repeats itself every {best} steps (autocorrelation {alike[best]:.2f}), dataset.period is {period} "
        f"({alike[period]:.2f})"
    )
    return [run.finding("period", text)]


def autocorrelation(values: Array) -> Array:
    """Of a series ``[L]`` without its straight line, at the lags 0 to a third of ``L``."""
    steps = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(steps, values, 1), steps)
    power = np.abs(np.fft.rfft(rest, 2 * len(rest))) ** 2
    found = np.fft.irfft(power)[: len(rest) // 3]
    return found / found[0] if len(found) and found[0] > 0 else np.zeros(len(found))
