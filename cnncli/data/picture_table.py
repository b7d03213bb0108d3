"""The columns of a table of pictures: found by their names, or said by what they hold."""

from typing import TYPE_CHECKING

from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.spec import Split
from cnncli.data.dialect import Name, at_position
from cnncli.data.kinds import has_picture_extension
from cnncli.data.names import nfc, split_of

if TYPE_CHECKING:
    import pandas as pd

FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}  # in any case
_LOOKED_AT = 20  # rows that tell what a column holds


def read_listing(
    frame: "pd.DataFrame", name: str, path: str, label: str, split_column: str | None = None
) -> tuple[list[str], list[str], list[Split]]:
    """The paths, labels and splits of a table as texts, one of each a row; without a split column all are ``train``.

    Raises ``DataError`` for a missing column, an empty cell (with its line), or an unknown split.
    """
    require_column(frame, path, name, None)
    require_column(frame, label, name, None)
    return cells_of(frame, path, name), cells_of(frame, label, name), parts_of(frame, split_column, name)


def parts_of(frame: "pd.DataFrame", column: str | None, name: str) -> list[Split]:
    """The split of every row; raises ``DataError`` for an unknown one, with its line."""
    if column is None:
        return ["train"] * len(frame)
    require_column(frame, column, name, "split_column")
    words = cells_of(frame, column, name)
    parts: list[Split] = []
    for line, word in zip(frame.index.tolist(), words, strict=True):
        split = split_of(word)
        if split is None:
            raise DataError(f"{name}:{line}: column '{column}' has '{word}'; write train, val or test")
        parts.append(split)
    if "train" not in parts:
        raise DataError(f"{name}: no row is of the train split; add some")
    return parts


def cells_of(frame: "pd.DataFrame", column: str, name: str) -> list[str]:
    """The texts of a column; raises ``DataError`` for an empty one, with its line."""
    cells = [str(cell).strip() for cell in frame[column]]
    if "" in cells:
        raise DataError(f"{name}:{frame.index[cells.index('')]}: column '{column}' is empty; fill it in")
    return cells


def column_name(frame: "pd.DataFrame", given: Name, name: str) -> str:
    """The name of a column that is given by its name or its position."""
    columns = [str(known) for known in frame.columns]
    return at_position(columns, given, name) if isinstance(given, int) else nfc(given)


def require_column(frame: "pd.DataFrame", column: str, name: str, key: str | None) -> None:
    """Raise ``DataError`` for a column that is not there; what columns hold tells what ``key`` should be set to."""
    columns = [str(known) for known in frame.columns]
    if column in columns:
        return
    if any(has_picture_extension(known) for known in columns):
        cause = "its first line is a picture, not the names of columns; write a line such as path,label above it"
        raise DataError(f"{name}: {cause}{'' if key is None else _without_names(columns)}")
    raise DataError(f"{name}: has no column '{column}'; {_advice(frame.head(_LOOKED_AT), columns, column, key)}")


def _without_names(columns: list[str]) -> str:
    """What to set for a table whose first line is its first row."""
    at = next(number for number, known in enumerate(columns) if has_picture_extension(known))
    others = [number for number in range(len(columns)) if number != at]
    label = f" and dataset.label: {others[0]}" if len(others) == 1 else ", and dataset.label to what is learned"
    return f", or set dataset.header: false, dataset.path_column: {at}{label}"


def _advice(rows: "pd.DataFrame", columns: list[str], column: str, key: str | None) -> str:
    if key is None:
        return did_you_mean(column, columns)
    files = [known for known in columns if all(has_picture_extension(str(cell).strip()) for cell in rows[known])]
    flags = [known for known in columns if all(str(cell).strip().lower() in FLAGS for cell in rows[known])]
    if same := [known for known in columns if known.casefold() == column.casefold()]:
        return f"set dataset.{key}: {same[0]}"
    if key == "path_column" and len(files) == 1:
        return f"'{files[0]}' holds the files; set dataset.path_column: {files[0]}"
    if key == "label" and len(flags) > 1:
        listed = ", ".join(flags)
        return f"{listed} hold 0 and 1; set dataset.label: [{listed}]"
    others = [known for known in columns if known not in files]
    if key == "label" and len(others) == 1:
        return f"set dataset.label: {others[0]}"
    return did_you_mean(column, columns)
