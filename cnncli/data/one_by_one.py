"""torchvision's v2 transforms, picture by picture, for what has no batched version here."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnncli.data.draws import Draws
from cnncli.data.geometry import layout

if TYPE_CHECKING:
    from torchvision.transforms.v2 import Transform


class OneByOne:
    """A transform of one picture applied to every picture of a batch, each with a random stream of its own."""

    def __init__(self, transform: "Transform") -> None:
        self.transform = transform

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        changed = []
        # torchvision draws from the global generator, whose state is somebody else's
        state = torch.get_rng_state()
        try:
            for image, seed in zip(images, draws.seeds(), strict=True):
                torch.default_generator.manual_seed(seed)
                changed.append(self.transform(image))
        finally:
            torch.set_rng_state(state)
        return torch.stack(changed).contiguous(memory_format=layout(images))
