"""Every network of timm's that classifies pictures: an extra, ``pip install 'cnncli[timm]'``."""

from types import ModuleType

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


@models.register("timm")
def timm(spec: DataSpec, /, architecture: str) -> nn.Module:
    """A network of timm's by its name there, untrained (finetune: {pretrained: timm/NAME} brings its weights)."""
    takes("timm", spec, "pictures")
    check_architecture(architecture)
    model: nn.Module = import_timm().create_model(
        architecture, pretrained=False, num_classes=spec.num_outputs, in_chans=spec.input_shape[0]
    )
    return model
