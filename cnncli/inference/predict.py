"""Answers of a trained network for the rows of a table that it has not seen."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cnncli.core.errors import ConfigError, DataError
from cnncli.core.spec import Table
from cnncli.data.columns import encode_rows, numbers, texts
from cnncli.data.csv_table import read_table
from cnncli.data.find import find_data
from cnncli.inference.predictor import Predictor
from cnncli.inference.rows import format_rows

if TYPE_CHECKING:
    import pandas as pd


def predict_rows(predictor: Predictor, rows: "pd.DataFrame | Path | str") -> "pd.DataFrame":
    """The rows ``[N]`` with a column ``prediction`` and, for classes, ``probability_…``; ``-`` is standard input.

    Columns are found by name, those that are not needed stay as they are. Raises ``ConfigError`` for a network that
    learned from something else, ``DataError`` for rows that it cannot take.
    """
    kind, table = predictor.spec.kind, predictor.spec.preprocess
    if not isinstance(table, Table):  # of the other kinds each has a command of its own
        raise ConfigError(f"{predictor.path}: it learned from {kind.name}; use cnncli {kind.command} with {kind.name}")
    frame, name = _read(predictor, rows) if isinstance(rows, str | Path) else (rows, "rows")
    _check_names(predictor, frame, table, name)
    outputs = predictor.logits(encode_rows(frame, table, name))
    return frame.assign(**predictor.task.predictions(outputs))


def _check_names(predictor: Predictor, frame: "pd.DataFrame", table: Table, name: str) -> None:
    """Raise ``DataError`` for a column that has the name of an answer."""
    answers = predictor.task.predictions(torch.zeros(1, *predictor.spec.outputs))
    for taken in frame.columns:
        if taken in answers and any(column.name == taken for column in table.columns):
            cause = f"the column '{taken}', which the network needs, has the name of an answer"
            raise DataError(f"{name}: {cause}; rename it in the training data and train again")
        if taken in answers:
            raise DataError(f"{name}: has a column '{taken}' already; rename it")


def _read(predictor: Predictor, rows: Path | str) -> tuple["pd.DataFrame", str]:
    """The table in a file, written as the training's CSV file was."""
    dataset = predictor.config.dataset
    args = dataset.args if dataset.name == "csv" else {}
    header, delimiter = args.get("header", True), args.get("delimiter", ",")
    if str(rows) == "-":
        return read_table("-", header, delimiter), "standard input"
    path = find_data(str(rows))
    return read_table(path, header, delimiter), path.name


def format_frame(frame: "pd.DataFrame", form: str) -> str:
    """A table's rows as ``csv``, ``json`` or ``table``; in JSON columns that hold numbers are numbers."""
    columns = {str(name): _plain(frame[name]) if form == "json" else frame[name].tolist() for name in frame.columns}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return format_rows(rows, form, columns=list(columns))


def _plain(column: "pd.Series[Any]") -> list[Any]:
    """A column's values for JSON: numbers where all are, else text; None where there is none."""
    values, bad = numbers(column)
    text = texts(column).tolist()
    padded = any(given is not None and len(given) > 1 and given[0] == "0" and given.isdecimal() for given in text)
    if bad.any() or padded or np.isnan(values).all():  # 00123 is a name made of digits
        return text
    plain = [float(f"{value:.7g}") if column.dtype.kind == "f" else float(value) for value in values]
    return [
        None if given is None else int(given) if given.lstrip("-").isdecimal() else value
        for given, value in zip(text, plain, strict=True)
    ]
