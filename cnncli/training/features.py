"""A frozen backbone needs to see every picture only once: what its head is given can be kept."""

import torch
from torch import Tensor, nn

from cnncli.compute.failures import explained, fewer_at_once
from cnncli.compute.runtime import Runtime


class HeadOnFeatures(nn.Module):
    """A network whose input is what its head is given, ``[B, F]``; the rest of it is only kept."""

    def __init__(self, network: nn.Module, head: str) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.network.get_submodule(self.head)(features)
        return logits


def whole(model: nn.Module) -> nn.Module:
    """The network itself, whether or not it is trained on kept features."""
    return model.network if isinstance(model, HeadOnFeatures) else model


class Extractor:
    """Gives what a network hands to its head, float32 ``[B, F]``, for inputs ``[B, C, H, W]``."""

    def __init__(self, network: nn.Module, head: str, runtime: Runtime) -> None:
        self.network, self.head, self.runtime = network, network.get_submodule(head), runtime

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Tensor:
        seen: list[Tensor] = []
        if inputs.ndim == 4:  # convolutions that only go forward are faster with the channels innermost
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        hook = self.head.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
        try:
            with explained(fewer_at_once(len(inputs))), self.runtime.autocast():
                self.network.eval()(inputs)
        finally:
            hook.remove()
        return seen[-1].float()

    @torch.no_grad()
    def suffices(self, inputs: Tensor) -> bool:
        """Whether the head is the last thing that the network does, so that features and head are all of it."""
        features = self(inputs)
        if features.ndim != 2:
            return False
        with self.runtime.autocast():
            return bool(torch.allclose(self.head(features), self.network.eval()(inputs), atol=1e-3))
