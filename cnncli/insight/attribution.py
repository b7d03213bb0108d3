"""Maps of what matters in a picture, by several methods: one function for all of them."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.insight.class_scores import class_scores, predicted
from cnncli.insight.gradcam import GRADCAM, LAYERCAM, heat, scaled
from cnncli.insight.maps import leaf, open_for_gradients

if TYPE_CHECKING:
    from cnncli.inference.predictor import Predictor

CAMS = (GRADCAM, LAYERCAM)
METHODS = (*CAMS, "integrated", "occlusion")
STEPS = 50  # between a picture of the mean colour and the picture
AT_ONCE = 64  # pictures in one pass
WINDOWS = 8  # that lie side by side in the longer side of a picture
BRIGHTEST = 0.995  # share of the places below those that are shown as the warmest: single pixels stand far out


def check_methods(names: list[str]) -> None:
    """Raise ``ConfigError`` for a name that is no method, and where Captum is missing for one that needs it."""
    for name in names:
        if name not in METHODS:
            raise ConfigError(f"--method {name}: {did_you_mean(name, METHODS)}")
        if name not in CAMS:
            _import_captum(name)


def attribute(predictor: "Predictor", inputs: Tensor, classes: Tensor | None, method: str) -> Tensor:
    """What speaks for each picture's class: float32 ``[N, H, W]`` of 0 to 1 on the CPU; see ``gradcam.heat``.

    Integrated gradients (Sundararajan et al. 2017) start at a picture of the mean colour and are summed over the
    channels. Occlusion (Zeiler and Fergus 2014) covers squares of an eighth of the side with it, half a square apart.
    """
    if method in CAMS:
        return heat(predictor, inputs, classes, method)
    with open_for_gradients(predictor.network):
        if classes is None:
            classes = predicted(predictor, predictor.network(inputs.detach().clone()))
        each = _integrated if method == "integrated" else _occluded
        pairs = zip(inputs.split(1), classes.split(1), strict=True)
        return torch.cat([each(predictor, leaf(picture).detach(), number) for picture, number in pairs])


def _integrated(predictor: "Predictor", picture: Tensor, number: Tensor) -> Tensor:
    captum = _import_captum("integrated")
    method = captum.IntegratedGradients(_score_of(predictor, number))
    found: Tensor = method.attribute(picture, n_steps=STEPS, internal_batch_size=AT_ONCE).sum(1)
    top = found.clamp(min=0).flatten(1).quantile(BRIGHTEST, dim=1)[:, None, None]
    return scaled(found.minimum(top) if bool(top > 0) else found).float().cpu()


def _occluded(predictor: "Predictor", picture: Tensor, number: Tensor) -> Tensor:
    captum = _import_captum("occlusion")
    channels, *size = picture.shape[1:]
    side = max(max(size) // WINDOWS, 1)
    window = tuple(min(side, each) for each in size)
    with torch.no_grad():
        found: Tensor = captum.Occlusion(_score_of(predictor, number)).attribute(
            picture,
            sliding_window_shapes=(channels, *window),
            strides=(channels, *(max(each // 2, 1) for each in window)),
            perturbations_per_eval=AT_ONCE,
        )
    return scaled(found.sum(1)).float().cpu()


def _score_of(predictor: "Predictor", number: Tensor) -> Callable[[Tensor], Tensor]:
    """What Captum calls: pictures to the scores of one class."""
    return partial(_score, predictor, number)


def _score(predictor: "Predictor", number: Tensor, pictures: Tensor) -> Tensor:
    return class_scores(predictor, predictor.network(pictures), number.expand(len(pictures)))


def _import_captum(method: str) -> ModuleType:
    """Captum's methods; raises ``ConfigError`` saying how it is installed."""
    try:
        import captum.attr as captum
    except ImportError:
        raise ConfigError(
            f"--method {method}: needs an extra; pip install 'cnncli[explain]', or use --method gradcam"
        ) from None
    module: ModuleType = captum
    return module
