"""Tables in files: which columns are told, which are learned, and how they are read."""

from collections.abc import Sequence
from typing import Annotated, Literal
from unicodedata import normalize

from pydantic import Field

from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.notices import notice
from cnncli.core.numbers import Fraction
from cnncli.core.registry import datasets
from cnncli.data.dialect import Name, at_position
from cnncli.data.find import find_data
from cnncli.data.fitting import Rules
from cnncli.data.number_forms import Decimal, Thousands, table_sign
from cnncli.data.table_file import Header, TableFile, open_table
from cnncli.data.tables import TableData

Delimiter = Annotated[str, Field(pattern=r'^([^"\r\n]|\\t)$')]


@datasets.register("csv", traits={"one_file"}, places=("path",), renamed={"file": "path"})
def csv(
    path: str,
    target: Name | list[Name],
    features: list[Name] | None = None,
    categorical: tuple[Name, ...] = (),
    ignore: tuple[Name, ...] = (),
    header: Header = "auto",
    delimiter: Delimiter | None = None,
    missing: Literal["error", "drop", "fill"] = "error",
    split_column: Name | None = None,
    test_fraction: Fraction = 0.2,
    encoding: str | None = None,
    decimal: Decimal | None = None,
    thousands: Thousands | None = None,
    na_values: tuple[str, ...] = (),
    dates: tuple[Name, ...] = (),
    date_format: str | None = None,
    rare: Annotated[int, Field(ge=2)] | None = None,
    key: Name | None = None,
    group: Name | None = None,
) -> TableData:
    """Your own table (CSV, Parquet or Excel): `target` is the column to learn, by name or position (-1: the last).

    Columns of numbers are standardised, each text of the others (and of `categorical`) becomes an input of 0 and 1.
    `split_column` tells each row's part (train, val or test), else a fixed `test_fraction` is for testing.
    """
    targets = target if isinstance(target, list) else [target]
    alone = [name for name in (split_column, key, group) if name is not None]
    as_text, sign = _plain(*targets, *categorical, *dates, *alone), table_sign(decimal, thousands)
    table = open_table(found := find_data(path), header, delimiter, encoding=encoding, decimal=sign,
                       na_values=na_values, text=as_text)  # fmt: skip
    learned = (columns := _Columns(table, found.name)).targets(targets)
    chosen = columns.features(features, {*learned, *columns.find_all([*alone, *ignore])}, table.delimiter)
    rules = Rules(
        (), columns.find_all(dates, chosen), date_format, True, False, rare, na_values, table.decimal, thousands,
        table.delimiter, found.name,
    )  # fmt: skip
    return TableData(
        table.frame, learned, chosen, frozenset(columns.find_all(categorical, chosen)), columns.one(split_column),
        test_fraction, missing, None, found.name, columns.one(key), columns.one(group), rules, True)  # fmt: skip


def _plain(*names: Name) -> list[Name]:
    return [normalize("NFC", name) if isinstance(name, str) else name for name in names]


class _Columns:
    """The names of a table's columns, and those that a config names among them."""

    def __init__(self, table: TableFile, name: str) -> None:
        self.names, self.unnamed, self.table = list(table.frame.columns), table.unnamed, name
        self._known = set(self.names)

    def one(self, given: Name | None) -> str | None:
        """The name of a column that need not be given."""
        return None if given is None else self.find(given)

    def find(self, given: Name, what: str = "column", among: Sequence[str] | None = None) -> str:
        """The column's name; raises ``DataError`` where there is none."""
        if isinstance(given, int):
            given = at_position(self.names, given, self.table)
        given = normalize("NFC", given)
        if given not in (self._known if among is None else among):
            if given in self._known:
                cause = f"'{given}' is among categorical or dates and also the target, key, group, split or ignored"
                raise DataError(f"{self.table}: {cause}; choose one")
            known = self.names if among is None else among
            raise DataError(f"{self.table}: there is no {what} '{given}'; {did_you_mean(given, known)}")
        return given

    def find_all(self, given: Sequence[Name], among: Sequence[str] | None = None) -> tuple[str, ...]:
        """The names of several columns."""
        known = None if among is None else dict.fromkeys(among)
        what = "column" if among is None else "feature"
        return tuple(self.find(name, what, known if known is None else list(known)) for name in given)

    def targets(self, given: Sequence[Name]) -> tuple[str, ...]:
        """The names of what is learned, none of them twice."""
        found = tuple(self.find(name, "target column") for name in given)
        if not found or len(set(found)) < len(found):
            cause = f"target names {len(found)} columns, some twice or none"
            raise DataError(f"{self.table}: {cause}; name each target once")
        return found

    def features(self, given: Sequence[Name] | None, apart: set[str], delimiter: str) -> tuple[str, ...]:
        """The names of what is told: ``given``, or all that are not ``apart``."""
        if given is None:
            chosen = [name for name in self.names if name not in apart and name != self.unnamed]
            if self.unnamed is not None and self.unnamed not in apart:
                cause = f"column 1 has no name; it is taken as names of the rows, called '{self.unnamed}'"
                notice("index_column", f"{self.table}: {cause} and ignored")
        else:
            chosen = list(dict.fromkeys(self.find_all(given)))
        if wrong := [name for name in chosen if name in apart]:
            raise DataError(
                f"{self.table}: '{wrong[0]}' is among the features and also the target, key, group, split or ignored; "
                "choose one"
            )
        if not chosen:
            shown = f"delimiter '{delimiter}'"
            cause = f"no feature column is left of {', '.join(self.names)}"
            raise DataError(f"{self.table}: {cause}; are {shown} and ignore right?")
        return tuple(chosen)
