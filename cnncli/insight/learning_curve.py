"""Would more data help? The validation metric over the number of training samples, and a power law through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncli.config.checking import LoadedConfig
from cnncli.core.errors import ConfigError, TrainingError
from cnncli.core.metrics import format_metric
from cnncli.runs.rows import Spread, spread
from cnncli.training.fractions import Part, PartResults, train_parts
from cnncli.training.new_run import NewRun

if TYPE_CHECKING:
    from cnncli.scoring.power_law import Interval, PowerLaw

FRACTIONS = (0.05, 0.1, 0.2, 0.35, 0.5, 1.0)
FACTOR = 2


@dataclass(frozen=True, eq=False)
class Curve:
    """What was reached with each number of samples, and what a power law says.

    ``law`` is of all sizes; ``check`` predicts the largest from the others, where there are enough of them.
    """

    parts: PartResults
    metric: str
    mode: str
    values: dict[int, list[float]]  # by the number of samples, smallest first
    fractions: dict[int, float]
    law: "PowerLaw | None"
    check: "Interval | None"

    @property
    def largest(self) -> int:
        return max(self.values)

    @property
    def name(self) -> str:
        """The metric without its split."""
        return self.metric.rpartition("/")[2]

    def metric_of(self, error: "Interval") -> "Interval":
        """An interval of the error as one of the metric."""
        from cnncli.scoring.power_law import Interval

        if self.mode == "min":
            return error
        return Interval(1 - error.value, 1 - error.high, 1 - error.low)

    def spread_at(self, samples: int) -> Spread:
        found = spread(self.values[samples])
        assert found is not None
        return found

    @property
    def gain(self) -> "Interval | None":
        """By how much the metric gets better with twice the data; more is better, whatever the metric."""
        return None if self.law is None else self.law.gain(self.largest, FACTOR)

    @property
    def check_holds(self) -> bool | None:
        """Whether what was measured with all samples lies in the interval predicted from the others."""
        if self.check is None:
            return None
        told = self.metric_of(self.check)
        return told.low <= self.spread_at(self.largest).mean <= told.high

    def sentences(self) -> list[str]:
        """What the curve says, in whole sentences."""
        if self.law is None or self.gain is None:
            return ["Fewer than four sizes have a result, so no power law is fitted."]
        found = [self._gain_sentence(), self._law_sentence()]
        if self.check is not None:
            told, last = self.metric_of(self.check), self.spread_at(self.largest)
            where = "inside" if self.check_holds else "outside"
            second = sorted(self.fractions.values())[-2]
            found.append(
                f"Check: from the sizes up to {100 * second:g} %, {self._told(told)} was predicted for "
                f"{self.largest:,} samples; measured: {format_metric(self.name, last.mean)}, {where} the interval."
            )
        return found

    def _law_sentence(self) -> str:
        assert self.law is not None
        error = "1 - " + self.name if self.mode == "max" else self.name
        _, b, c = self.law.fitted
        return f"Fitted: {error} = {self.law.a:.4g}·n^-{b:.3g} + {c:.4g}, n training samples."

    def _gain_sentence(self) -> str:
        assert self.law is not None
        assert self.gain is not None
        more = self.metric_of(self.law.at(FACTOR * self.largest))
        own = self.metric_of(self.law.at(self.largest))
        gain = self.gain
        better = "rise" if self.mode == "max" else "fall"
        help_ = "more data would help" if gain.low > 0.05 * max(self.law.at(self.largest).value, 1e-9) else (
            "it is not certain that more data would help")  # fmt: skip
        return (
            f"With twice the data, {FACTOR * self.largest:,} samples, {self.metric} would {better} from "
            f"{format_metric(self.name, own.value)} to about {self._told(more)}; the gain is "
            f"{self._amount(gain.value)}, 95 % interval {self._amount(gain.low)} to {self._amount(gain.high)}: {help_}."
        )

    def _told(self, interval: "Interval") -> str:
        value, low, high = (format_metric(self.name, each) for each in (interval.value, interval.low, interval.high))
        return f"{value} (95 % interval {low} to {high})"

    def _amount(self, value: float) -> str:
        shown = format_metric(self.name, value)
        return shown.replace(" %", " points") if shown.endswith("%") else shown

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        rows = [
            {"fraction": self.fractions[size], "samples": size, "values": values,
             "mean": self.spread_at(size).mean, "std": self.spread_at(size).deviation}
            for size, values in self.values.items()
        ]  # fmt: skip
        law = None
        if self.law is not None:
            law = {"a": self.law.a, "b": float(self.law.fitted[1]), "c": float(self.law.fitted[2])}
        doubled = None if self.law is None else self.law.at(FACTOR * self.largest)
        return {
            "name": self.parts.name,
            "metric": self.metric,
            "mode": self.mode,
            "rows": rows,
            "law": law,
            "twice": None if doubled is None else _plain(self.metric_of(doubled)),
            "gain": None if self.gain is None else _plain(self.gain),
            "check": None if self.check is None else {**_plain(self.metric_of(self.check)), "holds": self.check_holds},
            "sentences": self.sentences(),
            "failed": [_named(part) | {"cause": cause} for part, cause in self.parts.failed.items()],
            "running": [_named(part) for part in self.parts.running],
        }


def _plain(interval: "Interval") -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _named(part: Part) -> dict[str, Any]:
    return {"fraction": part.fraction, "seed": part.seed}


def learning_curve(
    loaded: LoadedConfig, fractions: Sequence[float], seeds: Sequence[int], runs_dir: Path, quiet: bool
) -> Curve:
    """Train a config on parts of its training samples, smallest first; raises ``TrainingError`` without any result."""
    parts = [Part(fraction, seed) for fraction in sorted(fractions) for seed in seeds]
    return curve_of(train_parts(loaded, parts, NewRun(runs_dir), quiet))


def curve_of(found: PartResults) -> Curve:
    """The curve through the results that are there."""
    from cnncli.scoring.power_law import FEWEST, fit_power_law

    if not found.results:
        cause = next(iter(found.failed.values()), "all of them are trained by another process; wait for it")
        raise TrainingError(f"{found.name}: no run has a result: {cause}")
    values: dict[int, list[float]] = {}
    fractions: dict[int, float] = {}
    for part, result in found.results.items():
        samples = result.samples["train"]
        values.setdefault(samples, []).append(result.monitored.value)
        fractions[samples] = max(fractions.get(samples, 0.0), part.fraction)
    values = dict(sorted(values.items()))
    monitored = next(iter(found.results.values())).monitored
    errors = {size: [_error(value, monitored.mode) for value in of] for size, of in values.items()}
    law = fit_power_law(errors) if len(errors) >= FEWEST else None
    check, largest = None, max(errors)
    if len(errors) > FEWEST:
        before = {size: of for size, of in errors.items() if size < largest}
        check = fit_power_law(before).of_runs(largest, len(errors[largest]))
    return Curve(found, monitored.metric, monitored.mode, values, fractions, law, check)


def _error(value: float, mode: str) -> float:
    return 1 - value if mode == "max" else value


def parse_fractions(text: str | None) -> list[float]:
    """The fractions of ``--fractions 5,10,100``, in per cent; raises ``ConfigError``."""
    if text is None:
        return list(FRACTIONS)
    advice = "write at least four percentages of the training part, as --fractions 5,10,20,35,50,100"
    try:
        found = sorted({float(word.removesuffix("%")) for word in text.split(",") if word.strip()})
    except ValueError:
        raise ConfigError(f"--fractions '{text}' are no percentages; {advice}") from None
    if not all(0 < each <= 100 for each in found):
        raise ConfigError(f"--fractions '{text}': lie from above 0 to 100; {advice}")
    if len(found) < len(FRACTIONS) - 2:
        raise ConfigError(f"--fractions '{text}': are too few for a power law; {advice}")
    return [each / 100 for each in found]
