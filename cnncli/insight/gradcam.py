"""What a network of pictures looks at: Grad-CAM (Selvaraju et al. 2017), by torchcam."""

from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.core.errors import NoMap
from cnncli.insight.class_scores import class_scores, predicted
from cnncli.insight.maps import MapLayer, find_map, gradients, leaf, map_layer

if TYPE_CHECKING:
    from PIL.Image import Image

    from cnncli.inference.predictor import Predictor

__all__ = ["heat", "map_layer", "overlay"]

Cam = Literal["gradcam", "layercam"]
BATCH = 32  # pictures at a time
STRENGTH = 0.75  # of the colour where the heat is 1


def heat(predictor: "Predictor", inputs: Tensor, classes: Tensor | None = None, method: Cam = "gradcam") -> Tensor:
    """Where each picture speaks for a class: float32 ``[N, H, W]`` of 0 to 1 on the CPU, 1 at the warmest place.

    ``inputs`` ``[N, C, H, W]`` are as ``Predictor.inputs`` gives them, ``classes`` int64 ``[N]``: the predicted ones
    unless given. All is 0 where nothing speaks for the class. ``layercam`` (Jiang et al. 2021) weighs every place of
    the map by itself. Raises ``NoMap`` where no layer has a map, as in an mlp. No hook stays on the network.
    """
    layer = find_map(predictor.network, inputs)
    if layer is None:
        name = predictor.config.model.name
        raise NoMap(f"{predictor.path}: no layer of {name} has a map of places, which {method} needs; use occlusion")
    parts = inputs.split(BATCH)
    wanted = [None] * len(parts) if classes is None else classes.split(BATCH)
    return torch.cat([_heat(predictor, *each, layer, method) for each in zip(parts, wanted, strict=True)])


def _heat(predictor: "Predictor", inputs: Tensor, classes: Tensor | None, layer: MapLayer, method: Cam) -> Tensor:
    from torchcam.methods import GradCAM, LayerCAM

    kind = GradCAM if method == "gradcam" else LayerCAM
    with gradients(), kind(predictor.network, layer.name, reshape_transform=layer.to_map) as cam:
        outputs = predictor.network(leaf(inputs))
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

    colours = partial(torch.as_tensor, dtype=torch.float32)
    pixels = picture.float().expand(-1, -1, 3) if picture.shape[2] == 1 else picture[:, :, :3].float()
    warm = F.interpolate(heat[None, None].float(), pixels.shape[:2], mode="bilinear", align_corners=False)[0, 0]
    warm = warm.clamp(0, 1)
    flames = colours(matplotlib.colormaps["inferno"](warm.numpy())[..., :3]) * 255
    share = warm[..., None] * STRENGTH
    return Image.fromarray((pixels * (1 - share) + flames * share).round().to(torch.uint8).numpy())
