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
from cnncli.core.slices import Slices
from cnncli.core.spec import DataSpec, Series, Split, Wants
from cnncli.data.contract import Opened, Remembered, Track
from cnncli.data.gaps import Array, Stretch
from cnncli.data.remembered import tell_unknown
from cnncli.data.sample_ids import Known, known
from cnncli.data.series_file import Found
from cnncli.data.slicing import by_names, require_known
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
        members = self._members(bounds) if remembered is None else remembered.members
        slicing = (lambda split, by: self._slices(bounds, split, by)) if series.parts else None
        return Opened(spec, sources, members, lambda split: self._names(bounds, split), slicing)

    def _slices(self, bounds: list[Bounds], split: Split, by: str) -> Slices:
        """The windows of each series, which a column tells apart; raises ``DataError`` for another column."""
        require_known(by, ["/".join(() if self.found is None else self.found.by)], self.name)
        return by_names([name.rpartition("@")[0] for name in self._names(bounds, split).ids.tolist()], by, self.name)

    def _names(self, bounds: list[Bounds], split: Split) -> Known:
        """Of each window of a split its series and the time, or the position, of its first target."""
        found: list[str] = []
        lost = self.difference or 0
        for stretch, own in zip(self.stretches, bounds, strict=True):
            steps = stretch.end - stretch.begin
            starts = torch.arange(lost, max(steps - self.window - self.horizon + 1, lost))
            first = starts[self._inside(starts, own)[split]] + self.window if split in own else starts[:0]
            found += [f"{stretch.id}@{self.time_at(stretch.begin + row)}" for row in first.tolist()]
        return known(found)

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
                advice = "use the data it was trained on"
                if what == "columns" and set(trained) <= set(own):
                    advice = f"set dataset.columns: [{', '.join(trained)}]"
                raise DataError(
                    f"{self.name}: has the {what} {', '.join(own)}, the checkpoint was trained on "
                    f"{', '.join(trained)}; {advice}"
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
