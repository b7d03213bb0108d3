"""Answers of a trained network for the rows of a table that it has not seen."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cnncli.compute.runtime import Runtime
from cnncli.core.errors import ConfigError, DataError, did_you_mean
from cnncli.core.spec import Table
from cnncli.data.columns import encode_rows, numbers, texts
from cnncli.data.csv_table import read_table
from cnncli.data.find import find_data
from cnncli.inference.evaluate import Trained
from cnncli.training.build import build_task

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "json", "table")
BATCH = 4096  # rows at a time: any number of them fits
OTHER_COMMANDS = {
    "pictures": "name pictures, not a table",
    "series": "use cnncli forecast",
    "text": "use cnncli generate",
}


def predict_rows(trained: Trained, rows: "pd.DataFrame | Path | str", runtime: Runtime) -> "pd.DataFrame":
    """The rows ``[N]`` with a column ``prediction`` and, for classes, ``probability_…``; ``-`` is standard input.

    Columns are found by name, those that are not needed stay as they are. Raises ``ConfigError`` for a network that
    learned from something else, ``DataError`` for rows that it cannot take.
    """
    table = trained.spec.preprocess
    if not isinstance(table, Table):
        raise ConfigError(f"{trained.path}: it learned from {table.kind}; {OTHER_COMMANDS[table.kind]}")
    frame, name = _read(trained, rows) if isinstance(rows, str | Path) else (rows, "rows")
    if "prediction" in frame.columns:
        raise DataError(f"{name}: has a column 'prediction' already; rename it")
    outputs = _outputs(trained, encode_rows(frame, table, name), runtime)
    nothing = torch.zeros(0, dtype=torch.int64)  # training targets tell only what training and baselines need
    task = build_task(trained.config, trained.spec, nothing, runtime.device)
    task.decoding = trained.decoding
    return frame.assign(**task.predictions(outputs))


def _read(trained: Trained, rows: Path | str) -> tuple["pd.DataFrame", str]:
    """The table in a file, written as the training's CSV file was."""
    dataset = trained.config.dataset
    args = dataset.args if dataset.name == "csv" else {}
    header, delimiter = args.get("header", True), args.get("delimiter", ",")
    if str(rows) == "-":
        return read_table("-", header, delimiter), "standard input"
    path = find_data(str(rows))
    return read_table(path, header, delimiter), path.name


@torch.inference_mode()
def _outputs(trained: Trained, inputs: Tensor, runtime: Runtime) -> Tensor:
    """The network's answers ``[N, …]`` to inputs ``[N, F]``, on the device."""
    model = runtime.place(trained.model).eval()
    with runtime.autocast():
        return torch.cat([model(part.to(runtime.device)) for part in inputs.split(BATCH)])


def format_rows(frame: "pd.DataFrame", form: str) -> str:
    """Rows as text: ``csv`` with a header, ``json`` as a list of objects, ``table`` for reading."""
    check_format(form)
    if form == "csv":
        # float32 has seven digits to tell
        return str(frame.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
    if form == "table":
        return frame.to_string(index=False, float_format="%.4g") + "\n"
    columns = {str(name): _plain(frame[name]) for name in frame.columns}
    records = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def check_format(form: str) -> None:
    """Raise ``ConfigError`` when there is no such format."""
    if form not in FORMATS:
        raise ConfigError(f"--format {form}: {did_you_mean(form, FORMATS)}")


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
