"""What is wrong with a single column of a table, or worth a look."""

import re
from collections import defaultdict

import numpy as np

from cnncli.curate.column_views import Rows, View, view_of
from cnncli.curate.findings import Finding, at_lines, count_of, some
from cnncli.data.fitting import FEW_NAMES

__all__ = ["Rows", "look_at_column"]

FAR = 30.0  # robust standard deviations from the median: no value of the same kind
RARE = 0.05  # of the values: more that lie far out are a part of the distribution
IDENTIFIER = re.compile(r"(^|[_\s.-])(id|uid|uuid|nr|no|index|key|code|row|rowid|number)$", re.IGNORECASE)
ENOUGH = 20  # rows, below which nothing is said of how values are spread


def look_at_column(rows: Rows, view: View) -> tuple[list[Finding], list[Finding]]:
    """Faults and notices on one column."""
    target = view.name in rows.targets
    faults: list[Finding] = []
    notices: list[Finding] = []
    missing = _missing(rows, view, target)
    (notices if rows.alone or rows.missing != "error" else faults).extend(missing)
    if view.numeric:
        faults += _infinite(rows, view)
        (notices if rows.alone else faults).extend(_mixed(rows, view))
        if not target:
            notices += [*_outliers(rows, view), *_identifier(rows, view)]
    else:
        notices += _alike(rows, view)
        if not target:  # training refuses it
            (notices if rows.alone else faults).extend(_nearly_unique(rows, view))
    if not target:
        notices += _constant(rows, view)
    return faults, notices


def _found(rows: Rows, view: View, kind: str, text: str, lines: list[int] | None = None) -> Finding:
    return Finding(kind, f"{rows.name}: column '{view.name}' {text}", lines=lines or [], column=view.name)


def _missing(rows: Rows, view: View, target: bool) -> list[Finding]:
    """How many values are missing, in all rows of the table, and the first lines."""
    whole = view_of(rows, view.name, target, whole=True) if rows.raw_frame is not None else view
    count = int(whole.missing.sum())
    if not count:
        return []
    lines, total = whole.lines_of(whole.missing), len(whole.missing)
    if count == total:
        return [_found(rows, view, "empty_column", "has no value at all; name it in dataset.ignore")]
    advice = "" if rows.missing != "error" else "; set dataset.missing: fill or drop, or fill them in"
    return [
        _found(rows, view, "missing", f"has no value in {count:,} of {total:,} rows ({at_lines(lines)}){advice}", lines)
    ]


def _infinite(rows: Rows, view: View) -> list[Finding]:
    assert view.values is not None
    flags = np.isinf(view.values)
    if not flags.any():
        return []
    lines = view.lines_of(flags)
    return [
        _found(
            rows,
            view,
            "infinite",
            f"has {count_of(int(flags.sum()), 'infinite value', '')}({at_lines(lines)}); fix it",
            lines,
        )
    ]


def _mixed(rows: Rows, view: View) -> list[Finding]:
    """Numbers among which a few texts stand."""
    assert view.values is not None
    assert view.bad is not None
    flags = view.bad & ~np.isinf(view.values)
    if not flags.any():
        return []
    lines = view.lines_of(flags)
    shown = some([repr(value) for value in dict.fromkeys(view.text[flags].tolist())]) if view.text is not None else ""
    count = count_of(int(flags.sum()), "value", "")
    cause = f"has {count}among numbers that cannot be read as one: {shown} ({at_lines(lines)})"
    return [
        _found(
            rows, view, "mixed", f"{cause}; fix them, or name those that stand for no value in dataset.na_values", lines
        )
    ]


def _outliers(rows: Rows, view: View) -> list[Finding]:
    """Numbers that lie many times further from the median than the others do."""
    values = view.good()
    known = values[~np.isnan(values)]
    if len(known) < ENOUGH:
        return []
    median = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - median))
    far = np.abs(values - median) > FAR * spread if spread > 0 else np.zeros(len(values), dtype=bool)
    if not far.any() or far.sum() > RARE * len(known):
        return []
    lines = view.lines_of(far)
    shown = some([f"{value:g}" for value in dict.fromkeys(values[far].tolist())])
    count = count_of(int(far.sum()), "number", "")
    text = f"has {count}far from the others, whose median is {median:g}: {shown} ({at_lines(lines)})"
    return [_found(rows, view, "outliers", text, lines)]


def _identifier(rows: Rows, view: View) -> list[Finding]:
    """Whole numbers that are all different and count the rows, or are called as a number of rows is."""
    values = view.good()
    if len(values) < ENOUGH or np.isnan(values).any() or (values % 1).any():
        return []
    different = np.unique(values)
    counts_up = len(different) == len(values) and bool((np.diff(different) == 1).all())
    called_so = len(different) > 0.95 * len(values) and IDENTIFIER.search(view.name) is not None
    if not counts_up and not called_so:
        return []
    text = "holds another whole number in nearly each row, as a number of the row does; name it in dataset.ignore"
    return [_found(rows, view, "identifier", text)]


def _nearly_unique(rows: Rows, view: View) -> list[Finding]:
    """Texts of which nearly each row has its own."""
    assert view.text is not None
    if view.name in rows.categorical or view.name in rows.rules.dates:
        return []
    count, known = view.text.nunique(), int((~view.missing).sum())
    if count <= FEW_NAMES or 2 * count <= known:
        return []
    text = f"has {count:,} different texts in {known:,} rows; name it in dataset.ignore, or in dates if it holds dates"
    return [_found(rows, view, "nearly_unique", text)]


def _alike(rows: Rows, view: View) -> list[Finding]:
    """Texts that differ in case and blanks only."""
    assert view.text is not None
    alike: dict[str, list[str]] = defaultdict(list)
    for value in view.text.dropna().unique().tolist():
        alike[re.sub(r"[\s_-]+", " ", value).casefold()].append(value)
    groups = [same for same in alike.values() if len(same) > 1]
    if not groups or len(alike) > len(view.missing) / 2 + FEW_NAMES:
        return []
    kind = "similar_classes" if view.name in rows.targets else "similar_categories"
    shown = "; ".join(", ".join(map(repr, sorted(same))) for same in groups[:3]) + ("; …" if len(groups) > 3 else "")
    flags = view.text.isin([value for same in groups for value in same]).to_numpy()
    return [_found(rows, view, kind, f"has texts that look like one: {shown}", view.lines_of(flags))]


def _constant(rows: Rows, view: View) -> list[Finding]:
    """One value in all training rows."""
    train = rows.parts.get("train", np.arange(len(view.missing)))
    if len(train) < 2 or view.missing[train].any():
        return []
    if view.values is not None:
        own = view.values[train]
        same, value = bool((own == own[0]).all()), f"{own[0]:g}"
    else:
        assert view.text is not None
        texts = view.text.iloc[train]
        same, value = texts.nunique() == 1, str(texts.iloc[0])
    return [_found(rows, view, "constant", f"has one value in all training rows: {value}")] if same else []
