"""Targets that are more than a number of a class."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Shares:
    """Soft targets: of each sample the share of each class, float ``[B, K]``."""

    values: "Tensor"

    def __len__(self) -> int:
        return len(self.values)
