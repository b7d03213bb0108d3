"""Columns of a table against each other: copies, features that tell the target, and splits that differ."""

from collections import defaultdict

import numpy as np

from cnncli.core.spec import Split
from cnncli.curate.column_views import Rows, View, rows_equal
from cnncli.curate.findings import Finding

Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

ENOUGH = 20  # rows, below which chance alone makes a feature tell the target
OUTSIDE = 0.05  # of a split's values beyond those of training
ALMOST = 0.99  # of the rows whose class a feature tells: one label that is wrong hides nothing
APART = 0.3  # between two distributions (Kolmogorov–Smirnov), and many times what chance gives


def compare_columns(rows: Rows, features: list[View], targets: list[View]) -> list[Finding]:
    """Notices on columns that are copies, tell the target alone, or drift from training to another split."""
    found = _copies(rows, features)
    for view in features:
        for target in targets:
            found += _tells(rows, view, target)
        found += _drift(rows, view)
    return found


def _copies(rows: Rows, features: list[View]) -> list[Finding]:
    """Columns whose values are equal in every row."""
    same: dict[tuple[bool, int], list[str]] = defaultdict(list)
    for view in features:
        hashed = rows_equal([view])
        if len(np.unique(hashed)) > 1:
            same[view.numeric, hash(hashed.tobytes())].append(view.name)
    return [
        Finding("copy", f"{rows.name}: columns {', '.join(map(repr, names))} are equal in every row", column=names[1])
        for names in same.values()
        if len(names) > 1
    ]


def _tells(rows: Rows, view: View, target: View) -> list[Finding]:
    """A feature that alone tells the target: what is known only afterwards may be among the features."""
    if len(view.missing) < ENOUGH or view.missing.any():
        return []
    if target.values is not None:
        alone = view.values is not None and _in_proportion(view.good(), target.good())
    else:
        alone = _tells_class(view, np.unique(np.array(target.labels(), dtype=str), return_inverse=True)[1])
    if not alone:
        return []
    text = f"column '{view.name}' alone tells '{target.name}' almost without an error; is it known beforehand?"
    return [Finding("tells_target", f"{rows.name}: {text}", column=view.name)]


def _in_proportion(values: Values, learned: Values) -> bool:
    if np.isnan(values).any() or np.isnan(learned).any() or not values.std() or not learned.std():
        return False
    return bool(abs(np.corrcoef(values, learned)[0, 1]) > 1 - 1e-9)


def _tells_class(view: View, classes: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> bool:
    """Whether values, each in several rows, belong to one class each, or bounds between numbers part the classes."""
    count = int(classes.max()) + 1
    if count < 2:
        return False
    codes = np.unique(rows_equal([view]), return_inverse=True)[1]
    pairs, often = np.unique(codes.astype(np.int64) * count + classes, return_counts=True)
    best = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    np.maximum.at(best, pairs // count, often)  # rows that the most frequent class of each value gets right
    if 2 * len(best) <= len(codes) and best.sum() >= ALMOST * len(codes) > np.bincount(classes).max():
        return True
    if view.values is None or np.isnan(view.good()).any():
        return False
    order = np.argsort(view.good(), kind="stable")
    if np.bincount(classes).min() < 2:
        return False
    changes = int((np.diff(classes[order]) != 0).sum())
    bounds = view.good()[order]
    ties = (np.diff(classes[order]) != 0) & (np.diff(bounds) == 0)
    return changes == count - 1 and not ties.any()


def _drift(rows: Rows, view: View) -> list[Finding]:
    """Another split whose values are not those of training."""
    found = []
    for split, own in rows.parts.items():
        if split == "train" or len(own) < ENOUGH // 2 or len(rows.parts["train"]) < ENOUGH:
            continue
        text = _drift_of_numbers(rows, view, split) if view.numeric else _drift_of_texts(rows, view, split)
        if text:
            found.append(Finding("drift", f"{rows.name}: column '{view.name}' {text}", column=view.name))
    return found


def _drift_of_numbers(rows: Rows, view: View, split: Split) -> str:
    values = view.good()
    train, own = (np.sort(part[~np.isnan(part)]) for part in (values[rows.parts["train"]], values[rows.parts[split]]))
    if len(train) < ENOUGH or len(own) < ENOUGH // 2 or train[0] == train[-1]:
        return ""
    outside = int(((own < train[0]) | (own > train[-1])).sum())
    if outside == len(own) and (own[0] > train[-1] or own[-1] < train[0]):
        order = "above" if own[0] > train[-1] else "below"
        return f"is {order} all training values in all {split} rows: {own[0]:g} to {own[-1]:g}"
    if outside >= 4 and outside > max(OUTSIDE, 12 / len(train)) * len(own):
        return (
            f"has {outside:,} of {len(own):,} {split} values outside those of training, {train[0]:g} to {train[-1]:g}"
        )
    both = np.concatenate([train, own])
    shares = [np.searchsorted(part, both, side="right") / len(part) for part in (train, own)]
    apart = float(np.abs(shares[0] - shares[1]).max())
    chance = np.sqrt((len(train) + len(own)) / (len(train) * len(own)))
    if apart > max(APART, 2.5 * chance):
        middle = f"median {np.median(own):g} instead of {np.median(train):g}"
        return f"is distributed otherwise in {split} than in training: {middle}"
    return ""


def _drift_of_texts(rows: Rows, view: View, split: Split) -> str:
    assert view.text is not None
    known = set(view.text.iloc[rows.parts["train"]].dropna())
    own = view.text.iloc[rows.parts[split]].dropna()
    unseen = own[~own.isin(list(known))]
    if not len(unseen) or 2 * len(known) > len(rows.parts["train"]):
        return ""
    return (
        f"has texts in {len(unseen):,} of {len(own):,} {split} rows that training has not, such as '{unseen.iloc[0]}'"
    )
