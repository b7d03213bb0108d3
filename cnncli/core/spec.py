"""What the data tells the model: the only thing that data and models know of each other."""

import json
from dataclasses import asdict
from math import prod
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, PositiveInt, TypeAdapter
from pydantic.dataclasses import dataclass

from cnncli.core.checks import Names, different, lengths, named, require
from cnncli.core.columns import Column, Constant, Form
from cnncli.core.errors import ConfigError
from cnncli.core.numbers import MAX_CHANNELS, MAX_SIDE, MAX_STEPS, Count, Side, Spread, Value
from cnncli.core.series_parts import NaiveError, SeriesPart, check_parts

Split = Literal["train", "val", "test"]

Wants = str
"""What data offer and a task learns to give: "classes", "numbers", "windows" of a series, "characters"."""

_PLAIN = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_PLAIN)
class Kind:
    """What is true of all data of one kind. It stands here once, so that nobody has to ask which kind it is."""

    name: Literal["pictures", "rows", "series", "text"]
    axes: str  # of a batch
    dtype: str  # of the network's input, by torch's name
    unit: str  # of the speed
    networks: str  # some that take it
    advice: str  # where a network cannot take a sample
    command: str  # that predicts from it
    known_by: tuple[str, ...]  # what tells its samples apart: see ``members.By``
    baselines: tuple[str, ...]  # that can be fitted to such data
    only: Wants | None = None  # what alone can be learned from it, where the kind decides that
    samples: str = ""  # what they are called in a count, where they are not what people would count
    trials_pay: bool = False  # small networks on numbers that need all their digits gain nothing from mixed precision
    in_files: bool = False  # a file for each sample, which a folder holds or a table lists
    every_position: bool = False  # whether the network answers at every position of a sample, not once
    eval_values: int = 2**22  # input values of an evaluation batch that keeps a CPU busy


PICTURES = Kind(
    "pictures", "N, C, H, W", "float32", "images", "simple_cnn, resnet20, layers or mlp",
    "use larger pictures or another model", "predict", ("path",), ("logistic_regression", "ridge"),
    trials_pay=True, in_files=True,
)  # fmt: skip
ROWS = Kind(
    "rows", "N, F", "float32", "rows", "linear or mlp", "use another model", "predict", ("key", "content"),
    ("logistic_regression", "ridge", "gradient_boosting"),
)  # fmt: skip
SERIES = Kind(
    "series", "N, T, F", "float32", "windows", "linear, mlp, conv1d, tcn, lstm, gru, rnn or transformer",
    "use another model", "forecast", ("span",), ("ridge",), only="windows",
)  # fmt: skip
TEXT = Kind(
    "text", "N, T", "int64", "characters", "lstm, gru, rnn, tcn or transformer", "use another model", "generate",
    ("span",), ("trigram",), only="characters", samples="blocks", trials_pay=True, every_position=True,
    eval_values=2**15,  # each has a logit for every character
)  # fmt: skip

Fit = Literal["crop", "stretch", "pad"]
Interpolation = Literal["bilinear", "bicubic"]
Channels = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]


@dataclass(frozen=True, config=_PLAIN)
class Decode:
    """How a picture file becomes pixels ``[channels, *size]``.

    ``fit`` says how a picture of another shape is brought to ``size`` (height, width): scaled until it covers it and
    the centre cut out, stretched, or scaled until it fits inside and padded with black. ``value_range`` are the values
    that become black and white in files of more than 8 bits; None: those of each file's own type.
    """

    size: tuple[Side, Side]
    channels: Channels = 3
    fit: Fit = "crop"
    interpolation: Interpolation = "bilinear"
    value_range: tuple[Value, Value] | None = None

    def __post_init__(self) -> None:
        ends = self.value_range
        require(ends is None or ends[0] < ends[1], "decode.value_range: its first value is not below the second")


@dataclass(frozen=True, config=_PLAIN)
class Pictures:
    """How a picture becomes the network's input: decoded, its centre cut out, ``(pixel / 255 - mean) / std``.

    ``decode`` is None for pictures that did not come from files.
    """

    mean: tuple[Value, ...]
    std: tuple[Annotated[float, Field(ge=1e-6, le=1e6)], ...]
    decode: Decode | None = None
    kind: Literal["pictures"] = "pictures"
    about: ClassVar[Kind] = PICTURES

    def check(self, spec: "DataSpec") -> None:
        """Raise ``ValueError`` for other shapes or statistics than pictures of ``spec`` have."""
        _axes(spec, 3)
        channels, *size = spec.input_shape
        lengths(channels, preprocess__mean=self.mean, preprocess__std=self.std)
        require(max(size) <= MAX_SIDE, f"input_shape: {size[0]}×{size[1]} is more than {MAX_SIDE} pixels a side")
        if self.decode is not None:
            height, width = self.decode.size
            require(self.decode.channels == channels, f"preprocess.decode.channels: there are {channels}")
            require(height >= size[0] and width >= size[1], f"preprocess.decode.size: is below {size[0]}×{size[1]}")

    def learned(self, classes: tuple[str, ...]) -> str:
        """What there is to learn, in a few words."""
        return _classes(classes)


@dataclass(frozen=True, config=_PLAIN)
class Table:
    """How the rows of a table become inputs ``[F]``, as fitted on the training part."""

    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    targets: Names
    truth: tuple[Value, ...] | None = None  # the true weights and bias, where the data were made from them
    na_values: tuple[str, ...] | None = None  # what is missing besides an empty cell; None: as in checkpoints of before
    constants: tuple[Constant, ...] = ()
    forms: tuple[Form, ...] = ()  # of the targets' numbers
    kind: Literal["rows"] = "rows"
    about: ClassVar[Kind] = ROWS

    def check(self, spec: "DataSpec") -> None:
        """Raise ``ValueError`` where the columns are not the inputs of ``spec``, or its numbers not the targets."""
        _axes(spec, 1)
        names = [column.name for column in self.columns]
        inputs = sum(len(column.inputs) for column in self.columns)
        different((*names, *self.targets, *(constant.name for constant in self.constants)))
        require(inputs == spec.input_shape[0], f"preprocess.columns: {inputs} inputs, input_shape has others")
        require(self.truth is None or len(self.truth) == inputs + 1, "preprocess.truth: is of other columns")
        if spec.numbers is not None:
            require(spec.numbers.names == self.targets, "numbers.names: are not preprocess.targets")
            require(spec.outputs == (len(self.targets),), "output_shape: is not one number for each target")

    def learned(self, classes: tuple[str, ...]) -> str:
        """What there is to learn, in a few words."""
        return _classes(classes)


@dataclass(frozen=True, config=_PLAIN)
class Series:
    """How a stretch of a series becomes a window ``[T, F]``, and a forecast ``[H, K]`` its own values.

    Values are (the logarithm, if ``log``, of) the data, less the value ``difference`` steps before, if given, then
    ``(value - mean) / std`` with the statistics of the training part. ``naive_error``, the denominator of MASE, is the
    mean absolute error of the seasonal-naive forecast inside the training part, in the data's unit (0: undefined). Of
    several series each has ``parts``, whose statistics' means are beside them.
    """

    columns: Names
    targets: Names
    period: Count
    log: bool
    difference: Count | None
    mean: tuple[Value, ...]
    std: tuple[Spread, ...]
    naive_error: tuple[NaiveError, ...]
    parts: tuple[SeriesPart, ...] = ()
    by: tuple[str, ...] = ()  # the columns that tell them apart
    kind: Literal["series"] = "series"
    about: ClassVar[Kind] = SERIES

    def check(self, spec: "DataSpec") -> None:
        """Raise ``ValueError`` where windows or answers of ``spec`` are not of these columns and targets."""
        _axes(spec, 2)
        _window(spec)
        require(len(self.columns) == spec.input_shape[1], "preprocess.columns: input_shape has another number")
        require(set(self.targets) <= set(self.columns), "preprocess.targets: one is no column")
        lengths(len(self.columns), preprocess__mean=self.mean, preprocess__std=self.std)
        lengths(len(self.targets), preprocess__naive_error=self.naive_error)
        check_parts(self.parts, len(self.columns), len(self.targets))
        answers = spec.output_shape
        require(len(answers) == 2 and answers[1] == len(self.targets), "output_shape: is not steps × targets")
        require(answers[0] <= MAX_STEPS, f"output_shape: has more than {MAX_STEPS:,} steps")

    def learned(self, classes: tuple[str, ...]) -> str:
        """What there is to learn, in a few words."""
        return f"{', '.join(self.columns)} → {', '.join(self.targets)}"


@dataclass(frozen=True, config=_PLAIN)
class Text:
    """Characters in the order of their ids; the first stands for every character unknown to the training part."""

    vocabulary: Names
    kind: Literal["text"] = "text"
    about: ClassVar[Kind] = TEXT

    def check(self, spec: "DataSpec") -> None:
        """Raise ``ValueError`` unless the answers of ``spec`` are a value for each character at each position."""
        _axes(spec, 1)
        _window(spec)
        require(len(self.vocabulary) > 1, "preprocess.vocabulary: has no character but the unknown one")
        require(all(len(character) == 1 for character in self.vocabulary), "preprocess.vocabulary: one is no character")
        wanted = (*spec.input_shape, len(self.vocabulary))
        require(spec.output_shape == wanted, f"output_shape: is not {'×'.join(map(str, wanted))}")

    def learned(self, classes: tuple[str, ...]) -> str:
        """What there is to learn, in a few words."""
        return f"{len(self.vocabulary)} characters in the vocabulary"


def _classes(classes: tuple[str, ...]) -> str:
    return f"{len(classes)} classes" if classes else ""


def _axes(spec: "DataSpec", count: int) -> None:
    axes = spec.kind.axes.removeprefix("N, ")
    require(len(spec.input_shape) == count, f"input_shape: is not {axes}, as {spec.kind.name} have")


def _window(spec: "DataSpec") -> None:
    require(spec.input_shape[0] <= MAX_STEPS, f"input_shape: has more than {MAX_STEPS:,} steps")
    require(not spec.classes, f"classes: {spec.kind.name} have none")


Preprocess = Pictures | Table | Series | Text
P = TypeVar("P", Pictures, Table, Series, Text)


@dataclass(frozen=True, config=_PLAIN)
class Numbers:
    """Numeric targets: their names, and their mean and standard deviation over the training part, in their own unit."""

    names: Names
    mean: tuple[Value, ...]
    std: tuple[Spread, ...]

    def __post_init__(self) -> None:
        require(len(self.mean) == len(self.std) == len(self.names), "numbers: not one mean and one std for each name")


@dataclass(frozen=True, config=_PLAIN)
class DataSpec:
    """One sample's shape, the class names in the order of the logits, and the preprocessing.

    ``input_shape`` is ``(C, H, W)`` for pictures, ``(F,)`` for rows, ``(T, F)`` for windows of a series and ``(T,)``
    for character ids. ``output_shape`` is that of the network's answer to one sample; left out, one logit a class.
    ``numbers`` are the targets where numbers are learned.
    """

    input_shape: tuple[PositiveInt, ...]
    classes: Annotated[tuple[str, ...], AfterValidator(named)]
    preprocess: Annotated[Preprocess, Field(discriminator="kind")]
    output_shape: tuple[PositiveInt, ...] = ()
    numbers: Numbers | None = None

    def __post_init__(self) -> None:
        self.preprocess.check(self)
        require(prod(self.outputs) > 0, "classes: there are none, and output_shape is not given")

    @property
    def kind(self) -> Kind:
        """What a sample is."""
        return self.preprocess.about

    @property
    def outputs(self) -> tuple[int, ...]:
        """The shape of the network's answer to one sample."""
        return self.output_shape or (len(self.classes),)

    @property
    def num_outputs(self) -> int:
        """How many values the network's last layer gives: for one sample, or for one position of a text."""
        return self.outputs[-1] if self.kind.every_position else prod(self.outputs)

    def require(self, kind: type[P], what: str, advice: str = "leave it out") -> P:
        """The preprocessing, which must be of ``kind``; raises ``ConfigError``: ``what`` is for such data only."""
        if not isinstance(self.preprocess, kind):
            raise ConfigError(f"{what} is for {kind.about.name}, the data are {self.kind.name}; {advice}")
        return self.preprocess

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as a checkpoint stores them; of columns, which may be many, what is not the default."""
        values = asdict(self)
        columns = getattr(self.preprocess, "columns", ())
        if columns:
            plain = (column.to_dict() if isinstance(column, Column) else column for column in columns)
            values["preprocess"]["columns"] = tuple(plain)
        return values

    @classmethod
    def from_dict(cls, values: Any) -> "DataSpec":
        """The inverse of ``to_dict``; lists are accepted where tuples were, other types are not.

        Raises pydantic's ``ValidationError``, and ``TypeError`` for what is no plain value.
        """
        return TypeAdapter(DataSpec).validate_json(json.dumps(values), strict=True)
