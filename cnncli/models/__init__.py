"""Networks by name. They give logits and know no loss, device or config; importing this fills the registries."""

from cnncli.models import (
    activations,
    airbench,
    cnn,
    conv1d,
    layer_kinds,
    layers,
    mlp,
    recurrent,
    resnet,
    timm_zoo,
    torchvision_zoo,
    transformer,
)

__all__ = [
    "activations",
    "airbench",
    "cnn",
    "conv1d",
    "layer_kinds",
    "layers",
    "mlp",
    "recurrent",
    "resnet",
    "timm_zoo",
    "torchvision_zoo",
    "transformer",
]
