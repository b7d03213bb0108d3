"""Slices of a split: the samples that have the same value in a column, about the same number, or the same folder."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnncli.core.columns import Form
from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.slices import Slices
from cnncli.core.spec import Split
from cnncli.data.cells import forms_of, numbers, texts
from cnncli.data.number_forms import PLAIN

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "folder"
MISSING = "(missing)"
ITSELF = "."  # the folder of pictures that lie in none below
FEW_NUMBERS = 10  # different ones; more are cut into groups
GROUPS = 5
MOST_SLICES = 200
Slicing = Callable[[Split, str], Slices]
"""Gives the slices of a split by a column; raises ``DataError`` for one that is not there."""


def require_known(by: str, known: Sequence[str], file: str) -> None:
    """Raise ``DataError`` where ``by`` is none of the columns ``known``."""
    if by not in known:
        raise DataError(f"{file}: there is no column '{by}' to slice by; {did_you_mean(by, known)}")


def slices_of(column: "pd.Series[Any]", by: str, file: str, form: Form | None, na: Collection[str] = ()) -> Slices:
    """The slices of the rows ``[N]`` by the values of a column; rows without one are a slice, too.

    With a ``form`` it holds numbers: more than ten different ones are cut into five groups of about equal size. Raises
    ``DataError`` for more than 200 slices.
    """
    if form is not None:
        values, wrong = numbers(column, form, na)
        known = values[~np.isnan(values)]
        if not wrong.any() and len(np.unique(known)) > FEW_NUMBERS:
            return _grouped(values, by)
    return by_names(texts(column, na).tolist(), by, file, numeric=form is not None)


def form_of(column: "pd.Series[Any]", na: Collection[str] = ()) -> Form | None:
    """The form of numbers in a column of which a config says nothing; None of texts."""
    forms = forms_of(column, [PLAIN], na)
    return forms[0] if forms else None


def by_names(values: Sequence[str | None], by: str, file: str, numeric: bool = False) -> Slices:
    """A slice for each different text, and one for what is missing; raises ``DataError`` for more than 200."""
    names = sorted({value for value in values if value is not None}, key=_size if numeric else None)
    if len(names) > MOST_SLICES:
        raise DataError(
            f"{file}: '{by}' has {len(names):,} different values in {len(values):,} samples, and at most "
            f"{MOST_SLICES} slices are judged; choose a column with fewer, or join its values into groups"
        )
    place = {name: number for number, name in enumerate(names)}
    index = np.array([len(names) if value is None else place[value] for value in values], dtype=np.int64)
    return Slices(by, (*names, *([MISSING] if None in values else [])), index)


def _size(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def _grouped(values: NDArray[np.float64], by: str) -> Slices:
    """Groups of about as many samples each, called by their least and their largest value."""
    missing = np.isnan(values)
    known = values[~missing]
    inner = np.unique(np.quantile(known, np.arange(1, GROUPS) / GROUPS, method="inverted_cdf"))
    cut = np.searchsorted(inner, values, side="left")
    cut[missing] = len(inner) + 1
    there, index = np.unique(cut, return_inverse=True)
    ends = [(values[cut == group].min(), values[cut == group].max()) for group in there if group <= len(inner)]
    names = _ranges(ends)
    note = f"{by} has {len(np.unique(known)):,} different numbers: it is cut into {len(names)} groups at its quantiles."
    return Slices(by, (*names, *([MISSING] if missing.any() else [])), index.astype(np.int64), note)


def _ranges(ends: Sequence[tuple[float, float]]) -> list[str]:
    """The groups in words, with as many digits as tell them apart."""
    different = len({end for pair in ends for end in pair})
    for digits in range(4, 18):
        shown = [tuple(f"{end:.{digits}g}" for end in pair) for pair in ends]
        if len({end for pair in shown for end in pair}) == different:
            break
    return [low if low == high else f"{low} to {high}" for low, high in shown]
