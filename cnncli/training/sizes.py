"""Weights of networks that take pictures of one size only."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from torch import nn

from cnncli.config.sections import Config
from cnncli.core.errors import CheckpointError, ConfigError, Fault
from cnncli.core.registry import datasets, models
from cnncli.core.spec import DataSpec
from cnncli.runs.checkpoint import Checkpoint

Loaded = TypeVar("Loaded")


def naming_size(
    load: Callable[[nn.Module], Loaded], model: nn.Module, checkpoint: Checkpoint, config: Config, spec: DataSpec
) -> Loaded:
    """What ``load`` gives for ``model``, whose weights come from ``checkpoint``.

    Where they do not fit, but would fit a network for pictures of the checkpoint's size, this is the error: a
    ``ConfigError`` that names the key. Else what ``load`` raises.
    """
    try:
        return load(model)
    except CheckpointError as error:
        if fault := _fault(load, checkpoint, config, spec):
            raise ConfigError(fault) from error
        raise


def _fault(load: Callable[[nn.Module], object], checkpoint: Checkpoint, config: Config, spec: DataSpec) -> Fault | None:
    """What is to be said of the size, if that is all that does not fit."""
    own, (channels, *new) = checkpoint.spec, spec.input_shape
    old = own.input_shape[1:]
    if not (own.kind.in_files and spec.kind.in_files) or own.input_shape[0] != channels or old == tuple(new):
        return None
    other = replace(spec, input_shape=own.input_shape, preprocess=own.preprocess)
    try:
        load(models.build(config.model.name, other, **config.model.args))
    except (CheckpointError, ConfigError, RuntimeError):  # torch's own where the layers do not fit each other
        return None
    cause = f"the pictures are {_shown(new)}, and the network of {checkpoint.path} fits {_shown(old)} alone"
    if "image_size" not in datasets.get(config.dataset.name).arguments.model_fields:
        return Fault("", "dataset", f"{cause}; use pictures of that size")
    wanted = str(old[0]) if old[0] == old[1] else str(list(old))
    resize = config.dataset.args.get("resize")
    whole = (resize, resize) if isinstance(resize, int) else resize or old
    too_small = ", and leave out dataset.resize" if whole[0] < old[0] or whole[1] < old[1] else ""
    return Fault("", "dataset.image_size", f"{cause}; set it to {wanted}{too_small}")


def _shown(size: Sequence[int]) -> str:
    return "×".join(map(str, size))
