"""An exponential moving average of the weights."""

from copy import deepcopy

import torch
from torch import Tensor, nn

_PREFIX = "module."


class WeightAverage:
    """``average = d · average + (1 - d) · weights`` after every step, BatchNorm's statistics included.

    After ``n`` earlier updates ``d = min(decay, (1 + n) / (10 + n))``, as in TensorFlow's ExponentialMovingAverage:
    the average reaches over about the last tenth of the steps, until that is more than the ``1 / (1 - decay)`` steps
    of the constant decay. With 0.999 from the first step on, 43 % of the average after 844 steps would be the start.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model)
        """A network with the averaged weights, for evaluation."""
        self.decay = decay
        self.updates = 0
        self._is_averaged = [_can_be_averaged(tensor) for tensor in _tensors(model)]

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights of ``model`` after an optimizer step; waits for nothing on the device."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        pairs = list(zip(_tensors(self.model), _tensors(model), self._is_averaged, strict=True))
        averages = [average for average, _, is_averaged in pairs if is_averaged]
        torch._foreach_lerp_(averages, [weights for _, weights, is_averaged in pairs if is_averaged], 1 - decay)
        for kept, latest, is_averaged in pairs:
            if not is_averaged:
                kept.copy_(latest)
        self.updates += 1

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights, under ``module.…``, and the number of updates, ``n_averaged``."""
        weights = {f"{_PREFIX}{name}": tensor for name, tensor in self.model.state_dict().items()}
        return {"n_averaged": torch.tensor(self.updates), **weights}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The inverse of ``state_dict``."""
        weights = {name.removeprefix(_PREFIX): tensor for name, tensor in state.items() if name.startswith(_PREFIX)}
        self.model.load_state_dict(weights)
        self.updates = int(state["n_averaged"])


def _tensors(model: nn.Module) -> list[Tensor]:
    """Parameters and buffers, each of them once however many layers share it."""
    return [*model.parameters(), *model.buffers()]


def _can_be_averaged(tensor: Tensor) -> bool:
    """Not counts and indices, and not masks of infinities: the mean of two infinities would be NaN."""
    return (tensor.is_floating_point() or tensor.is_complex()) and bool(tensor.isfinite().all())
