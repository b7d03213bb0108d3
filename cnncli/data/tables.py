"""Rows of a table as a data set: splits, targets, and what is fitted on the training part."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.members import Members
from cnncli.core.slices import Slices
from cnncli.core.spec import DataSpec, Numbers, Split, Table, Wants
from cnncli.data.columns import encode_rows, mean_and_std, missing_in, numbers, refuse, texts
from cnncli.data.contract import Opened, Remembered, Track
from cnncli.data.fitting import Rules, choose_form, fit_table
from cnncli.data.labels import encode_labels
from cnncli.data.number_forms import PLAIN
from cnncli.data.remembered import Samples, find_parts, members_of, tell_unknown
from cnncli.data.sample_ids import Known, by_row, known
from cnncli.data.slicing import require_known, slices_of
from cnncli.data.sources import ArraySource, Source
from cnncli.data.splits import carve
from cnncli.data.table_rows import groups_of, keys_of, row_hashes, tell_equal

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Missing", "TableData", "encode_rows", "fit_table"]

Missing = Literal["error", "drop", "fill"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class TableData:
    """Rows ``[N]`` of which ``features`` are told and ``targets`` are learned.

    Columns of ``frame`` are of numbers, or of texts (dtype object), as ``open_table`` gives them. Test is what
    ``split_column`` says, else a fixed ``test_fraction``; ``key`` and ``group`` are columns that name a row and what
    it belongs to; ``rules`` say how columns are read. ``truth`` are the true weights and bias of data made from them,
    ``name`` the file in error messages.
    """

    frame: "pd.DataFrame"
    targets: tuple[str, ...]
    features: tuple[str, ...]
    categorical: Collection[str] = ()
    split_column: str | None = None
    test_fraction: float = 0.2
    missing: Missing = "error"
    truth: tuple[float, ...] | None = None
    name: str = "table"
    key: str | None = None
    group: str | None = None
    rules: Rules = field(default_factory=Rules)
    changes: bool = False  # between runs, as files do

    @property
    def offers(self) -> tuple[Wants, ...]:
        """Classes, and numbers where the target holds numbers; several targets are always numbers."""
        if len(self.targets) > 1:
            return ("numbers",)
        form = choose_form(self.frame[self.targets[0]], self.rules)
        return ("classes",) if form is None else ("classes", "numbers")

    def open(
        self,
        config: DatasetConfig,
        wants: Wants,
        track: Track,
        spec: DataSpec | None,
        remembered: Remembered | None = None,
    ) -> Opened:
        """Splits of float32 rows ``[N, F]`` with int64 classes ``[N]`` or float64 numbers ``[N, K]``.

        Raises ``DataError`` naming line and column of what cannot be learned from.
        """
        table = None if spec is None else self._table(spec, config)
        frame = self.complete(table)
        classes: tuple[str, ...] = ()
        if wants == "numbers":
            targets = self._numbers(frame, table)
        else:
            names = None if spec is None else spec.classes
            before = table is not None and table.na_values is None
            na = missing_in(table, self.rules.na_values)
            classes, codes = encode_labels(frame[self.targets[0]], names, self.name, na, before)
            targets = torch.from_numpy(codes)
        parts = self.parts(frame, targets, config) if remembered is None or not self.changes else {}
        if table is None:
            self._require_classes(classes, targets[parts["train"]])
            table = self._fit(frame.iloc[parts["train"].numpy()], config)
        inputs = encode_rows(frame, table, self.name)
        parts, members = self._known(frame, inputs, targets, parts, spec, remembered)
        sources: dict[Split, Source] = {
            split: ArraySource(inputs[rows], targets[rows]) for split, rows in parts.items()
        }
        if spec is None:
            numbers = self._scale(targets[parts["train"]]) if wants == "numbers" else None
            spec = DataSpec(sources["train"].shape, classes, table, tuple(targets.shape[1:]), numbers)
        na = missing_in(table, self.rules.na_values)
        return Opened(spec, sources, members, lambda split: self._names(frame.iloc[parts[split].numpy()]),
                      lambda split, by: self._slices(frame.iloc[parts[split].numpy()], by, na))  # fmt: skip

    def _slices(self, rows: "pd.DataFrame", by: str, na: Collection[str]) -> Slices:
        """The rows by the values of any column, whether the network is told of it or not."""
        require_known(by, list(rows.columns), self.name)
        form = None if by in self.categorical else choose_form(rows[by], self.rules)
        return slices_of(rows[by], by, self.name, form, na)

    def _names(self, rows: "pd.DataFrame") -> Known:
        """What the rows are called: keys, or hashes of their cells; and their groups, where the table has them."""
        columns = [name for name in rows.columns if name not in (self.split_column, self.group)]
        names = keys_of(rows, self.key, self.name) or by_row(rows, columns)
        return known(names, texts(rows[self.group]).fillna("") if self.group in rows.columns else ())

    def _known(
        self,
        frame: "pd.DataFrame",
        inputs: Tensor,
        targets: Tensor,
        parts: dict[Split, Tensor],
        spec: DataSpec | None,
        remembered: Remembered | None,
    ) -> tuple[dict[Split, Tensor], Members | None]:
        """The parts, found again if they are remembered, and what a run remembers of them."""
        if not self.changes:
            return parts, None
        keys = keys_of(frame, self.key, self.name)
        samples = Samples(keys, row_hashes(inputs, targets), "rows", self.name, targets)
        if remembered is not None:
            return find_parts(remembered, samples), remembered.members
        if spec is not None:
            tell_unknown(self.name)
        elif self.group is None:
            tell_equal(samples.content, parts, self.name)
        return parts, members_of("key" if keys else "content", samples, parts, targets)

    def _scale(self, targets: Tensor) -> Numbers:
        """Mean and standard deviation of the training part's numbers ``[N, K]``."""
        scales = [mean_and_std(column.numpy()) for column in targets.unbind(1)]
        return Numbers(self.targets, tuple(mean for mean, _ in scales), tuple(std for _, std in scales))

    def _table(self, spec: DataSpec, config: DatasetConfig) -> Table:
        """The table of a checkpoint; raises ``DataError`` when it was trained on something else."""
        try:
            table = spec.require(Table, config.name)
        except ConfigError as error:
            cause = f"has rows of a table, the checkpoint was trained on {spec.kind.name}"
            raise DataError(f"{config.name}: {cause}; use the data it was trained on") from error
        if table.targets != self.targets:
            raise DataError(
                f"{self.name}: the target is {', '.join(self.targets)}, the checkpoint was trained for "
                f"{', '.join(table.targets)}; use the data it was trained on"
            )
        return table

    def complete(self, table: Table | None) -> "pd.DataFrame":
        """The rows that are used; raises ``DataError`` for one without a target, unless such rows are dropped."""
        frame, na = self.frame, missing_in(table, self.rules.na_values)
        if self.missing == "drop":
            features = self.features if table is None else [column.name for column in table.columns]
            used = [name for name in (*features, *self.targets) if name in frame.columns]
            kept = np.logical_and.reduce([_given(frame[name], na) for name in used])
            if not kept.any():
                raise DataError(f"{self.name}: no row has all its values; set missing: fill")
            frame = frame[kept]
        for target in self.targets:
            without = ~_given(frame[target], na)
            refuse(frame[target], without, self.name, "has no value to learn; remove the row, or set missing: drop")
        return frame

    def _numbers(self, frame: "pd.DataFrame", table: Table | None) -> Tensor:
        """The targets as float64 ``[N, K]``: float32 would round away small changes of large numbers."""
        columns, na = [], missing_in(table, self.rules.na_values)
        forms = () if table is None else table.forms
        for position, target in enumerate(self.targets):
            form = forms[position] if forms else choose_form(frame[target], self.rules) or PLAIN
            values, bad = numbers(frame[target], form, na)
            advice = "remove the row, or set dataset.na_values: [{}] and dataset.missing: drop"
            refuse(frame[target], np.isnan(values) & ~bad, self.name, f"has {{}}, no value to learn; {advice}")
            refuse(frame[target], bad, self.name, "has {} where a number is learned; fix it, or set another task")
            columns.append(values)
        return torch.from_numpy(np.stack(columns, axis=1))

    def parts(self, frame: "pd.DataFrame", targets: Tensor, config: DatasetConfig) -> dict[Split, Tensor]:
        """The positions of every split's rows, int64 ``[n]`` each."""
        parts: dict[Split, Tensor] = {"train": torch.arange(len(frame))}
        groups = groups_of(frame, self.group, self.name)
        if self.split_column is not None:
            parts = self._told_parts(frame[self.split_column])
        elif self.test_fraction > 0:
            kept, taken = carve(targets, self.test_fraction, 0, "test_fraction", groups)
            parts = {"train": kept, "test": taken}
        if "val" not in parts and config.val_fraction > 0:
            train = parts["train"]
            of_train = None if groups is None else groups[train]
            kept, taken = carve(targets[train], config.val_fraction, config.split_seed, "val_fraction", of_train)
            parts |= {"train": train[kept], "val": train[taken]}
        return parts

    def _told_parts(self, column: "pd.Series[str]") -> dict[Split, Tensor]:
        told = texts(column)
        wrong = ~told.isin(SPLITS).to_numpy()
        refuse(column, wrong, self.name, "has {}; it tells the splits: write train, val or test")
        parts = {split: torch.from_numpy(np.flatnonzero(told.to_numpy() == split)) for split in SPLITS}
        if not len(parts["train"]):
            raise DataError(f"{self.name}: column '{column.name}' calls no row train; mark the training rows so")
        return {split: rows for split, rows in parts.items() if len(rows)}

    def _require_classes(self, classes: tuple[str, ...], training: Tensor) -> None:
        counts = torch.bincount(training.flatten().long(), minlength=len(classes)) if classes else ()
        lacking = [name for name, count in zip(classes, counts, strict=False) if not count]
        if lacking:
            raise DataError(
                f"{self.name}: no training row has the class {', '.join(map(repr, lacking))}; "
                "add some, or remove the class from the other splits"
            )

    def _fit(self, train: "pd.DataFrame", config: DatasetConfig) -> Table:
        """The columns, as the training rows alone tell them."""
        if config.normalize not in ("dataset", "none"):
            raise ConfigError("normalize: rows of a table take dataset or none")
        rules = replace(
            self.rules, categorical=self.categorical, scale=config.normalize == "dataset",
            fill=self.missing == "fill", name=self.name,
        )  # fmt: skip
        table = fit_table(train, self.features, self.targets, rules)
        return replace(table, truth=self.truth)


def _given(column: "pd.Series[Any]", na: Collection[str]) -> "NDArray[np.bool_]":
    """Which rows have a value, ``[N]``."""
    if column.dtype.kind in "iufb":
        found: NDArray[np.bool_] = column.notna().to_numpy()
        return found
    return texts(column, na).notna().to_numpy()
