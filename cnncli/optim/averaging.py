"""An exponential moving average of the weights."""

from collections import OrderedDict
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage:
    """``average = decay · average + (1 - decay) · weights`` after every step, BatchNorm's statistics included.

    The first update copies the weights, so the random start weighs nothing.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        # torch's annotation of get_ema_multi_avg_fn is missing
        self._averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)

    @property
    def model(self) -> nn.Module:
        """A network with the averaged weights, for evaluation."""
        module: nn.Module = self._averaged.module
        return module

    def update(self, model: nn.Module) -> None:
        """Take in the weights of ``model`` after an optimizer step."""
        self._averaged.update_parameters(model)

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights and the number of updates."""
        state: dict[str, Any] = self._averaged.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        fitting = OrderedDict(state)
        fitting._metadata = self._averaged.state_dict()._metadata  # type: ignore[attr-defined]  # versions of modules
        self._averaged.load_state_dict(fitting)
