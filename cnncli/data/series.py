"""Series of numbers as windows: what is known, and what comes next."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError, did_you_mean
from cnncli.core.numbers import Count, Fraction, Steps
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec, Series, Split, Wants
from cnncli.data.columns import is_numeric, numbers, refuse
from cnncli.data.contract import Opened, Track
from cnncli.data.csv_table import Delimiter, read_table
from cnncli.data.find import find_data
from cnncli.data.sources import ArraySource, Source

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class SeriesData:
    """``values`` float64 ``[L, F]``, cut by time: the end is for testing, what lies before it for validation."""

    name: str
    values: Array
    columns: tuple[str, ...]
    targets: tuple[str, ...]
    window: int
    horizon: int
    period: int
    log: bool
    difference: int | None
    test_fraction: float
    offers: ClassVar[tuple[Wants, ...]] = ("windows",)

    def open(self, config: DatasetConfig, wants: Wants, track: Track, spec: DataSpec | None) -> Opened:
        """Windows ``[N, T, F]`` and targets ``[N, H, K, 4]`` (see ``make_windows``), fitted on the training part.

        A window belongs to the split that its targets lie in; its inputs may reach back into the one before.
        """
        if config.normalize != "dataset":
            raise ConfigError("dataset.normalize: a series is always scaled by its training part; leave it out")
        test = round(len(self.values) * (1 - self.test_fraction))
        val = round(test * (1 - config.val_fraction))
        if spec is None:
            spec = self._fit(val)
        self._require_same(spec)
        inputs, targets, starts = make_windows(self.values, spec)
        first = starts + self.window  # the first forecast step of each window
        bounds: dict[Split, tuple[int, int]] = {"train": (0, val), "val": (val, test), "test": (test, len(self.values))}
        sources: dict[Split, Source] = {}
        for split, (begin, end) in bounds.items():
            inside = (first >= begin) & (first + self.horizon <= end)
            if inside.any():
                here = slice(int(inside.long().argmax()), int(inside.long().argmax() + inside.sum()))  # stays a view
                sources[split] = ArraySource(inputs[here], targets[here])
            elif end > begin or split == "train":
                raise DataError(
                    f"{self.name}: the {split} part has {end - begin} steps, too few for a window of {self.window} and "
                    f"a horizon of {self.horizon}; lower them or give more data"
                )
        return Opened(spec, sources)

    def _require_same(self, spec: DataSpec) -> None:
        """Raise ``DataError`` where a checkpoint was trained on other columns or windows than these."""
        series = spec.require(Series, f"{self.name}: this data set", "use the data it was trained on")
        for what, own, trained in (
            ("columns", self.columns, series.columns),
            ("targets", self.targets, series.targets),
        ):
            if own != trained:
                raise DataError(
                    f"{self.name}: has the {what} {', '.join(own)}, the checkpoint was trained on "
                    f"{', '.join(trained)}; use the data it was trained on"
                )
        for key in ("period", "log", "difference"):
            if getattr(self, key) != getattr(series, key):
                raise DataError(
                    f"{self.name}: {key} is {getattr(self, key)}, the checkpoint was trained with "
                    f"{getattr(series, key)}; leave it as it was"
                )
        window, horizon = spec.input_shape[0], spec.outputs[0]
        if (self.window, self.horizon) != (window, horizon):
            raise DataError(
                f"{self.name}: a window of {self.window} and a horizon of {self.horizon}, the checkpoint was trained "
                f"with {window} and {horizon}; leave them as they were"
            )

    def _fit(self, end: int) -> DataSpec:
        known = transformed(self.values[:end], self.log)
        if end <= max(self.period, self.difference or 0) + 1:
            raise DataError(f"{self.name}: the training part has {end} steps, less than one period; give more data")
        scaled = known if self.difference is None else known[self.difference :] - known[: -self.difference]
        std = scaled.std(0)
        std[std < 1e-12] = 1.0
        chosen = [self.columns.index(name) for name in self.targets]
        of_targets = self.values[:end, chosen]
        naive_error = np.abs(of_targets[self.period :] - of_targets[: -self.period]).mean(0)
        naive_error[naive_error == 0] = 1.0
        series = Series(
            self.columns, self.targets, self.period, self.log, self.difference,
            tuple(scaled.mean(0).tolist()), tuple(std.tolist()), tuple(naive_error.tolist()),
        )  # fmt: skip
        shape = (self.window, len(self.columns))
        return DataSpec(shape, (), series, output_shape=(self.horizon, len(self.targets)))


def transformed(values: Array, log: bool) -> Array:
    """The values, or their logarithms; raises ``DataError`` where there is none."""
    if not log:
        return values
    if (values <= 0).any():
        row = int(np.argwhere(values <= 0)[0, 0]) + 1
        raise DataError(f"the series' row {row} is not positive and has no logarithm; train with log: false")
    return np.log(values)


def window_inputs(values: Array, spec: DataSpec) -> Tensor:
    """All windows of ``values`` ``[L, F]`` that a network can be asked about: float32 ``[N, T, F]``, a view.

    The first begins ``difference`` steps into the series, the last ends with it.
    """
    series = spec.require(Series, "a window")
    level = transformed(values, series.log)
    moved = level if series.difference is None else level[series.difference :] - level[: -series.difference]
    scaled = torch.from_numpy((moved - np.array(series.mean)) / np.array(series.std)).float()
    return scaled.unfold(0, spec.input_shape[0], 1).transpose(1, 2)


def offsets_at(level: Array, end: Tensor, steps: int, series: Series) -> Array:
    """What has to be added to a network's answer: the last known value a multiple of ``difference`` before.

    ``level`` ``[L, K]`` are the (logarithms of the) target columns, ``end`` ``[N]`` the first unknown position of
    each window; float64 ``[N, steps, K]``, zero without differences.
    """
    if series.difference is None:
        return np.zeros((len(end), steps, level.shape[1]))
    back = torch.tensor([h - series.difference * ceil((h + 1) / series.difference) for h in range(steps)])
    found: Array = level[(end[:, None] + back).numpy()]
    return found


def make_windows(values: Array, spec: DataSpec) -> tuple[Tensor, Tensor, Tensor]:
    """Every window with its targets: inputs ``[N, T, F]``, targets ``[N, H, K, 4]``, first positions ``[N]``.

    The four: the value that the network learns, its offset (``offsets_at``), and the naive and the seasonal-naive
    forecast in the data's unit (NaN where the series does not reach back a period).
    """
    series = spec.require(Series, "a window")
    window, horizon = spec.input_shape[0], spec.outputs[0]
    lost = series.difference or 0
    starts = torch.arange(lost, max(len(values) - window - horizon + 1, lost))
    if len(starts) == 0:
        raise DataError(
            f"the series has {len(values)} steps; a window of {window}, a horizon of {horizon}"
            + (f" and a difference of {lost}" if lost else "")
            + " need more: lower them"
        )
    chosen = [series.columns.index(name) for name in series.targets]
    own, end = values[:, chosen], starts + window
    level = transformed(own, series.log)
    ahead = (end[:, None] + torch.arange(horizon)).numpy()
    offsets = offsets_at(level, end, horizon, series)
    learned = (level[ahead] - offsets - np.array(series.mean)[chosen]) / np.array(series.std)[chosen]
    naive = np.broadcast_to(own[(end - 1).numpy()][:, None], learned.shape)
    seasons = torch.tensor([h - series.period * ceil((h + 1) / series.period) for h in range(horizon)])
    back = (end[:, None] + seasons).numpy()
    seasonal = np.where(back[..., None] >= 0, own[np.maximum(back, 0)], np.nan)
    targets = torch.from_numpy(np.stack([learned, offsets, naive, seasonal], axis=-1))
    return window_inputs(values, spec)[: len(starts)], targets, starts


@datasets.register("series_csv", suggests={"task": "forecasting"})
def series_csv(
    file: str,
    columns: list[str] | None = None,
    targets: list[str] | None = None,
    window: Steps = 24,
    horizon: Steps = 12,
    period: Count = 12,
    log: bool = False,
    difference: Count | None = None,
    delimiter: Delimiter = ",",
    test_fraction: Fraction = 0.2,
) -> SeriesData:
    """Numbers over time from a CSV file, a row a step: `columns` (all numeric ones) tell the next `targets` (the same).

    `period` is the season (12 for months of a year), `difference` makes the network learn changes over so many
    steps, `log` factors instead of sums. The last `test_fraction` is the test part.
    """
    path = find_data(file)
    values, names = read_series(path, columns, delimiter)
    wanted = names if targets is None else tuple(targets)
    for key, given in (("columns", columns), ("targets", targets)):
        if given is not None and (not given or len(set(given)) < len(given)):
            raise ConfigError(f"dataset.{key}: names {len(given)} columns, some twice or none; name each once")
    for name in wanted:
        if name not in names:
            raise ConfigError(f"dataset.targets: no column '{name}'; {did_you_mean(name, names)}")
    return SeriesData(file, values, names, wanted, window, horizon, period, log, difference, test_fraction)


def read_series(path: Path, columns: list[str] | None, delimiter: str = ",") -> tuple[Array, tuple[str, ...]]:
    """The numeric columns of a CSV file, or those named: float64 ``[L, F]`` and their names.

    Raises ``DataError`` naming file, line and column of what is missing or no number.
    """
    frame = read_table(path, True, delimiter)
    lines = frame.index.to_numpy()
    if len(gap := np.flatnonzero(np.diff(lines) != 1)):
        raise DataError(f"{path}:{lines[gap[0]] + 1}: is blank; a step is missing here: fill the gap")
    first = list(frame.columns)
    if any(name.replace(".", "", 1).removeprefix("-").isdecimal() for name in first):
        raise DataError(f"{path}:1: a column is called '{first[-1]}'; the first line must name the columns")
    _require_order(frame, str(path))
    names = columns or [name for name in frame.columns if is_numeric(frame[name])]
    if not names:
        raise DataError(f"{path}: has no column of numbers; check dataset.delimiter")
    values = []
    for name in names:
        if name not in frame.columns:
            raise DataError(f"{path}: no column '{name}'; {did_you_mean(name, list(frame.columns))}")
        found, bad = numbers(frame[name])
        refuse(frame[name], bad, str(path), "has {} where a number is expected; fix it")
        refuse(frame[name], np.isnan(found), str(path), "has no value; a step is missing here: fill the gap")
        values.append(found)
    return np.stack(values, axis=1), tuple(names)


def read_times(frame: "pd.DataFrame") -> "pd.DatetimeIndex | None":
    """The first column of a table as times; None where it holds no dates in the form of ISO 8601."""
    import pandas as pd

    column = frame.iloc[:, 0]
    if is_numeric(column):
        return None
    try:
        return pd.DatetimeIndex(pd.to_datetime(column, format="ISO8601"))
    except ValueError:
        return None


def _require_order(frame: "pd.DataFrame", path: str) -> None:
    """Raise ``DataError`` when the first column holds dates and one does not follow the one before it."""
    times = read_times(frame)
    if times is None:
        return
    later = np.append(True, times[1:] > times[:-1])
    refuse(frame.iloc[:, 0], ~later, path, "has {}, not after the line before; sort")
