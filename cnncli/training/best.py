"""Which epoch is the best so far."""

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass
class Best:
    """The best value of a metric and its epoch (from 1). NaN is never best.

    Of equal values the one with the lower ``loss`` on validation is better, then the earlier one. ``min_delta`` is by
    how much a value must be better to count.
    """

    mode: Literal["max", "min"]
    min_delta: float = 0.0
    value: float | None = None
    epoch: int = 0
    loss: float = math.inf

    def update(self, value: float, epoch: int, loss: float = math.inf) -> bool:
        """Take in the value of ``epoch`` and its loss; says whether it is the new best."""
        if math.isnan(value):
            return False
        if self.value is not None:
            gain = value - self.value if self.mode == "max" else self.value - value
            tie_won = gain == 0 and loss < self.loss
            if not (gain > self.min_delta or tie_won):
                return False
        self.value, self.epoch, self.loss = value, epoch, loss
        return True

    def state_dict(self) -> dict[str, Any]:
        """Plain types only."""
        return {"value": self.value, "epoch": self.epoch, "loss": self.loss}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.value, self.epoch, self.loss = state["value"], int(state["epoch"]), state["loss"]


def best_fault(state: dict[str, Any], epoch: int) -> str | None:
    """What is wrong with a saved ``state`` after so many epochs, as ``key: cause``."""
    if set(state) != {"value", "epoch", "loss"}:
        return "value: should stand beside epoch and loss"
    if type(state["epoch"]) is not int or not 0 <= state["epoch"] <= epoch:
        return f"epoch: is no epoch of the {epoch} that are done"
    value, loss = state["value"], state["loss"]
    if (value is None) != (state["epoch"] == 0):
        return "value: should be that of an epoch, or empty before the first"
    numbers = {"loss": loss} if value is None else {"value": value, "loss": loss}
    wrong = (key for key, number in numbers.items() if type(number) not in (int, float) or math.isnan(number))
    return next((f"{key}: is no number" for key in wrong), None)
