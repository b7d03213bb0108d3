"""The smallest pictures that a network can take, found by trying sizes without computing anything."""

from dataclasses import replace

import torch
from torch import Tensor

from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, Fault
from cnncli.core.registry import datasets, models
from cnncli.core.spec import DataSpec, Pictures

SIDES = (8, 16, 32, 48, 64, 96, 128, 160, 192, 224, 256, 299, 320, 384, 448, 512)  # one of them fits every network
FOR_SMALL = ("simple_cnn", "resnet20", "mlp")  # the last one takes pictures of any size


def size_fault(config: Config, spec: DataSpec) -> ConfigError | None:
    """The error about a network that does not take pictures of their size, with what helps.

    None where size is not what is wrong, or the data are no pictures.
    """
    if len(spec.input_shape) != 3 or (smallest := smallest_size(config, spec)) is None:
        return None
    wanted, found = "×".join(map(str, smallest)), "×".join(map(str, spec.input_shape[1:]))
    cause = f"{config.model.name} needs pictures of {wanted} or more, and those of {config.dataset.name} are {found}"
    if "image_size" not in datasets.get(config.dataset.name).arguments.model_fields:
        others = (name for name in FOR_SMALL if fits(name, {}, spec))
        return ConfigError(Fault("", "model", f"{cause}; use another model, for example model={next(others)}"))
    value = str(smallest[0]) if smallest[0] == smallest[1] else f"[{smallest[0]},{smallest[1]}]"
    resize = " dataset.resize=null" if config.dataset.args.get("resize") is not None else ""
    return ConfigError(Fault("", "dataset.image_size", f"{cause}; set dataset.image_size={value}{resize}"))


def smallest_size(config: Config, spec: DataSpec) -> tuple[int, int] | None:
    """The least (height, width), no smaller than those of ``spec``, that the network takes; None where none is found.

    Sides that are too small are made larger, so pictures stay square.
    """
    _, height, width = spec.input_shape

    def tried(side: int) -> bool:
        return fits(config.model.name, config.model.args, _with_sides(spec, side))

    sides = [side for side in SIDES if side > min(height, width)]
    enough = next((side for side in sides if tried(side)), None)
    if enough is None:
        return None
    too_small = max((side for side in SIDES if side < enough), default=min(height, width))
    too_small = max(too_small, min(height, width))
    while enough - too_small > 1:  # a network that takes only multiples of a patch keeps the side that was found
        between = (too_small + enough) // 2
        too_small, enough = (too_small, between) if tried(between) else (between, enough)
    found = _with_sides(spec, enough).input_shape
    return found[1], found[2]


def _with_sides(spec: DataSpec, side: int) -> DataSpec:
    channels, height, width = spec.input_shape
    any_size = replace(spec.require(Pictures, "a size"), decode=None)
    return replace(spec, input_shape=(channels, max(height, side), max(width, side)), preprocess=any_size)


def fits(name: str, args: dict[str, object], spec: DataSpec) -> bool:
    """Whether a network can be built for such samples and gives the outputs that they need."""
    try:
        with torch.device("meta"), torch.no_grad():
            outputs = models.build(name, spec, **args).eval()(torch.zeros(2, *spec.input_shape))
    except (ConfigError, RuntimeError, ValueError, AssertionError):  # as networks refuse what they cannot take
        return False
    return isinstance(outputs, Tensor) and tuple(outputs.shape) == (2, *spec.outputs)
