"""Every network of timm's that classifies pictures: an extra, ``pip install 'cnncli[timm]'``."""

from types import ModuleType
from typing import Any

from torch import nn

from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.kinds import takes


def import_timm() -> ModuleType:
    """timm itself; raises ``ConfigError`` saying how it is installed."""
    try:
        import timm
    except ImportError:
        raise ConfigError("networks of timm's need an extra; pip install 'cnncli[timm]'") from None
    module: ModuleType = timm
    return module


def check_architecture(name: str) -> None:
    """Raise ``ConfigError`` with the nearest name when timm has no such network."""
    timm = import_timm()
    if not timm.is_model(name):
        raise ConfigError(f"timm has no network '{name}'; {did_you_mean(name, timm.list_models())}")


def describe_networks(search: str) -> list[dict[str, Any]]:
    """timm's networks whose name has ``search`` in it, with the pictures that their weights were trained on.

    Raises ``ConfigError`` where there is none.
    """
    timm = import_timm()
    every = timm.list_models()
    names = [name for name in every if search.lower() in name.lower()]
    if not names:
        raise ConfigError(f"timm has no network with '{search}' in its name; {did_you_mean(search, every)}")
    found = []
    for name in names:
        published = timm.get_pretrained_cfg(name)
        size = "×".join(map(str, published.input_size)) if published is not None else ""
        found.append({"name": f"timm/{name}", "description": "", "arguments": {}, "library": "timm", "input": size})
    return found


@models.register("timm")
def timm(spec: DataSpec, /, architecture: str) -> nn.Module:
    """A network of timm's by its name there, untrained (finetune: {pretrained: timm/NAME} brings its weights)."""
    takes("timm", spec, "pictures")
    check_architecture(architecture)
    model: nn.Module = import_timm().create_model(
        architecture, pretrained=False, num_classes=spec.num_outputs, in_chans=spec.input_shape[0]
    )
    return model
