"""What the data tells the model: the only thing that data and models know of each other."""

from dataclasses import asdict
from math import prod
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

Split = Literal["train", "val", "test"]

Wants = Literal["classes", "numbers", "windows", "characters"]
"""What data offer and a task learns to give: a class, numbers, the next window of a series, the next character."""

_PLAIN = ConfigDict(extra="forbid")


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
    """How the rows of a table become inputs ``[F]``, and the scale of numeric targets, all of the training part."""

    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    target_mean: tuple[float, ...] = ()
    target_std: tuple[float, ...] = ()
    truth: tuple[float, ...] | None = None  # the true weights and bias, where the data were made from them
    kind: Literal["rows"] = "rows"


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


@dataclass(frozen=True, config=_PLAIN)
class Text:
    """Characters in the order of their ids; the first stands for every character unknown to the training part."""

    vocabulary: tuple[str, ...]
    kind: Literal["text"] = "text"


AnyPreprocess = Annotated[Pictures | Table | Series | Text, Field(discriminator="kind")]


@dataclass(frozen=True, config=_PLAIN)
class DataSpec:
    """One sample's shape, the class names in the order of the logits, and the preprocessing.

    ``input_shape`` is ``(C, H, W)`` for pictures, ``(F,)`` for rows, ``(T, F)`` for windows of a series and ``(T,)``
    for character ids. ``output_shape`` is that of the network's answer to one sample; left out, one logit a class.
    """

    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    preprocess: AnyPreprocess
    output_shape: tuple[int, ...] = ()

    @property
    def kind(self) -> Literal["pictures", "rows", "series", "text"]:
        """What a sample is."""
        return self.preprocess.kind

    @property
    def outputs(self) -> tuple[int, ...]:
        """The shape of the network's answer to one sample."""
        return self.output_shape or (len(self.classes),)

    @property
    def num_outputs(self) -> int:
        """How many values the network's last layer gives: for one sample, or for one position of a text."""
        return self.outputs[-1] if self.kind == "text" else prod(self.outputs)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as a checkpoint stores them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DataSpec":
        """The inverse of ``to_dict``; lists are accepted where tuples were."""
        return TypeAdapter(DataSpec).validate_python(values)
