"""Which epoch is the best so far."""

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass
class Best:
    """The best value of a metric and its epoch (from 1). The earliest of equals stays; NaN is never best.

    ``min_delta`` is by how much a value must be better to count.
    """

    mode: Literal["max", "min"]
    min_delta: float = 0.0
    value: float | None = None
    epoch: int = 0

    def update(self, value: float, epoch: int) -> bool:
        """Take in the value of ``epoch``; says whether it is the new best."""
        if math.isnan(value):
            return False
        if self.value is not None:
            gain = value - self.value if self.mode == "max" else self.value - value
            if not gain > self.min_delta:
                return False
        self.value, self.epoch = value, epoch
        return True

    def state_dict(self) -> dict[str, Any]:
        """Plain types only."""
        return {"value": self.value, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.value, self.epoch = state["value"], int(state["epoch"])
