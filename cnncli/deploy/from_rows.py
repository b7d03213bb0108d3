"""The raw values of a table's row as the network's input, inside an exported graph."""

import math

import torch
from torch import Tensor, nn

from cnncli.core.columns import Column
from cnncli.core.spec import DataSpec, Table
from cnncli.deploy.ports import BATCH, Port
from cnncli.deploy.raw import DATE_VALUES


class FromRows(nn.Module):
    """``numbers`` float64 ``[N, A]`` and ``categories`` int64 ``[N, B]`` to rows ``[N, F]``.

    A missing number is NaN. A date is four numbers: year, month from 1, weekday from 0 (Monday), hour. A category is
    the number of its name among the column's inputs. What no column needs is left out.
    """

    mean: Tensor
    std: Tensor
    fill: Tensor
    order: Tensor

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        columns = spec.require(Table, "an export of rows").columns
        plain = [column for column in columns if column.categories is None and not column.date]
        self.plain, self.dates = len(plain), sum(bool(column.date) for column in columns)
        self.widths = [len(column.inputs) for column in columns if column.categories is not None]
        self.places = places_of(columns)
        years = [column for column in columns if column.date]
        for name, values in (
            ("mean", [column.mean for column in plain]),
            ("std", [column.std for column in plain]),
            ("fill", [math.nan if column.fill is None else column.fill for column in plain]),
            ("year_mean", [column.mean for column in years]),
            ("year_std", [column.std for column in years]),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))
        self.register_buffer("order", torch.tensor(_order(columns)))
        at = dict(_first_numbers(columns))
        self.register_buffer("plain_at", torch.tensor([at[column.name] for column in plain], dtype=torch.int64))
        self.register_buffer("dates_at", torch.tensor([at[column.name] for column in years], dtype=torch.int64))
        numbers = self.plain + DATE_VALUES * self.dates
        ports = [Port("numbers", "float64", (BATCH, numbers))] if numbers else []
        ports += [Port("categories", "int64", (BATCH, len(self.widths)))] if self.widths else []
        self.ports = tuple(ports)

    def forward(self, *raw: Tensor) -> Tensor:
        numbers = raw[0] if self.plain or self.dates else None
        parts: list[Tensor] = []
        if numbers is not None and self.plain:
            parts.append(self._scaled(numbers.index_select(1, self.plain_at)))
        if numbers is not None and self.dates:
            parts += [self._dates(numbers)]
        if self.widths:
            ids = raw[-1]
            for place, width in enumerate(self.widths):
                parts.append((ids[:, place : place + 1] == torch.arange(width)).float())
        return torch.cat(parts, 1).index_select(1, self.order)

    def _scaled(self, values: Tensor) -> Tensor:
        values = torch.where(values.isnan(), self.fill, values)
        return ((values - self.mean) / self.std).float()

    def _dates(self, numbers: Tensor) -> Tensor:
        """Seven inputs of each date ``[N, 7 * dates]``, as ``data.dates.date_parts`` makes them."""
        found = []
        for number in range(self.dates):
            first = self.dates_at[number]
            year, month, day, hour = (numbers.index_select(1, (first + i).view(1))[:, 0] for i in range(DATE_VALUES))
            found.append((year - self.year_mean[number]) / self.year_std[number])
            for turn in ((month - 1) / 12, day / 7, hour / 24):
                found += [(2 * torch.pi * turn).sin(), (2 * torch.pi * turn).cos()]
        return torch.stack(found, 1).float()


def places_of(columns: tuple[Column, ...]) -> dict[str, tuple[str, int]]:
    """By column: the graph's input that it belongs to, and its first place in it."""
    categories = [column.name for column in columns if column.categories is not None]
    numbers = {name: ("numbers", place) for name, place in _first_numbers(columns)}
    return numbers | {name: ("categories", place) for place, name in enumerate(categories)}


def _first_numbers(columns: tuple[Column, ...]) -> list[tuple[str, int]]:
    found, place = [], 0
    for column in columns:
        if column.categories is None:
            found.append((column.name, place))
            place += DATE_VALUES if column.date else 1
    return found


def _order(columns: tuple[Column, ...]) -> list[int]:
    """Where each input of the network stands among the plain numbers, then the dates, then the categories."""
    groups: tuple[list[Column], ...] = ([], [], [])
    for column in columns:
        groups[2 if column.categories is not None else 1 if column.date else 0].append(column)
    start, at = 0, {}
    for column in (column for group in groups for column in group):
        at[column.name] = start
        start += len(column.inputs)
    return [at[column.name] + i for column in columns for i in range(len(column.inputs))]
