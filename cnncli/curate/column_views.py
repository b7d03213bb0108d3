"""The columns of a table as they are looked at: numbers or texts, and the lines that their values stand in."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cnncli.core.columns import Form
from cnncli.core.errors import DataError
from cnncli.core.spec import Split, Wants
from cnncli.curate.findings import MOST
from cnncli.data.columns import LINE, numbers, texts
from cnncli.data.fitting import Rules, choose_form

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Rows:
    """A table under check: the rows that are used, their splits (positions), and what is learned from what.

    ``alone``: there is no config, so that nothing is known of targets, splits, and what becomes of missing values.
    ``raw_frame`` has the rows that training would drop, too.
    """

    frame: "pd.DataFrame"
    name: str
    features: tuple[str, ...]
    targets: tuple[str, ...]
    parts: "dict[Split, NDArray[np.int64]]"
    wants: Wants
    rules: Rules
    missing: Literal["error", "drop", "fill"] = "error"
    key: str | None = None
    categorical: Collection[str] = field(default_factory=tuple)
    alone: bool = False
    raw_frame: "pd.DataFrame | None" = None


@dataclass(frozen=True, eq=False)
class View:
    """A column of ``N`` rows: ``values`` (NaN: none) where it holds numbers, and then which of them are ``bad``.

    ``text`` are the values as written, None where there are none, of a column that pandas did not read as numbers.
    """

    name: str
    missing: "NDArray[np.bool_]"
    index: "pd.Index[Any]"
    text: "pd.Series[Any] | None" = None
    values: "NDArray[np.float64] | None" = None
    bad: "NDArray[np.bool_] | None" = None

    @property
    def numeric(self) -> bool:
        """Whether it is read as numbers."""
        return self.values is not None

    def good(self) -> "NDArray[np.float64]":
        """The numbers, NaN where there is none or it is not finite."""
        assert self.values is not None
        return np.where(np.abs(self.values) > 1e30, np.nan, self.values)

    def labels(self) -> list[str]:
        """The values as texts, ``""`` where there is none."""
        assert self.text is not None
        return ["" if value is None else value for value in self.text.tolist()]

    def lines_at(self, positions: "NDArray[np.integer[Any]]") -> list[int]:
        """The lines of some rows, counted from 1 where the table is in no file; at most ``MOST``."""
        positions = np.sort(positions)[:MOST]
        if self.index.name == LINE:
            return [int(line) for line in self.index[positions]]
        return [int(position) + 1 for position in positions]

    def lines_of(self, flags: "NDArray[np.bool_]") -> list[int]:
        """The lines of the rows that are flagged."""
        return self.lines_at(np.flatnonzero(flags))


def view_of(rows: Rows, name: str, target: bool = False, whole: bool = False) -> View:
    """A column of the rows that are used, or of the ``whole`` table."""
    frame = rows.raw_frame if whole and rows.raw_frame is not None else rows.frame
    column, na = frame[name], rows.rules.na_values
    as_text = name in rows.categorical or (target and rows.wants != "numbers")
    if column.dtype.kind in "iufb" and not as_text:
        values, bad = numbers(column)
        return View(name, np.isnan(values), column.index, None, values, bad)
    text = texts(column, na)
    missing = text.isna().to_numpy()
    form = None if as_text or name in rows.rules.dates else _form(column, rows.rules)
    if form is None:
        return View(name, missing, column.index, text)
    values, bad = numbers(column, form, na)
    return View(name, missing | (np.isnan(values) & ~bad), column.index, text, values, bad)


def _form(column: "pd.Series[Any]", rules: Rules) -> Form | None:
    """The form of its numbers; None for texts, and where it cannot be told, which opening the data says."""
    try:
        return choose_form(column, rules)
    except DataError:
        return None


def rows_equal(views: list[View]) -> "NDArray[np.uint64]":
    """A number for each row ``[N]``, the same for rows whose values are equal."""
    import pandas as pd

    found = np.zeros(len(views[0].index), dtype=np.uint64)
    weights = np.random.default_rng(0).integers(1, 2**63, len(views), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    for view, weight in zip(views, weights, strict=True):
        given: Any = view.good() + 0.0 if view.values is not None else view.text
        hashed = pd.util.hash_pandas_object(pd.Series(given), index=False).to_numpy()
        found += (hashed ^ (hashed >> np.uint64(29))) * weight
    return found
