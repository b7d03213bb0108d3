"""What stands beside an exported network: everything that is needed to use it without cnncli."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from cnncli import __version__
from cnncli.core.spec import Decode, Pictures, Series, Table, Text
from cnncli.data.columns import missing_in
from cnncli.data.series_file import Reading
from cnncli.deploy.from_rows import places_of
from cnncli.deploy.graph import Graph, Remembering, outputs_of
from cnncli.deploy.ports import BATCH, Port
from cnncli.inference.predict_pictures import decode_of
from cnncli.inference.predictor import Predictor

FORMAT = 1
KEY = "cnncli"  # of the description among the metadata of a file
NAME = "model.json"
_TYPED = ConfigDict(extra="forbid")
_READING = tuple(field.name for field in fields(Reading))


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
    by: tuple[str, ...]  # the columns that tell the parts apart


@dataclass(frozen=True, config=_TYPED)
class TextInput:
    """The characters by id. Where a network has no ``state``, ``block`` is the longest text that it takes: of a longer
    one it is given the last ``keep`` characters.
    """

    vocabulary: tuple[str, ...]
    block: int | None
    keep: int | None
    state: tuple[Port, ...]


@dataclass(frozen=True, config=_TYPED)
class Own:
    """What cnncli itself needs to answer with an exported file: sections of the config without paths, and the rest."""

    config: dict[str, Any]
    spec: dict[str, Any]
    calibration: dict[str, Any]


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
    precision: Literal["fp32", "int8"] = "fp32"
    own: Own | None = None

    @property
    def any_batch(self) -> bool:
        """Whether the network takes any number of samples at a time."""
        return self.inputs[0].shape[0] == BATCH


def describe(predictor: Predictor, graph: Graph, any_batch: bool = True) -> Description:
    """The description of a graph that was made of ``predictor``, for any number of samples at a time or for one."""
    spec, task = predictor.spec, predictor.task
    threshold = getattr(task.calibration, "threshold", None)
    several = getattr(task.calibration, "thresholds", ()) or None
    costs = getattr(task, "costs", None)
    content = predictor.path.read_bytes()
    return Description(
        format=FORMAT, cnncli=__version__, checkpoint=Source(predictor.path.name, hashlib.sha256(content).hexdigest()),
        run=predictor.config.name, kind=spec.kind.name, task=predictor.config.task.name,
        network=predictor.config.model.name, inputs=_ports(graph.inputs, any_batch),
        outputs=_ports(outputs_of(graph, predictor), any_batch),
        classes=spec.classes, thresholds=several if threshold is None else (threshold,),
        positive=getattr(task, "positive", None), temperature=getattr(task.calibration, "temperature", 1.0),
        costs=None if costs is None else costs.tolist(), targets=() if spec.numbers is None else spec.numbers.names,
        own=_own(predictor), **_KINDS[spec.kind.name](predictor, graph),
    )  # fmt: skip


def _own(predictor: Predictor) -> Own:
    config = predictor.config.model_dump(mode="json")
    # how files are read, but not where they lay
    reading = {key: config["dataset"][key] for key in _READING if key in config["dataset"]}
    sections = {
        "name": config["name"],
        "dataset": {"name": config["dataset"]["name"], **reading},
        "model": config["model"],
        "task": config["task"],
        "loss": config["loss"],
    }
    return Own(sections, predictor.spec.to_dict(), predictor.task.calibration.to_dict())


def _ports(ports: tuple[Port, ...], any_batch: bool) -> tuple[Port, ...]:
    if any_batch:
        return ports
    return tuple(replace(port, shape=tuple(1 if size == BATCH else size for size in port.shape)) for port in ports)


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
        fill = None if column.fill is None else int(column.fill)
        missing = None if names is None else len(names) if column.missing else fill
        unknown = last if column.unseen == "own" else missing if column.unseen == "missing" and column.missing else None
        found.append(
            ColumnInput(
                column.name, "category" if names is not None else "date" if column.date else "number",
                *places[column.name], names, missing, unknown,
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
        series.columns, series.targets, steps, predictor.spec.outputs[0], series.log, level, parts, series.by
    )
    return {"series": about}


def _text(predictor: Predictor, graph: Graph) -> Mapping[str, Any]:
    state = graph.state if isinstance(graph, Remembering) else ()
    vocabulary = predictor.spec.require(Text, "text").vocabulary
    if state:
        return {"text": TextInput(vocabulary, None, None, state)}
    block = predictor.spec.input_shape[0]
    # one that looks back so far and no further slides over the text; others begin anew with half of it, as their step()
    reach = getattr(predictor.network, "window", None)
    return {"text": TextInput(vocabulary, reach or block, reach or max(1, block // 2), ())}


_KINDS = {"pictures": _pictures, "rows": _rows, "series": _series, "text": _text}
