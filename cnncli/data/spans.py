"""The parts of a series or a text, remembered by where they began and ended and by a hash of what they held."""

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnncli.core.errors import DataError, SamplesGone
from cnncli.core.members import Members, Span
from cnncli.core.notices import notice
from cnncli.core.spec import Split
from cnncli.data.contract import Remembered

if TYPE_CHECKING:
    from cnncli.data.times import Moments

Bounds = dict[Split, tuple[int, int]]


def hash_of(values: NDArray[Any]) -> int:
    """A hash of an array's bytes."""
    data = np.ascontiguousarray(values)
    return int.from_bytes(blake2b(data.tobytes(), digest_size=8).digest(), "little", signed=True)


def spans_of(values: NDArray[Any], bounds: Bounds, times: "Moments | None" = None, series: str = "") -> list[Span]:
    """What is remembered of ``values`` ``[L, …]``: every part that holds something, by its times or positions."""
    found = []
    for split, (begin, end) in bounds.items():
        if begin < end:
            first, last = (str(row) if times is None else str(times[row]) for row in (begin, end - 1))
            found.append(Span(split, first, last, end - begin, hash_of(values[begin:end]), series))
    return found


def find_bounds(
    remembered: Remembered, values: NDArray[Any], where: str, times: "Moments | None" = None, series: str = ""
) -> Bounds:
    """Where the remembered parts lie in ``values`` ``[L, …]`` now; of another series all that training has not seen.

    Parts are found by their times, else by their positions, also where something was put in front. Raises ``DataError``
    for parts that cannot be found, or where nothing is left to judge.
    """
    name = f"{where}: series '{series}'" if series else where
    spans = [span for span in remembered.members.spans if span.series == series]
    bounds = {span.split: _find(span, spans, values, times) for span in spans}
    if remembered.elsewhere:
        return {"test": _unseen(spans, bounds, values, name)}
    lost = [split for split, at in bounds.items() if at is None or at[0] >= at[1]]
    if not bounds:
        notice("new_samples", f"{name} is new since the run began and is not used")
        return {}
    if lost:
        raise SamplesGone(f"{name}: the {lost[0]} part is not there as it was in the run")
    found = {split: at for split, at in bounds.items() if at is not None}
    _tell(spans, found, values, name)
    return found


def _find(span: Span, spans: list[Span], values: NDArray[Any], times: "Moments | None") -> tuple[int, int] | None:
    """The first and the last row (not included) of a part; None where it is not there."""
    if (times is None) != span.begin.isdecimal():  # the one has times, the other positions
        return None
    if times is not None:
        moments = np.asarray(times)
        begin = int(np.searchsorted(moments, np.datetime64(span.begin), side="left"))
        end = int(np.searchsorted(moments, np.datetime64(span.end), side="right"))
        return (begin, end) if begin < end else None
    known = max(int(other.end) for other in spans) + 1
    for shift in dict.fromkeys((0, len(values) - known)):  # as it lay, or behind what was put in front
        begin, end = int(span.begin) + shift, int(span.end) + 1 + shift
        if begin >= 0 and end <= len(values) and hash_of(values[begin:end]) == span.content:
            return begin, end
    return None


def _unseen(
    spans: list[Span], bounds: dict[Split, tuple[int, int] | None], values: NDArray[Any], name: str
) -> tuple[int, int]:
    """The rows after those of training; all, where training is not among them."""
    train = bounds.get("train")
    if train is None:
        return 0, len(values)
    notice("trained_on", f"{name}: {train[1] - train[0]:,} of {len(values):,} steps were trained on and are left out")
    if train[1] == len(values):
        raise DataError(f"{name}: nothing follows what was trained on; name data that the network has not seen")
    return train[1], len(values)


def _tell(spans: list[Span], found: Bounds, values: NDArray[Any], name: str) -> None:
    """Count what is new and what has changed."""
    new = len(values) - (max(end for _, end in found.values()) - min(begin for begin, _ in found.values()))
    if new:
        notice("new_samples", f"{name}: {new:,} steps are new since the run began and are not used")
    changed = [span.split for span in spans if hash_of(values[slice(*found[span.split])]) != span.content]
    if changed:
        notice("changed_samples", f"{name}: the values of {' and '.join(changed)} have changed since the run began")


def as_members(spans: list[Span]) -> Members:
    """The members of a run on series or a text."""
    members = Members("span", spans=tuple(spans))
    members.check()
    return members
