"""How well each slice of a split is answered, the worst first."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnncli.core.metrics import LOWER_IS_BETTER
from cnncli.core.results import Column, TableBlock
from cnncli.core.slices import Slices
from cnncli.runs.outputs import Outputs
from cnncli.scoring.intervals import interval_of
from cnncli.scoring.measures import measures
from cnncli.scoring.units import units_of

MOST_WEIGHTS = 500_000  # of the resamples of a slice, of which there may be two hundred
MANY = 10  # slices, from which on the worst of them is told to be so by chance, too


class _Slice(NamedTuple):
    """A slice that has samples; ``ends`` are those of the interval of the metric that it is judged by."""

    name: str
    samples: int
    values: dict[str, float]
    ends: tuple[float, float] | None


def by_slices(outputs: Outputs, slices: Slices, headline: str, reported: dict[str, float]) -> TableBlock:
    """Each slice with its samples, the ``headline`` with its 95 % interval, and the other metrics ``reported``.

    Where the headline cannot be had of a part of the samples, another metric stands in its place.
    """
    known = measures(outputs, reported).values()
    names = [name for name in (headline, *reported) if name in known and name != "loss"] or ["loss"]
    judged_by = names[0]
    found = [
        _judged(slices.names[number], outputs.at(np.flatnonzero(slices.index == number)), reported, judged_by)
        for number in np.unique(slices.index).tolist()
    ]
    lower = judged_by in LOWER_IS_BETTER
    found.sort(key=lambda one: (judged_by not in one.values, _badness(one, judged_by, lower), -one.samples))
    rest = [name for name in reported if name in known and name != judged_by]
    rows = [
        (
            one.name, one.samples, one.values.get(judged_by), *(one.ends or (None, None)),
            *(one.values.get(name) for name in rest),
        )
        for one in found
    ]  # fmt: skip
    first = _column(judged_by, found)
    columns = (
        Column("slice", slices.by), Column("n", "samples", ",d"), first,
        Column("low", "95 % from", first.form), Column("high", "to", first.form),
        *(_column(name, found) for name in rest),
    )  # fmt: skip
    return TableBlock(
        "slices", f"By {slices.by}, the worst {_words(judged_by)} first", columns, tuple(rows),
        facts={"by": slices.by, "metric": judged_by}, notes=tuple(_notes(slices, found, judged_by)),
    )  # fmt: skip


def _judged(name: str, outputs: Outputs, reported: dict[str, float], judged_by: str) -> _Slice:
    measured, missing = measures(outputs, reported), _undefined(outputs)
    values = {key: value for key, value in measured.values().items() if key not in missing}
    units = units_of(outputs, outputs.loss * outputs.weight)
    ends = interval_of(measured, units, judged_by, values.get(judged_by), MOST_WEIGHTS)
    return _Slice(name, len(outputs.ids), values, ends)


def _undefined(outputs: Outputs) -> set[str]:
    """The metrics that the samples of a slice leave undefined, of which a whole split says 0."""
    kind = outputs.target.dtype.kind
    if kind == "b" and not outputs.target.any():
        return {"mean_average_precision", "micro_f1", "macro_f1"}
    if kind == "i" and outputs.answer.ndim == 1 and outputs.positive is not None:
        positives = outputs.target == outputs.classes.index(outputs.positive)
        return set() if positives.any() else {"precision", "recall", "f1"}
    return {"r2"} if kind == "f" and len(outputs.target) < 2 else set()


def _badness(one: _Slice, name: str, lower: bool) -> float:
    return one.values.get(name, 0.0) * (-1 if lower else 1)


def _column(name: str, found: Sequence[_Slice]) -> Column:
    small = all(abs(one.values.get(name, 0.0)) < 10 for one in found)
    return Column(name, _words(name), ".4f" if small else ".5g")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _notes(slices: Slices, found: Sequence[_Slice], judged_by: str) -> list[str]:
    notes = [slices.note] if slices.note else []
    if any(judged_by not in one.values for one in found):
        notes.append(f"Of a slice where it is empty {_words(judged_by)} is not defined.")
    if any(judged_by in one.values and one.ends is None for one in found):
        notes.append("A slice in which no two samples (or groups) differ has no interval.")
    if len(found) >= MANY:
        notes.append(f"The worst of {len(found)} slices is partly so by chance: of twenty intervals about one misses.")
    return notes
