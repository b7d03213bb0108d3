"""Rows of a table sent by clients as JSON."""

import threading
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cnncli.core.errors import one_line
from cnncli.core.notices import collecting
from cnncli.core.spec import Table
from cnncli.data.columns import encode_rows
from cnncli.deploy.server.bodies import checked, parse_json
from cnncli.deploy.server.cells import check_rows, refuse_unknown
from cnncli.inference.predictor import Predictor

MAX_ROWS = 10_000


class RowsAsked(BaseModel):
    """Rows to answer for: each has every column that the network learned from; null is a missing value."""

    model_config = ConfigDict(extra="forbid", strict=True)
    rows: Annotated[list[Any], Field(description="Objects of columns and their values.")]


class RowAnswers:
    """A network of rows as the server asks it: samples are float32 ``[F]`` each."""

    kind = "rows"

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._one = threading.Lock()
        self.table = predictor.spec.require(Table, f"{predictor.path}: rows")
        others = (*self.table.targets, *(constant.name for constant in self.table.constants))
        self.known = [*(column.name for column in self.table.columns), *others]
        self.sample_bytes = 4 * predictor.spec.input_shape[0]

    def decode(self, content: bytes) -> tuple[list[Tensor], list[str]]:
        """The rows of a body as samples, and what is notable; raises ``Refused`` and ``DataError``."""
        with self._one:  # as objects of Python's rows take much more memory than in JSON
            return self._encoded(content)

    def _encoded(self, content: bytes) -> tuple[list[Tensor], list[str]]:
        import pandas as pd

        asked: RowsAsked = checked(RowsAsked, parse_json(content))
        rows = check_rows(asked.rows, "rows", MAX_ROWS)
        refuse_unknown(rows, "rows", self.known)
        with collecting() as notices:
            encoded = encode_rows(pd.DataFrame(rows), self.table, "rows")
        return list(encoded.unbind()), [one_line(notice.text) for notice in notices]

    def answer(self, samples: Sequence[Tensor]) -> list[dict[str, Any]]:
        """The answers of a batch."""
        return self.predictor.rows(torch.stack(list(samples)))

    def example(self) -> Tensor:
        """A sample to try the network with."""
        return torch.zeros(self.predictor.spec.input_shape)
