"""What stands beside an exported network: everything that is needed to use it without cnncli."""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from cnncli import __version__
from cnncli.core.spec import Decode, Pictures, Series, Table, Text
from cnncli.data.columns import missing_in
from cnncli.deploy.from_rows import places_of
from cnncli.deploy.graph import Graph, Remembering, outputs_of
from cnncli.deploy.ports import Port
from cnncli.inference.predict_pictures import decode_of
from cnncli.inference.predictor import Predictor

FORMAT = 1
KEY = "cnncli"  # of the description among the metadata of a file
NAME = "model.json"
_TYPED = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_TYPED)
class Source:
    """The checkpoint that a network came from: the file's name, and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, config=_TYPED)
class PictureInput:
    """How a picture file becomes ``pixels``; ``mean`` and ``std`` are used inside the graph."""

    size: tuple[int, int]
    channels: int
    fit: str
    interpolation: str
    value_range: tuple[float, float] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, config=_TYPED)
class ColumnInput:
    """Where a column's value stands in ``numbers`` or ``categories``, and how it is written.

    ``missing`` and ``unknown`` are the ids of a category without a value and of one that training did not have.
    """

    name: str
    kind: Literal["number", "category", "date"]
    input: str
    at: int
    categories: tuple[str, ...] | None
    missing: int | None
    unknown: int | None
    required: bool
    date: str
    mean: float
    std: float
    decimal: str
    thousands: str
    unit: str


@dataclass(frozen=True, config=_TYPED)
class SeriesInput:
    """The columns of a ``window`` and how many steps it has, oldest first."""

    columns: tuple[str, ...]
    targets: tuple[str, ...]
    window: int
    horizon: int
    log: bool
    level: float  # of the interval; 0: there is none
    parts: tuple[str, ...]


@dataclass(frozen=True, config=_TYPED)
class TextInput:
    """The characters by id; ``block`` is the longest text where a network has no ``state``."""

    vocabulary: tuple[str, ...]
    block: int | None
    state: tuple[Port, ...]


@dataclass(frozen=True, config=_TYPED)
class Description:
    """The contents of ``model.json``, which docs/deploy.md explains."""

    format: int
    cnncli: str
    checkpoint: Source
    run: str
    kind: Literal["pictures", "rows", "series", "text"]
    task: str
    network: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    classes: tuple[str, ...]
    thresholds: tuple[float, ...] | None
    positive: int | None
    temperature: float
    costs: tuple[tuple[float, ...], ...] | None
    targets: tuple[str, ...]
    na_values: tuple[str, ...] = ()
    pictures: PictureInput | None = None
    columns: tuple[ColumnInput, ...] | None = None
    series: SeriesInput | None = None
    text: TextInput | None = None


def describe(predictor: Predictor, graph: Graph) -> Description:
    """The description of a graph that was made of ``predictor``."""
    spec, task = predictor.spec, predictor.task
    threshold = getattr(task.calibration, "threshold", None)
    several = getattr(task.calibration, "thresholds", ()) or None
    costs = getattr(task, "costs", None)
    content = predictor.path.read_bytes()
    return Description(
        format=FORMAT, cnncli=__version__, checkpoint=Source(predictor.path.name, hashlib.sha256(content).hexdigest()),
        run=predictor.config.name, kind=spec.kind.name, task=predictor.config.task.name,
        network=predictor.config.model.name, inputs=graph.inputs, outputs=outputs_of(graph, predictor),
        classes=spec.classes, thresholds=several if threshold is None else (threshold,),
        positive=getattr(task, "positive", None), temperature=getattr(task.calibration, "temperature", 1.0),
        costs=None if costs is None else costs.tolist(), targets=() if spec.numbers is None else spec.numbers.names,
        **_KINDS[spec.kind.name](predictor, graph),
    )  # fmt: skip


def _pictures(predictor: Predictor, _: Graph) -> Mapping[str, Any]:
    pictures, decode = predictor.spec.require(Pictures, "pictures"), decode_of(predictor)
    assert isinstance(decode, Decode)
    about = PictureInput(
        decode.size, decode.channels, decode.fit, decode.interpolation, decode.value_range, pictures.mean, pictures.std
    )
    return {"pictures": about}


def _rows(predictor: Predictor, _: Graph) -> Mapping[str, Any]:
    table = predictor.spec.require(Table, "rows")
    places, found = places_of(table.columns), []
    for column in table.columns:
        names, last = column.categories, len(column.inputs) - 1
        missing = None if names is None else len(names) if column.missing else column.fill
        unknown = last if column.unseen == "own" else missing if column.unseen == "missing" and column.missing else None
        found.append(
            ColumnInput(
                column.name, "category" if names is not None else "date" if column.date else "number",
                *places[column.name], names, None if missing is None else int(missing), unknown,
                column.fill is None and not column.missing, column.date, column.mean, column.std,
                column.form.decimal, column.form.thousands, column.form.unit,
            )
        )  # fmt: skip
    return {"columns": tuple(found), "na_values": tuple(sorted(missing_in(table)))}


def _series(predictor: Predictor, graph: Graph) -> Mapping[str, Any]:
    series = predictor.spec.require(Series, "a series")
    steps = graph.inputs[0].shape[1]
    assert isinstance(steps, int)
    level = float(getattr(predictor.task.calibration, "level", 0.0))
    parts = tuple(part.id for part in series.parts)
    about = SeriesInput(
        series.columns, series.targets, steps, predictor.spec.outputs[0], series.log, level, parts
    )  # fmt: skip
    return {"series": about}


def _text(predictor: Predictor, graph: Graph) -> Mapping[str, Any]:
    state = graph.state if isinstance(graph, Remembering) else ()
    block = None if state else predictor.spec.input_shape[0]
    return {"text": TextInput(predictor.spec.require(Text, "text").vocabulary, block, state)}


_KINDS = {"pictures": _pictures, "rows": _rows, "series": _series, "text": _text}
