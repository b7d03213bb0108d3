"""What a description of several series holds for each of them."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cnncli.core.checks import different, lengths
from cnncli.core.numbers import Spread, Value

NaiveError = Annotated[float, Field(ge=0, le=1e32)]
"""The denominator of MASE; 0 leaves it undefined."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class SeriesPart:
    """One of several series: the statistics of its own training part, as ``spec.Series`` has them."""

    id: str
    mean: tuple[Value, ...]
    std: tuple[Spread, ...]
    naive_error: tuple[NaiveError, ...]


def check_parts(parts: tuple[SeriesPart, ...], columns: int, targets: int) -> None:
    """Raise ``ValueError`` where one has statistics of other columns or targets, or the id of another."""
    different(tuple(part.id for part in parts))
    for part in parts:
        lengths(columns, preprocess__parts__mean=part.mean, preprocess__parts__std=part.std)
        lengths(targets, preprocess__parts__naive_error=part.naive_error)
