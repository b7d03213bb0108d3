"""The scale of fp16's gradients, which keeps small ones above zero."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class GradientScale:
    """torch's ``GradScaler``, asked once a step whether the step was taken: each question waits for the device."""

    def __init__(self, device: torch.device) -> None:
        self._scaler = torch.amp.GradScaler(device.type)
        self._last = self._scaler.get_scale()

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss times the scale."""
        found: Tensor = self._scaler.scale(loss)
        return found

    def unscale(self, optimizer: Optimizer) -> None:
        """Divide the gradients by the scale, before they are bounded."""
        self._scaler.unscale_(optimizer)

    def step(self, optimizer: Optimizer) -> bool:
        """The optimizer's step; False where gradients were infinite: the weights stay, and the scale is lowered."""
        taken: list[bool] = []
        with optimizer.register_step_post_hook(lambda *_: taken.append(True)):
            self._scaler.step(optimizer)
        self._scaler.update()
        if not getattr(optimizer, "_step_supports_amp_scaling", False):
            return bool(taken)  # the scaler itself has asked the device
        before, self._last = self._last, self._scaler.get_scale()
        return self._last >= before

    def state_dict(self) -> dict[str, Any]:
        """The scale and for how many steps it has held."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``'s scale."""
        self._scaler.load_state_dict(state)
        self._last = self._scaler.get_scale()
