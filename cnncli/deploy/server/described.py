"""What a client is told about a network."""

import hashlib
from typing import Any

from cnncli import __version__
from cnncli.core.columns import Column
from cnncli.core.spec import Pictures, Series, Table, Text
from cnncli.inference.predict_pictures import decode_of
from cnncli.inference.predictor import Predictor


def description(predictor: Predictor) -> dict[str, Any]:
    """A network in plain values: what it takes, and what it answers with."""
    spec, numbers = predictor.spec, predictor.spec.numbers
    parts = {Pictures: _pictures, Table: _table, Series: _series, Text: _text}
    return {
        "format": 1,
        "cnncli": __version__,
        "checkpoint": {"name": predictor.path.name, "sha256": hashlib.sha256(predictor.path.read_bytes()).hexdigest()},
        "run": predictor.config.name,
        "kind": spec.kind.name,
        "task": predictor.config.task.name,
        "classes": list(predictor.classes),
        "targets": [] if numbers is None else list(numbers.names),
        **{"pictures": None, "columns": None, "series": None, "text": None},
        **parts[type(spec.preprocess)](predictor),
    }


def _pictures(predictor: Predictor) -> dict[str, Any]:
    decode = decode_of(predictor)
    about = {"size": list(decode.size), "channels": decode.channels, "fit": decode.fit,
             "interpolation": decode.interpolation, "value_range": decode.value_range}  # fmt: skip
    return {"pictures": about}


def _table(predictor: Predictor) -> dict[str, Any]:
    return {"columns": [_column(column) for column in predictor.spec.require(Table, "columns").columns]}


def _column(column: Column) -> dict[str, Any]:
    kind = "date" if column.date else "number" if column.categories is None else "category"
    needed = column.fill is None if column.categories is None else not column.missing
    return {
        "name": column.name, "kind": kind, "categories": list(column.categories or ()), "required": needed,
        "date": column.date, "mean": column.mean, "std": column.std, "decimal": column.form.decimal,
        "thousands": column.form.thousands, "unit": column.form.unit,
    }  # fmt: skip


def _series(predictor: Predictor) -> dict[str, Any]:
    series = predictor.spec.require(Series, "series")
    about = {
        "columns": list(series.columns), "targets": list(series.targets), "horizon": predictor.spec.outputs[0],
        "window": predictor.spec.input_shape[0] + (series.difference or 0), "log": series.log,
        "parts": [part.id for part in series.parts], "by": list(series.by),
    }  # fmt: skip
    return {"targets": list(series.targets), "series": about}


def _text(predictor: Predictor) -> dict[str, Any]:
    return {"text": {"vocabulary": list(predictor.spec.require(Text, "text").vocabulary)}}
