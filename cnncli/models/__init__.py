"""Networks by name. They give logits and know no loss, device or config; importing this fills the registries."""

from cnncli.models import activations, cnn, layer_kinds, layers, mlp, resnet, torchvision_zoo

__all__ = ["activations", "cnn", "layer_kinds", "layers", "mlp", "resnet", "torchvision_zoo"]
