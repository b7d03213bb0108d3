"""What a network of pictures looks at: Grad-CAM (Selvaraju et al. 2017), by torchcam."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.core.errors import NoMap
from cnncli.insight.class_scores import class_scores, predicted
from cnncli.insight.maps import MapLayer, find_map, leaf, map_layer, open_for_gradients

if TYPE_CHECKING:
    from PIL.Image import Image

    from cnncli.inference.predictor import Predictor

__all__ = ["heat", "map_layer", "overlay"]

GRADCAM, LAYERCAM = "gradcam", "layercam"
BATCH = 32  # pictures at a time
STRENGTH = 0.75  # of the colour where the heat is 1


def heat(predictor: "Predictor", inputs: Tensor, classes: Tensor | None = None, method: str | None = None) -> Tensor:
    """Where each picture speaks for a class: float32 ``[N, H, W]`` of 0 to 1 on the CPU, 1 at the warmest place.

    ``inputs`` ``[N, C, H, W]`` are as ``Predictor.inputs`` gives them, ``classes`` int64 ``[N]``: the predicted ones
    unless given. All is 0 where nothing speaks for the class. The ``method`` is ``usual_method`` unless given;
    ``layercam`` (Jiang et al. 2021) weighs every place of the map by itself. Raises ``NoMap`` where no layer has a map,
    as in an mlp. No hook stays on the network.
    """
    layer = layer_with_map(predictor, inputs, method or GRADCAM)
    method = method or _usual(layer)
    parts = inputs.split(BATCH)
    wanted = [None] * len(parts) if classes is None else classes.split(BATCH)
    return torch.cat([_heat(predictor, *each, layer, method) for each in zip(parts, wanted, strict=True)])


def usual_method(predictor: "Predictor", inputs: Tensor) -> str:
    """Grad-CAM; for tokens, whose channels mean other things at every place, LayerCAM. Raises ``NoMap``."""
    return _usual(layer_with_map(predictor, inputs, GRADCAM))


def _usual(layer: MapLayer) -> str:
    return LAYERCAM if layer.of_tokens else GRADCAM


def layer_with_map(predictor: "Predictor", inputs: Tensor, method: str) -> MapLayer:
    """The layer whose map such a method weighs; raises ``NoMap`` where there is none."""
    layer = find_map(predictor.network, inputs)
    if layer is None:
        name = predictor.config.model.name
        raise NoMap(
            f"{predictor.path}: no layer of {name} has a map of places, which {method} needs; occlusion needs none"
        )
    return layer


def _heat(predictor: "Predictor", inputs: Tensor, classes: Tensor | None, layer: MapLayer, method: str) -> Tensor:
    from torchcam.methods import GradCAM, LayerCAM

    kind = GradCAM if method == GRADCAM else LayerCAM
    network = predictor.network
    with open_for_gradients(network), kind(network, layer.name, reshape_transform=layer.to_map) as cam:
        outputs = network(leaf(inputs))
        wanted = predicted(predictor, outputs) if classes is None else classes
        scores = class_scores(predictor, outputs, wanted)[:, None]
        maps = cam(class_idx=0, scores=scores, normalized=False)[0].float()
    large = F.interpolate(maps[:, None], inputs.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return scaled(large).cpu()


def scaled(maps: Tensor) -> Tensor:
    """Maps ``[N, H, W]`` without what is below 0, so that the warmest place of each is 1."""
    maps = maps.detach().nan_to_num().clamp(min=0)
    highest = maps.amax((1, 2), keepdim=True)
    return maps / highest.where(highest > 0, 1)


def overlay(picture: Tensor, heat: Tensor) -> "Image":
    """A picture uint8 ``[H, W, C]`` under the colours of its heat ``[h, w]`` (0 to 1): cold places show it as it is."""
    import matplotlib
    from PIL import Image

    pixels = in_colour(picture).float()
    warm = F.interpolate(heat[None, None].float(), pixels.shape[:2], mode="bilinear", align_corners=False)[0, 0]
    warm = warm.clamp(0, 1)
    flames = torch.from_numpy(matplotlib.colormaps["inferno"](warm.numpy())[..., :3]).float() * 255
    share = warm[..., None] * STRENGTH
    return Image.fromarray((pixels * (1 - share) + flames * share).round().to(torch.uint8).numpy())


def in_colour(picture: Tensor) -> Tensor:
    """A picture ``[H, W, C]`` as ``[H, W, 3]``: of more channels the first three, of two the first."""
    return picture[..., :3] if picture.shape[2] >= 3 else picture[..., :1].expand(-1, -1, 3)
