"""Every classification network of torchvision under its own name, untrained, with a head for the data's classes."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from cnncli.core.errors import ConfigError, DoesNotFit
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.kinds import takes


class GreyToRGB(nn.Module):
    """Grey pictures ``[N, 1, H, W]`` repeated to the three channels that these networks take."""

    def forward(self, images: Tensor) -> Tensor:
        return images.expand(-1, 3, -1, -1)


def _build(spec: DataSpec, /, builder: str) -> nn.Module:
    from torchvision.models import get_model

    takes(builder, spec, "pictures")
    channels, height, width = spec.input_shape
    if channels not in (1, 3):
        raise ConfigError(f"{builder} takes pictures of 1 or 3 channels, the data have {channels}")
    options: dict[str, Any] = {}
    if builder.startswith("vit_") or builder == "maxvit_t":
        if height != width:
            raise ConfigError(f"{builder} takes square pictures, the data have {height}×{width}")
        options = {"image_size": height} if builder.startswith("vit_") else {"input_size": (height, width)}
    if builder in ("googlenet", "inception_v3"):
        # the auxiliary heads give several outputs in training; a model here gives logits and nothing else
        options = {"aux_logits": False, "init_weights": True}
    try:
        model: nn.Module = get_model(builder, weights=None, num_classes=spec.num_outputs, **options)
    except (ValueError, AssertionError) as error:
        raise DoesNotFit(f"{builder} cannot take pictures of {height}×{width}: {error}") from error
    return nn.Sequential(GreyToRGB(), model) if channels == 1 else model


def _register_all() -> None:
    import torchvision.models

    for name in torchvision.models.list_models(module=torchvision.models):
        models.add(name, partial(_build, builder=name), description=f"torchvision's {name}", hidden=("builder",))


models.defer(_register_all)
