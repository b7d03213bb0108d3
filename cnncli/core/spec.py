"""What the data tells the model: the only thing that data and models know of each other."""

from dataclasses import asdict
from math import prod
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from cnncli.core.errors import ConfigError

Split = Literal["train", "val", "test"]

Wants = str
"""What data offer and a task learns to give: "classes", "numbers", "windows" of a series, "characters"."""

_PLAIN = ConfigDict(extra="forbid")


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
    samples: str = ""  # what they are called in a count, where they are not what people would count
    trials_pay: bool = False  # small networks on numbers that need all their digits gain nothing from mixed precision
    every_position: bool = False  # whether the network answers at every position of a sample, not once
    eval_values: int = 2**22  # input values of an evaluation batch that keeps a CPU busy


PICTURES = Kind(
    "pictures", "N, C, H, W", "float32", "images", "simple_cnn, resnet20, layers or mlp",
    "use larger pictures or another model", "predict", trials_pay=True,
)  # fmt: skip
ROWS = Kind("rows", "N, F", "float32", "rows", "linear or mlp", "use another model", "predict")
SERIES = Kind(
    "series", "N, T, F", "float32", "windows", "linear, mlp, conv1d, tcn, lstm, gru, rnn or transformer",
    "use another model", "forecast",
)  # fmt: skip
TEXT = Kind(
    "text", "N, T", "int64", "characters", "lstm, gru, rnn, tcn or transformer", "use another model", "generate",
    samples="blocks", trials_pay=True, every_position=True,
    eval_values=2**15,  # each has a logit for every character
)  # fmt: skip

Fit = Literal["crop", "stretch", "pad"]
Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True, config=_PLAIN)
class Decode:
    """How a picture file becomes pixels ``[channels, *size]``.

    ``fit`` says how a picture of another shape is brought to ``size`` (height, width): scaled until it covers it and
    the centre cut out, stretched, or scaled until it fits inside and padded with black.
    """

    size: tuple[int, int]
    channels: Literal[1, 3] = 3
    fit: Fit = "crop"
    interpolation: Interpolation = "bilinear"


@dataclass(frozen=True, config=_PLAIN)
class Pictures:
    """How a picture becomes the network's input: decoded, its centre cut out, ``(pixel / 255 - mean) / std``.

    ``decode`` is None for pictures that did not come from files.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    decode: Decode | None = None
    kind: Literal["pictures"] = "pictures"
    about: ClassVar[Kind] = PICTURES

    def learned(self, classes: tuple[str, ...]) -> str:
        """What there is to learn, in a few words."""
        return _classes(classes)


@dataclass(frozen=True, config=_PLAIN)
class Column:
    """One column of a table: a number becomes ``(value - mean) / std``, a category one 0/1 input for each name.

    ``fill`` stands in for a missing number (None: a missing one is an error), ``missing`` says whether a missing
    category is a category of its own, the last.
    """

    name: str
    mean: float = 0.0
    std: float = 1.0
    fill: float | None = None
    categories: tuple[str, ...] | None = None
    missing: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs that the column becomes."""
        if self.categories is None:
            return (self.name,)
        return tuple(f"{self.name}={c}" for c in (*self.categories, *(("(missing)",) if self.missing else ())))


@dataclass(frozen=True, config=_PLAIN)
class Table:
    """How the rows of a table become inputs ``[F]``, as fitted on the training part."""

    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    truth: tuple[float, ...] | None = None  # the true weights and bias, where the data were made from them
    kind: Literal["rows"] = "rows"
    about: ClassVar[Kind] = ROWS

    def learned(self, classes: tuple[str, ...]) -> str:
        """What there is to learn, in a few words."""
        return _classes(classes)


@dataclass(frozen=True, config=_PLAIN)
class Series:
    """How a stretch of a series becomes a window ``[T, F]``, and a forecast ``[H, K]`` the series' own values.

    Values are (the logarithm, if ``log``, of) the data, less the value ``difference`` steps before, if given, then
    ``(value - mean) / std`` with the statistics of the training part. ``naive_error`` is the mean absolute error of
    the seasonal-naive forecast inside the training part, in the data's unit: the denominator of MASE.
    """

    columns: tuple[str, ...]
    targets: tuple[str, ...]
    period: int
    log: bool
    difference: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    naive_error: tuple[float, ...]
    kind: Literal["series"] = "series"
    about: ClassVar[Kind] = SERIES

    def learned(self, classes: tuple[str, ...]) -> str:
        """What there is to learn, in a few words."""
        return f"{', '.join(self.columns)} → {', '.join(self.targets)}"


@dataclass(frozen=True, config=_PLAIN)
class Text:
    """Characters in the order of their ids; the first stands for every character unknown to the training part."""

    vocabulary: tuple[str, ...]
    kind: Literal["text"] = "text"
    about: ClassVar[Kind] = TEXT

    def learned(self, classes: tuple[str, ...]) -> str:
        """What there is to learn, in a few words."""
        return f"{len(self.vocabulary)} characters in the vocabulary"


def _classes(classes: tuple[str, ...]) -> str:
    return f"{len(classes)} classes" if classes else ""


Preprocess = Pictures | Table | Series | Text
P = TypeVar("P", Pictures, Table, Series, Text)


@dataclass(frozen=True, config=_PLAIN)
class Numbers:
    """Numeric targets: their names, and their mean and standard deviation over the training part, in their own unit."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, config=_PLAIN)
class DataSpec:
    """One sample's shape, the class names in the order of the logits, and the preprocessing.

    ``input_shape`` is ``(C, H, W)`` for pictures, ``(F,)`` for rows, ``(T, F)`` for windows of a series and ``(T,)``
    for character ids. ``output_shape`` is that of the network's answer to one sample; left out, one logit a class.
    ``numbers`` are the targets where numbers are learned.
    """

    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    preprocess: Annotated[Preprocess, Field(discriminator="kind")]
    output_shape: tuple[int, ...] = ()
    numbers: Numbers | None = None

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

    def require(self, kind: type[P], what: str) -> P:
        """The preprocessing, which must be of ``kind``; raises ``ConfigError``: ``what`` is for such data only."""
        if not isinstance(self.preprocess, kind):
            raise ConfigError(f"{what} is for {kind.about.name}, the data are {self.kind.name}")
        return self.preprocess

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as a checkpoint stores them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> "DataSpec":
        """The inverse of ``to_dict``; lists are accepted where tuples were. Raises ``ValueError``."""
        return TypeAdapter(DataSpec).validate_python(values)
