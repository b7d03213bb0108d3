"""Tables in files of other programs: Parquet, and the first sheet of an Excel workbook."""

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.data.cells import LINE

if TYPE_CHECKING:
    import pandas as pd

WORKBOOKS = (".xlsx", ".xlsm")
_HINT = "install it with: pip install 'cnncli[tables]'"


def workbook_as_csv(path: Path | str) -> bytes:
    """The first sheet of a workbook as CSV in UTF-8; raises ``DataError`` where it cannot be read."""
    name = os.path.basename(path)
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise DataError(f"{name}: reading Excel needs openpyxl; {_HINT}") from error
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    except OSError:
        raise
    except Exception as error:  # a damaged workbook raises whatever zip and XML readers raise
        raise DataError(f"{name}: cannot be read as an Excel workbook ({error}); save it again, or as CSV") from error
    if len(book.worksheets) > 1:
        notice("sheets", f"{name}: has {len(book.worksheets)} sheets; the first, '{sheet.title}', is read")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def read_parquet(path: Path) -> "pd.DataFrame":
    """A Parquet file's columns, numbers as numbers and anything else as texts; rows are counted from 1.

    Raises ``DataError`` where it cannot be read.
    """
    import pandas as pd

    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(f"{path.name}: reading Parquet needs pyarrow; {_HINT}") from error
    try:
        frame = parquet.read_table(path).to_pandas()
    except OSError as error:
        if not path.is_file():
            raise
        raise DataError(f"{path.name}: cannot be read as Parquet ({error}); save it again, or as CSV") from error
    except Exception as error:  # a damaged file raises whatever Arrow raises
        raise DataError(f"{path.name}: cannot be read as Parquet ({error}); save it again, or as CSV") from error
    if frame.index.name is not None:
        frame = frame.reset_index()
    if not len(frame) or not len(frame.columns):
        raise DataError(f"{path.name}: is empty; a table with rows is needed")
    columns = {str(name): _plain(frame[name]) for name in frame.columns}
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(frame) + 1)).rename_axis(index=None)


def _plain(column: "pd.Series[Any]") -> Any:
    """A column as numbers or as texts."""
    if column.dtype.kind in "iuf":
        return column.to_numpy(dtype="float64", na_value=float("nan")) if column.isna().any() else column.to_numpy()
    return column.map(_cell, na_action="ignore").astype(object).to_numpy()


__all__ = ["LINE", "WORKBOOKS", "read_parquet", "workbook_as_csv"]
