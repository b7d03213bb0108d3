"""What is wrong with a table, or worth a look, beyond what reading it says: rows, classes and splits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.core.spec import Split, Wants
from cnncli.curate.check_columns import Rows, look_at_column
from cnncli.curate.column_views import View, rows_equal, view_of
from cnncli.curate.compare_columns import compare_columns
from cnncli.curate.findings import Checked, Finding, at_lines, balance, count_of, imbalance, try_open
from cnncli.data.contract import Track
from cnncli.data.fitting import Rules
from cnncli.data.places import build, file_of
from cnncli.data.remembered import FEW_DISTINCT
from cnncli.data.table_file import open_table
from cnncli.data.tables import TableData

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 10  # rows of a class, of which little can be learned
SHARE = 0.1  # of the rows of a split that are also training rows: more make its figures wrong


def check_table(config: DatasetConfig, wants: Wants, track: Track) -> Checked:
    """The report on a table as its config reads and splits it."""
    checked = Checked("rows")
    with collecting() as told:
        try:
            (raw,) = [build(config) for _ in track([0], 1, f"reading {file_of(config) or config.name}")]
        except DataError as error:
            checked.add_refusal(error)
            return checked
        _, refusal = try_open(raw, config, wants, track)
        with collecting():  # said above
            rows = _rows_of(raw, config, wants)
            _look(rows, checked, track)
    if refusal:
        checked.add_refusal(refusal)
    leaks = any(fault.kind == "leak" for fault in checked.faults)
    checked.add_told(each for each in told if not (leaks and each.kind == "equal_rows"))
    return checked


def check_table_file(path: Path, track: Track) -> Checked:
    """The report on a table alone: its columns and rows, without a target and splits."""
    checked = Checked("rows")
    with collecting() as told:
        try:
            (table,) = [open_table(path) for _ in track([0], 1, f"reading {path.name}")]
        except DataError as error:
            checked.add_refusal(error)
            return checked
        names = [str(name) for name in table.frame.columns if name != table.unnamed]
        rules = Rules(decimal=table.decimal, delimiter=table.delimiter, name=path.name)
        parts: dict[Split, NDArray[np.int64]] = {"train": np.arange(len(table.frame), dtype=np.int64)}
        rows = Rows(table.frame, path.name, tuple(names), (), parts, "", rules, alone=True)
        _look(rows, checked, track)
    checked.add_told(told)
    return checked


def _rows_of(raw: TableData, config: DatasetConfig, wants: Wants) -> Rows:
    """The rows that training would use, in its splits; as one part where it is refused."""
    frame = raw.frame
    try:
        frame = raw.complete(None)
    except DataError:  # a target is missing, or everything is: said when it was opened
        frame = frame[frame[list(raw.targets)].notna().all(axis=1)] if len(raw.frame) else frame
    rules = replace(raw.rules, categorical=raw.categorical, fill=raw.missing == "fill", name=raw.name, forms={})
    rows = Rows(frame, raw.name, raw.features, raw.targets, {}, wants, rules, raw.missing, raw.key, raw.categorical)
    parts: dict[Split, NDArray[np.int64]] = {"train": np.arange(len(frame))}
    try:
        found = raw.parts(frame, _targets(rows), config)
        parts = {split: own.numpy() for split, own in found.items()}
    except DataError:
        if raw.split_column is not None:
            told = frame[raw.split_column].astype(str).str.strip().to_numpy()
            splits: tuple[Split, ...] = ("train", "val", "test")
            parts = {split: np.flatnonzero(told == split) for split in splits if (told == split).any()}
    return replace(rows, raw_frame=raw.frame, parts=parts)


def _targets(rows: Rows) -> torch.Tensor:
    """What splits are stratified by: class numbers in the order of training, or numbers."""
    view = view_of(rows, rows.targets[0], target=True)
    if rows.wants == "numbers":
        return torch.zeros(len(rows.frame), len(rows.targets), dtype=torch.float64)
    names = {name: code for code, name in enumerate(_ordered(view.labels()))}
    return torch.tensor([names[label] for label in view.labels()], dtype=torch.long)


def _ordered(labels: Sequence[str]) -> list[str]:
    different = set(labels)
    whole = all(label.lstrip("-").isdigit() for label in different)
    return sorted(different, key=int if whole else str)


def _look(rows: Rows, checked: Checked, track: Track) -> None:
    """Fill the report: columns one by one, then against each other, then rows and classes."""
    views: list[View] = []
    for name in track([*rows.features, *rows.targets], len(rows.features) + len(rows.targets), "looking at columns"):
        view = view_of(rows, name, target=name in rows.targets)
        views.append(view)
        faults, notices = look_at_column(rows, view)
        checked.faults += faults
        checked.notices += notices
    checked.samples = len(rows.frame)
    checked.totals = {split: len(own) for split, own in rows.parts.items()}
    checked.own = {
        "columns": {
            "features": len(rows.features), "targets": len(rows.targets),
            "numbers": sum(view.numeric for view in views), "texts": sum(not view.numeric for view in views),
        }
    }  # fmt: skip
    features, targets = views[: len(rows.features)], views[len(rows.features) :]
    _count(rows, targets, checked)
    checked.notices += compare_columns(rows, features, targets)
    _look_at_rows(rows, features, targets, checked)
    if rows.key is not None:
        checked.faults += _repeated_keys(rows, rows.key)


def _count(rows: Rows, targets: list[View], checked: Checked) -> None:
    """The classes of each split, and those of which there are too few."""
    if rows.wants != "classes" or len(targets) != 1:
        names = rows.targets or ("rows",)
        checked.splits = {split: {name: len(own) for name in names} for split, own in rows.parts.items()}
        return
    labels = np.array(targets[0].labels(), dtype=object)
    for split, own in rows.parts.items():
        checked.splits[split] = dict(sorted(Counter(labels[own].tolist()).items()))
    column = rows.targets[0]
    for name, count in sorted(Counter(labels.tolist()).items()):
        lines = targets[0].lines_of(labels == name)
        if count == 1:
            text = f"column '{column}' has the class '{name}' in one row, {at_lines(lines)}; add some, or remove it"
            checked.faults.append(Finding("single_row", f"{rows.name}: {text}", lines=lines, column=column))
        elif count < FEW:
            text = f"column '{column}' has the class '{name}' in {count} rows only"
            checked.notices.append(Finding("few_rows", f"{rows.name}: {text}", lines=lines, column=column))
    checked.own["imbalance"] = imbalance(checked.splits.get("train", {}))
    checked.notices += balance(checked.splits.get("train", {}), "rows")


def _look_at_rows(rows: Rows, features: list[View], targets: list[View], checked: Checked) -> None:
    """Rows that are equal to others, in one split or in two, and those that contradict each other."""
    if not features or not len(rows.frame):
        return
    whole, told = rows_equal([*features, *targets]), rows_equal(features)
    distinct = len(np.unique(told)) >= FEW_DISTINCT * len(told)  # few different ones: equal rows are no copies
    first = np.unique(whole, return_index=True)[1]
    again = np.setdiff1d(np.arange(len(whole)), first)
    if len(again):
        lines = features[0].lines_at(again)
        text = f"{rows.name}: {count_of(len(again), 'row')} equal to an earlier one ({at_lines(lines)})"
        checked.notices.append(Finding("repeated_rows", text, lines=lines))
    _leaks(rows, told, distinct, features[0], checked)
    if targets and rows.wants == "classes":
        _conflicts(rows, told, whole, distinct, features[0], checked)


def _leaks(rows: Rows, told: "NDArray[np.uint64]", distinct: bool, view: View, checked: Checked) -> None:
    train = told[rows.parts["train"]] if "train" in rows.parts else told[:0]
    for split, own in rows.parts.items():
        seen = own[np.isin(told[own], train)] if split != "train" else own[:0]
        if not len(seen):
            continue
        lines = view.lines_at(seen)
        text = f"{rows.name}: of {len(own):,} {split} rows {len(seen):,} have the features of a training row"
        many = distinct and len(seen) >= SHARE * len(own)
        advice = f"({at_lines(lines)}); dataset.group keeps such rows together"
        finding = Finding("leak" if many else "equal_rows", f"{text} {advice}", lines=lines)
        (checked.faults if many else checked.notices).append(finding)


def _conflicts(
    rows: Rows, told: "NDArray[np.uint64]", whole: "NDArray[np.uint64]", distinct: bool, view: View, checked: Checked
) -> None:
    """Rows of the same features and different classes: a fault where rows are seldom equal by chance."""
    order = np.lexsort((whole, told))
    same = told[order][1:] == told[order][:-1]
    differs = same & (whole[order][1:] != whole[order][:-1])
    if not differs.any():
        return
    groups = np.unique(told[order][1:][differs])
    lines = view.lines_of(np.isin(told, groups))
    count = count_of(len(groups), "group", "of rows with")
    text = f"{rows.name}: {count} the same features and different classes ({at_lines(lines)})"
    (checked.faults if distinct else checked.notices).append(Finding("conflict", text, lines=lines))


def _repeated_keys(rows: Rows, key: str) -> list[Finding]:
    view = view_of(rows, key, target=True)
    labels = np.array(view.labels(), dtype=object).astype(str)
    first = np.unique(labels, return_index=True)[1]
    again = np.setdiff1d(np.arange(len(labels)), first)
    if not len(again):
        return []
    lines = view.lines_at(again)
    text = f"column '{key}' is dataset.key and has {count_of(len(again), 'value', '')}a second time ({at_lines(lines)})"
    return [Finding("repeated_key", f"{rows.name}: {text}; make them unique", lines=lines, column=key)]
