"""How a column of a table becomes inputs of a network: a part of ``DataSpec`` that a checkpoint stores."""

from dataclasses import asdict, fields
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from cnncli.core.checks import Names, named
from cnncli.core.numbers import Spread, Value

_PLAIN = ConfigDict(extra="forbid", allow_inf_nan=False)
DATE_INPUTS = ("year", "month_sin", "month_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos")


@dataclass(frozen=True, config=_PLAIN)
class Form:
    """How numbers are written: the decimal sign, the mark between thousands, and ``%``, ``‰`` or a currency."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'", "_"] = ""
    unit: Annotated[str, Field(max_length=8)] = ""


@dataclass(frozen=True, config=_PLAIN)
class Column:
    """One column of a table: a number becomes ``(value - mean) / std``, a category one 0/1 input for each name.

    ``fill`` stands in for a missing number (None: a missing one is an error), ``missing`` says whether a missing
    category is a category of its own. ``unseen`` is what becomes of a category that training did not have: ``missing``
    (as checkpoints of before did), ``error``, or ``own``: a category that was trained on rare ones, the last.
    ``form`` is how its numbers are written. ``date`` makes a number of it: the form of dates, which become year, and
    month, weekday and hour as sine and cosine; ``mean`` and ``std`` are the year's.
    """

    name: str
    mean: Value = 0.0
    std: Spread = 1.0
    fill: Value | None = None
    categories: Annotated[Names, AfterValidator(named)] | None = None
    missing: bool = False
    unseen: Literal["missing", "error", "own"] = "missing"
    form: Form = Form()
    date: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Its values as plain types, without those that are the defaults."""
        return {
            known.name: asdict(value) if isinstance(value, Form) else value
            for known in fields(self)
            if (value := getattr(self, known.name)) != known.default
        }

    @property
    def measured(self) -> tuple[bool, ...]:
        """Which of the inputs is a number with a mean and a deviation; of a date its first, the year."""
        return tuple(number == 0 and self.categories is None for number, _ in enumerate(self.inputs))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs that the column becomes."""
        if self.date:
            return tuple(f"{self.name}:{part}" for part in DATE_INPUTS)
        if self.categories is None:
            return (self.name,)
        names = (*self.categories, *(["(missing)"] * self.missing), *(["(unknown)"] * (self.unseen == "own")))
        return tuple(f"{self.name}={name}" for name in names)


@dataclass(frozen=True, config=_PLAIN)
class Constant:
    """A column that had one ``value`` in all training rows, and is ignored."""

    name: str
    value: Annotated[str, Field(max_length=10_000)]
