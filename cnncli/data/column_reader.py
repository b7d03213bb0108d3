"""pandas' own reader, set up for the columns of one table."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.core.errors import DataError
from cnncli.data.content import Content
from cnncli.data.dialect import Head, is_number

if TYPE_CHECKING:
    import pandas as pd

GUESSED = 1000  # with more columns it takes pandas longer


@dataclass(frozen=True)
class ColumnReader:
    """pandas' reader of columns, set up for one table."""

    content: Content
    delimiter: str
    head: Head
    na_values: tuple[str, ...]
    decimal: str | None

    def takes(self, cell: str) -> bool:
        """Whether a cell is a number to it."""
        if self.decimal != ",":
            return is_number(cell)
        return "." not in cell and is_number(cell.replace(",", "."))

    def frame(self, texts: set[int], index: "pd.Index[int]") -> "pd.DataFrame":
        """The columns; those at the positions in ``texts``, and those with anything but numbers, as texts."""
        import pandas as pd

        names, header = self.head.names, int(self.head.header)
        try:
            frame = self._guessed(texts) if len(names) <= GUESSED else self._parsed(dict.fromkeys(texts, object))
            kinds = [dtype.kind for dtype in frame.dtypes]
            late = [n for n, kind in enumerate(kinds) if n not in texts and kind not in "iuf"]
            if late:  # a text below the first rows
                again = self._parsed(dict.fromkeys([*texts, *late], object), late)
                for n in late:
                    frame[n] = again[n]
            agrees = len(frame) == len(index)
        except pd.errors.ParserError:
            agrees = False
        if not agrees:  # the two readers differ over a quoted blank, say: the strict one is right
            rows = [row for _, row in self.content.rows(self.delimiter)][header:]
            frame = pd.DataFrame(rows, dtype=object)
            frame = frame.mask(frame.isin(["", *self.na_values]))
        frame.index = index
        if self.head.drop:
            self._must_be_empty(frame)
            frame = frame.drop(columns=list(self.head.drop))
        frame.columns = pd.Index([name for n, name in enumerate(names) if n not in self.head.drop])
        return frame

    def _must_be_empty(self, frame: "pd.DataFrame") -> None:
        """Raise ``DataError`` where the column behind the last delimiter holds something after all."""
        last = len(self.head.names) - 1
        if not last or last not in self.head.drop:
            return
        filled = (frame[last].notna() & frame[last].astype(str).str.strip().ne("")).to_numpy()
        if filled.any():
            line = frame.index[int(filled.argmax())]
            raise DataError(f"{self.content.name}:{line}: has a value in the last column, which has no name; name it")

    def _guessed(self, texts: set[int]) -> "pd.DataFrame":
        """The columns, as numbers where they are not ``texts``: to say so beforehand takes less memory."""
        types = {n: object if n in texts else np.float64 for n in range(len(self.head.names))}
        try:
            return self._parsed(types)
        except (ValueError, OverflowError):  # a text below the first rows
            return self._parsed(dict.fromkeys(texts, object))

    def _parsed(self, types: dict[int, Any], only: list[int] | None = None) -> "pd.DataFrame":
        import pandas as pd

        with self.content.open() as source, warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # such columns are read again as texts
            return pd.read_csv(
                source, sep=self.delimiter, header=0 if self.head.header else None,
                names=list(range(len(self.head.names))), usecols=only, dtype=types,
                index_col=False, engine="c", keep_default_na=False, na_values=["", *self.na_values],
                encoding="utf-8", decimal=self.decimal or ".",
                low_memory=len(self.head.names) <= GUESSED,  # in chunks it takes twice the time for many columns
            )  # fmt: skip
