"""``explain`` for tables and series: which columns matter, by permutation importance (Breiman 2001)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnncli.compute.failures import ANSWERING, explained
from cnncli.core.columns import Column
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.seeding import derive_seed
from cnncli.core.spec import DataSpec
from cnncli.data import DataBundle
from cnncli.data.sources import Source, movable, moved
from cnncli.inference.evaluate import at_home
from cnncli.inference.predictor import Predictor
from cnncli.training.display import Display

MOST_ROWS = 20_000  # of the validation part that are used, drawn at random
ALIKE = 0.7  # Spearman's correlation from which on two columns can stand in for each other
MOST_INPUTS = 1_000  # of which the correlations are looked at
MOST_PAIRS = 8  # that are named


@dataclass(frozen=True)
class ColumnWorth:
    """How much worse the headline and the loss become where a column is shuffled: mean and deviation."""

    name: str
    mean: float
    deviation: float
    loss_mean: float
    loss_deviation: float


@dataclass(frozen=True)
class Alike:
    """Two columns and the largest Spearman correlation of their inputs."""

    first: str
    second: str
    correlation: float


@dataclass(frozen=True)
class Importance:
    """What every column is worth to a network on the validation part of its run, the most important first."""

    checkpoint: str
    split: str
    samples: int
    repeats: int
    metric: str
    lower_is_better: bool
    value: float
    loss: float
    columns: tuple[ColumnWorth, ...]
    alike: tuple[Alike, ...]

    def warnings(self) -> list[str]:
        """What must be known before anyone believes the numbers."""
        told = []
        if self.alike:
            pairs = ", ".join(f"{a.first} and {a.second} ({a.correlation:+.2f})" for a in self.alike[:MOST_PAIRS])
            more = len(self.alike) - MOST_PAIRS
            told.append(
                f"These columns are correlated: {pairs}{f', and {more} more pairs' if more > 0 else ''}. Where one of "
                "such a pair is shuffled the network can use the other, so that both can seem less important than "
                "they are together."
            )
        if all(each.mean <= 2 * each.deviation and each.loss_mean <= 2 * each.loss_deviation for each in self.columns):
            told.append("No column matters more than by chance: every change is within two standard deviations.")
        return told

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        return asdict(self)


@explained(ANSWERING)
def explain_rows(predictor: Predictor, repeats: int, display: Display) -> Importance:
    """Shuffle one column after the other in the validation part, ``repeats`` times each, and measure again.

    Of a run without a validation part it is the test part. Raises ``ConfigError`` for networks that learned neither
    from a table nor from a series, ``DataError`` where the data are not there.
    """
    columns_of(predictor.spec, f"{predictor.path}")  # before anything is read
    data, training = at_home(predictor, display, "explain")
    predictor.task.fit(training)
    return importance(predictor, data, repeats, display)


def importance(predictor: Predictor, data: DataBundle, repeats: int, display: Display) -> Importance:
    """The same of data that are read, by a task that knows the training targets."""
    groups = columns_of(predictor.spec, f"{predictor.path}")
    split = next((split for split in ("val", "test") if split in data.sources), None)
    if split is None:
        raise DataError(f"{predictor.path}: the run has neither validation nor test samples; train with "
                        "dataset.val_fraction above 0")  # fmt: skip
    samples, targets = _some(data.sources[split])
    metric, lower = predictor.task.headline, predictor.task.headline in predictor.task.lower_is_better
    value, loss = _measured(predictor, samples, targets, metric)
    sign, found = (1 if lower else -1), []
    for name, places in display.track(groups.items(), len(groups), f"shuffling {len(groups):,} columns"):
        changes = []
        for number in range(repeats):
            shuffled = _shuffled(samples, places, derive_seed(0, name, number))
            again = _measured(predictor, shuffled, targets, metric)
            changes.append((sign * (again[0] - value), again[1] - loss))
        of_metric, of_loss = np.array(changes).T
        found.append(ColumnWorth(name, *_spread(of_metric), *_spread(of_loss)))
    found.sort(key=lambda each: (-each.mean, -each.loss_mean))
    pairs = tuple(alike(samples, groups))
    about = (str(predictor.path), split, len(samples), repeats, metric, lower, value, loss)
    return Importance(*about, tuple(found), pairs)


def columns_of(spec: DataSpec, where: str) -> dict[str, list[int]]:
    """Each column's places among the network's inputs; raises ``ConfigError`` where there are no columns."""
    groups, start = {}, 0
    for column in getattr(spec.preprocess, "columns", ()):  # of a table, or the names of those of a series
        name, width = (column.name, len(column.inputs)) if isinstance(column, Column) else (column, 1)
        groups[name] = list(range(start, start + width))
        start += width
    if not groups:
        cause = f"learned from {spec.kind.name}"
        raise ConfigError(f"{where}: {cause}; explain is for pictures, and for columns of tables and series")
    return groups


def alike(samples: Tensor, groups: dict[str, list[int]]) -> list[Alike]:
    """The pairs of columns with an absolute Spearman correlation from ``ALIKE`` on, the most correlated first."""
    from scipy.stats import rankdata

    values = samples.reshape(-1, samples.shape[-1])[:MOST_ROWS, :MOST_INPUTS].numpy()
    ranks = rankdata(values, axis=0)
    ranks = ranks - ranks.mean(axis=0)
    lengths = np.sqrt((ranks**2).sum(axis=0))
    ranks = np.divide(ranks, lengths, out=np.zeros_like(ranks), where=lengths > 0)
    correlations = ranks.T @ ranks
    found, names = [], [name for name, places in groups.items() if places and places[-1] < values.shape[1]]
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            block = correlations[np.ix_(groups[first], groups[second])]
            largest = float(block.flat[np.abs(block).argmax()])
            if abs(largest) >= ALIKE:
                found.append(Alike(first, second, largest))
    return sorted(found, key=lambda each: -abs(each.correlation))


def _some(source: Source) -> tuple[Tensor, Tensor]:
    """At most ``MOST_ROWS`` samples and their targets."""
    chosen = torch.arange(len(source))
    if len(chosen) > MOST_ROWS:
        chosen = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0))[:MOST_ROWS].sort().values
    return source.gather(chosen), source.targets[chosen]


def _shuffled(samples: Tensor, places: Sequence[int], seed: int) -> Tensor:
    """A copy in which each sample has the inputs at ``places`` from another one."""
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed))
    copy = samples.clone()
    copy[..., list(places)] = samples[order][..., list(places)]
    return copy


def _measured(predictor: Predictor, samples: Tensor, targets: Tensor, metric: str) -> tuple[float, float]:
    """The metric and the loss, over all samples at once."""
    device, task = predictor.runtime.device, predictor.task
    outputs = predictor.logits(samples).to(device)
    truth = moved(movable(targets, device), device)
    meter = task.meter(detailed=True)
    meter.update(task.eval_loss(outputs, truth), task.weight(truth), outputs, truth)
    values = meter.compute()
    return float(values.get(metric, float("nan"))), float(values["loss"])


def _spread(changes: "np.ndarray[Any, np.dtype[np.float64]]") -> tuple[float, float]:
    return float(changes.mean()), float(changes.std(ddof=1))
