"""Answers of a trained network for the rows of a table that it has not seen."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cnncli.compute.machine import give_freed_memory_back
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.spec import Table
from cnncli.data.columns import encode_rows, missing_in, numbers, texts
from cnncli.data.find import find_data
from cnncli.data.number_forms import PLAIN
from cnncli.data.table_file import TableFile, open_table
from cnncli.inference.predictor import Predictor
from cnncli.inference.rows import check_format, format_cell, format_rows

if TYPE_CHECKING:
    import pandas as pd

CELLS = 2**18  # that are written at a time


def predict_rows(predictor: Predictor, rows: "pd.DataFrame | Path | str") -> "pd.DataFrame":
    """The rows ``[N]`` with a column ``prediction`` and, for classes, ``probability_…``; ``-`` is standard input.

    Columns are found by name, those that are not needed stay as they are. Raises ``ConfigError`` for a network that
    learned from something else, ``DataError`` for rows that it cannot take.
    """
    table = _table(predictor)
    if isinstance(rows, str | Path):
        file, name = _read(predictor, table, rows)
        rows = file.frame
    else:
        name = "rows"
    return rows.assign(**_answers(predictor, table, rows, name))


def read_rows(predictor: Predictor, rows: "pd.DataFrame | Path | str") -> "pd.DataFrame":
    """Rows as they are, or those of a file, read as the training's was."""
    return _read(predictor, _table(predictor), rows)[0].frame if isinstance(rows, str | Path) else rows


def answer_rows(predictor: Predictor, path: Path | str, form: str, width: int | None = None) -> Iterable[str]:
    """What ``predict_rows`` gives in a form of ``rows.FORMATS``, with every cell of the file as it is written.

    In JSON columns that hold numbers are numbers. A table keeps to the ``width`` of a terminal. The text comes in
    parts, as that of a large table is large.
    """
    check_format(form)
    table = _table(predictor)
    file, name = _read(predictor, table, path)
    answers = _answers(predictor, table, file.frame, name)
    if form != "csv":
        return [format_frame(_as_written(file).assign(**answers), form, width)]
    file = replace(file, frame=file.frame[:0])  # of a large table only one copy is needed at a time
    give_freed_memory_back()
    return _csv_parts(file, answers)


def _csv_parts(file: TableFile, answers: dict[str, list[Any]]) -> Iterator[str]:
    """The header, then some rows at a time: the cells of the file as they are written, and the answers."""
    yield _csv_text([[*file.names, *answers]])
    untouched = file.plain and file.delimiter == ","
    starts = file.lines() if untouched else (_csv_text([row])[:-1] for row in file.rows())
    at_once = max(CELLS // len(file.names), 1)
    for first in range(0, len(next(iter(answers.values()))), at_once):
        columns = [_csv_cells(values[first : first + at_once]) for values in answers.values()]
        rows = zip(islice(starts, at_once), *columns, strict=True)
        yield "\n".join(map(",".join, rows)) + "\n"


def _csv_cells(values: list[Any]) -> list[str]:
    """Values as cells of a CSV file."""
    if isinstance(values[0], float):
        return [f"{value:.7g}" for value in values]
    cells = {value: _csv_text([[format_cell(value), ""]])[:-2] for value in set(values)}
    return [cells[value] for value in values]


def _csv_text(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _as_written(file: TableFile) -> "pd.DataFrame":
    """The cells of a file as texts."""
    import pandas as pd

    return pd.DataFrame(list(file.rows()), columns=pd.Index(file.names), dtype=object)


def _table(predictor: Predictor) -> Table:
    kind, table = predictor.spec.kind, predictor.spec.preprocess
    if not isinstance(table, Table):  # of the other kinds each has a command of its own
        raise ConfigError(f"{predictor.path}: it learned from {kind.name}; use cnncli {kind.command} with {kind.name}")
    return table


def _answers(predictor: Predictor, table: Table, frame: "pd.DataFrame", name: str) -> dict[str, list[Any]]:
    _check_names(predictor, frame, table, name)
    return predictor.task.predictions(predictor.logits(encode_rows(frame, table, name)))


def _check_names(predictor: Predictor, frame: "pd.DataFrame", table: Table, name: str) -> None:
    """Raise ``DataError`` for a column that has the name of an answer."""
    answers = predictor.task.predictions(torch.zeros(1, *predictor.spec.outputs))
    for taken in frame.columns:
        if taken in answers and any(column.name == taken for column in table.columns):
            cause = f"the column '{taken}', which the network needs, has the name of an answer"
            raise DataError(f"{name}: {cause}; rename it in the training data and train again")
        if taken in answers:
            raise DataError(f"{name}: has a column '{taken}' already; rename it")


def _read(predictor: Predictor, table: Table, rows: Path | str) -> tuple[TableFile, str]:
    """The table in a file, written as the training's was: with its delimiter, encoding, and forms of numbers."""
    dataset = predictor.config.dataset
    args = dataset.args if dataset.name == "csv" else {}
    path = None if str(rows) == "-" else find_data(str(rows))
    as_text = [column.name for column in table.columns if column.categories or column.date or column.form != PLAIN]
    commas = any(column.form.decimal == "," for column in table.columns)
    file = open_table(
        path or "-", args.get("header", "auto"), args.get("delimiter"),
        encoding=args.get("encoding"), decimal="," if commas else args.get("decimal"), na_values=missing_in(table),
        text=as_text, names=[column.name for column in table.columns], can_be_told=False,
    )  # fmt: skip
    return file, "standard input" if path is None else path.name


def format_frame(frame: "pd.DataFrame", form: str, width: int | None = None) -> str:
    """A table's rows in a form of ``rows.FORMATS``; in JSON columns that hold numbers are numbers."""
    numbers_apart = form in ("json", "jsonl")
    columns = {str(name): _plain(frame[name]) if numbers_apart else frame[name].tolist() for name in frame.columns}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return format_rows(rows, form, columns=list(columns), width=width)


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
