"""Series of numbers as windows: what is known, and what comes next."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.members import Members
from cnncli.core.notices import notice
from cnncli.core.series_parts import SeriesPart
from cnncli.core.spec import DataSpec, Series, Split, Wants
from cnncli.data.contract import Opened, Remembered, Track
from cnncli.data.gaps import Array, Stretch
from cnncli.data.remembered import tell_unknown
from cnncli.data.series_file import Found
from cnncli.data.sources import ArraySource, Source
from cnncli.data.spans import Bounds, as_members, find_bounds, spans_of
from cnncli.data.times import Moments
from cnncli.data.windows import make_windows, scaled, spec_of, transformed, with_scale


@dataclass(frozen=True)
class SeriesData:
    """``values`` float64 ``[L, F]``, cut by time: the end is for testing, what lies before it for validation.

    Of several series, which lie one after the other, ``found`` says where each begins, and when each row was.
    """

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
    found: Found | None = None
    offers: ClassVar[tuple[Wants, ...]] = ("windows",)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The rows of each series; of a single one, all."""
        return (Stretch("", 0, len(self.values)),) if self.found is None else self.found.stretches

    @property
    def times(self) -> Moments | None:
        """When each row was: datetime64[us] ``[L]``, in UTC where the file tells; None where it has no times."""
        return None if self.found is None else self.found.moments

    def time_at(self, row: int) -> str:
        """A row's time in the form of ISO 8601, or its position where there are no times."""
        return str(row) if self.times is None else str(self.times[row])

    def bounds(self, stretch: Stretch, val_fraction: float) -> Bounds:
        """The first and the last row (not included) of each part of one series, counted from its beginning."""
        steps = stretch.end - stretch.begin
        test = round(steps * (1 - self.test_fraction))
        val = round(test * (1 - val_fraction))
        return {"train": (0, val), "val": (val, test), "test": (test, steps)}

    def open(
        self,
        config: DatasetConfig,
        wants: Wants,
        track: Track,
        spec: DataSpec | None,
        remembered: Remembered | None = None,
    ) -> Opened:
        """Windows ``[N, T, F]`` and targets ``[N, H, K, 4]`` (see ``make_windows``), fitted on the training part.

        A window belongs to the split that its targets lie in; its inputs may reach back into the one before. Of
        several series targets are ``[N, H, K, 7]``: mean, deviation and naive error of the window's series follow.
        """
        if config.normalize != "dataset":
            raise ConfigError("dataset.normalize: a series is always scaled by its training part; leave it out")
        if spec is not None and remembered is None:
            tell_unknown(self.name)
        bounds = [self._found(stretch, config.val_fraction, remembered) for stretch in self.stretches]
        if spec is None:
            spec = self._fit([each["train"][1] for each in bounds])
        self._require_same(spec)
        series = spec.require(Series, "this data set")
        sources = self._several(spec, bounds) if series.parts else self._one(spec, bounds[0])
        return Opened(spec, sources, self._members(bounds) if remembered is None else remembered.members)

    def _found(self, stretch: Stretch, val_fraction: float, remembered: Remembered | None) -> Bounds:
        """The parts of one series: remembered, or cut by time."""
        if remembered is None:
            return self.bounds(stretch, val_fraction)
        values = self.values[stretch.begin : stretch.end]
        return find_bounds(remembered, values, self.name, self._times_of(stretch), stretch.id)

    def _times_of(self, stretch: Stretch) -> Moments | None:
        return None if self.times is None else self.times[stretch.begin : stretch.end]

    def _members(self, bounds: list[Bounds]) -> Members:
        spans = [
            span
            for stretch, own in zip(self.stretches, bounds, strict=True)
            for span in spans_of(self.values[stretch.begin : stretch.end], own, self._times_of(stretch), stretch.id)
        ]
        return as_members(spans)

    def _one(self, spec: DataSpec, bounds: Bounds) -> dict[Split, Source]:
        inputs, targets, starts = make_windows(self.values, self._spec_of(spec, self.stretches[0]))
        sources: dict[Split, Source] = {}
        for split, here in self._inside(starts, bounds).items():
            if here.start < here.stop:
                sources[split] = ArraySource(inputs[here], targets[here])  # stays a view
            elif bounds[split][1] > bounds[split][0] or split == "train":
                self._refuse_short(split, bounds[split][1] - bounds[split][0])
        return sources

    def _several(self, spec: DataSpec, bounds: list[Bounds]) -> dict[Split, Source]:
        """Windows of one tensor, of which those that would cross from one series to the next are left out."""
        pieces, begins = [], [0]
        targets: dict[Split, list[Tensor]] = {"train": [], "val": [], "test": []}
        rows: dict[Split, list[Tensor]] = {"train": [], "val": [], "test": []}
        short = dict.fromkeys(rows, 0)
        for stretch, own in zip(self.stretches, bounds, strict=True):
            part_spec = self._spec_of(spec, stretch)
            values = self.values[stretch.begin : stretch.end]
            pieces.append(scaled(values, part_spec))
            if len(values) >= self.window + self.horizon + (self.difference or 0):
                _, learned, starts = make_windows(values, part_spec)
                learned = with_scale(learned, part_spec)
                for split, here in self._inside(starts, own).items():
                    targets[split].append(learned[here])
                    rows[split].append(starts[here] - (self.difference or 0) + begins[-1])
                    short[split] += here.start >= here.stop
            else:
                short = {split: count + 1 for split, count in short.items()}
            begins.append(begins[-1] + len(pieces[-1]))
        inputs = torch.cat(pieces).unfold(0, self.window, 1).transpose(1, 2)
        sources: dict[Split, Source] = {}
        for split, found in rows.items():
            wanted = max((own[split][1] - own[split][0] for own in bounds if split in own), default=0)
            if count := sum(map(len, found)):
                sources[split] = ArraySource(inputs, torch.cat(targets[split]), torch.cat(found))
            elif wanted > 0 or split == "train":
                self._refuse_short(split, wanted)
            if count and short[split]:
                text = f"{short[split]} of {len(bounds)} series are too short for a window of the {split} part"
                notice("short_series", f"{self.name}: {text}")
        return sources

    def _inside(self, starts: Tensor, bounds: Bounds) -> dict[Split, slice]:
        """Which of the windows, which begin at ``starts``, have all their targets in a part."""
        first = starts + self.window  # the first forecast step of each window
        found: dict[Split, slice] = {}
        for split, (begin, end) in bounds.items():
            inside = (first >= begin) & (first + self.horizon <= end)
            at = int(inside.long().argmax()) if len(inside) else 0
            found[split] = slice(at, at + int(inside.sum()))
        return found

    def _refuse_short(self, split: Split, steps: int) -> None:
        longest = " of the longest series" if len(self.stretches) > 1 else ""
        raise DataError(
            f"{self.name}: the {split} part{longest} has {steps} steps, too few for a window of {self.window} and "
            f"a horizon of {self.horizon}; lower them or give more data"
        )

    def _spec_of(self, spec: DataSpec, stretch: Stretch) -> DataSpec:
        return spec_of(spec, stretch.id, self.name)

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

    def _fit(self, ends: list[int] | int) -> DataSpec:
        """The description of series whose training parts end after so many steps."""
        self._refuse_names()
        ends = [ends] if isinstance(ends, int) else ends
        parts = []
        for stretch, end in zip(self.stretches, ends, strict=True):
            if end <= max(self.period, self.difference or 0) + 1:
                which = f"the training part of series '{stretch.id}'" if stretch.id else "the training part"
                advice = "; give more data" + (" or leave the series out" if stretch.id else "")
                raise DataError(f"{self.name}: {which} has {end} steps, less than one period{advice}")
            parts.append(self._part(stretch.id, self.values[stretch.begin : stretch.begin + end]))
        self._tell_undefined(parts)
        by = () if self.found is None else self.found.by
        means = [np.mean([getattr(part, key) for part in parts], axis=0).tolist() for key in ("mean", "std")]
        naive = np.mean([part.naive_error for part in parts], axis=0).tolist()
        series = Series(
            self.columns, self.targets, self.period, self.log, self.difference,
            tuple(means[0]), tuple(means[1]), tuple(naive), tuple(parts) if by else (), by,
        )  # fmt: skip
        shape = (self.window, len(self.columns))
        return DataSpec(shape, (), series, output_shape=(self.horizon, len(self.targets)))

    def _part(self, id: str, values: Array) -> SeriesPart:
        """The statistics of one series' training part."""
        known = transformed(values, self.log)
        moved = known if self.difference is None else known[self.difference :] - known[: -self.difference]
        std = moved.std(0)
        std[std < 1e-12] = 1.0
        own = values[:, [self.columns.index(name) for name in self.targets]]
        naive_error = np.abs(own[self.period :] - own[: -self.period]).mean(0)
        naive_error[naive_error <= 1e-12 * np.abs(own).max(0)] = 0.0  # rounding alone
        return SeriesPart(id, tuple(moved.mean(0).tolist()), tuple(std.tolist()), tuple(naive_error.tolist()))

    def _tell_undefined(self, parts: list[SeriesPart]) -> None:
        """Say for which targets MASE has nothing to divide by."""
        for k, target in enumerate(self.targets):
            if without := [part.id for part in parts if part.naive_error[k] == 0]:
                of = f" of {len(without)} series, such as '{without[0]}'," if len(parts) > 1 else ""
                notice(
                    "mase_undefined",
                    f"{self.name}: the training part of '{target}'{of} repeats itself exactly every {self.period} "
                    "steps; MASE would divide by 0 and is left out there",
                )

<<<<<<< HEAD
    def _refuse_names(self) -> None:
        """Raise ``DataError`` where a forecast's own columns would be written over those of the targets."""
        own = {"time", "series", "step", *(f"{name}{end}" for name in self.targets for end in ("_lower", "_upper"))}
        for name in self.targets:
            if name in own:
                left = [column for column in self.targets if column not in own] or ["another"]
                raise DataError(
                    f"{self.name}: a target is called '{name}', as a column of the forecast itself; rename it, or "
                    f"leave it out: dataset.targets: [{', '.join(left)}]"
                )
=======

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
>>>>>>> wt-tables
