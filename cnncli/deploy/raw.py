"""Samples as the network's own data room gives them, taken back to the raw values that an exported network takes.

Names and order are those of ``graph``: what is exported scales, fills and encodes by itself.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnncli.core.columns import DATE_INPUTS, Column
from cnncli.core.spec import DataSpec, Series, Table

Raw = dict[str, Tensor]
Wide = NDArray[np.float64]
DATE_VALUES = 4  # year, month, weekday, hour


def raw_rows(rows: Tensor, table: Table) -> Raw:
    """Encoded rows ``[N, F]`` as ``numbers`` float64 ``[N, A]`` and ``categories`` int64 ``[N, B]``."""
    numbers, ids, start = [], [], 0
    for column in table.columns:
        own = rows[:, start : start + len(column.inputs)].double()
        start += len(column.inputs)
        if column.categories is not None:
            ids.append(own.argmax(1))
        elif column.date:
            numbers += _date(own, column)
        else:
            numbers.append(own[:, 0] * column.std + column.mean)
    found = {"numbers": torch.stack(numbers, 1)} if numbers else {}
    return found | ({"categories": torch.stack(ids, 1)} if ids else {})


def _date(inputs: Tensor, column: Column) -> list[Tensor]:
    """Year, month from 1, weekday from 0 (Monday) and hour of encoded dates ``[N, 7]``."""
    assert inputs.shape[1] == len(DATE_INPUTS)
    turns = [torch.atan2(inputs[:, 1 + 2 * i], inputs[:, 2 + 2 * i]) / (2 * torch.pi) for i in range(3)]
    month, day, hour = (turn.remainder(1) for turn in turns)
    year = inputs[:, 0] * column.std + column.mean
    return [year, 12 * month + 1, 7 * day, 24 * hour]


def windows_of(values: Wide, spec: DataSpec, ends: list[int]) -> Tensor:
    """The raw windows ``[N, T, F]`` float64 of ``values`` ``[L, F]`` that end before these positions."""
    series = spec.require(Series, "a window")
    needed = spec.input_shape[0] + (series.difference or 0)
    return torch.from_numpy(np.stack([values[end - needed : end] for end in ends]))
