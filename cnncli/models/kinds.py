"""Which networks take which kind of data, and what is said to a config that joins two that do not fit."""

from torch import nn

from cnncli.core.errors import ConfigError
from cnncli.core.spec import DataSpec


def takes(name: str, spec: DataSpec, *kinds: str) -> None:
    """Raise ``ConfigError`` unless the data are of one of ``kinds``, naming networks that do take them."""
    kind = spec.kind
    if kind.name not in kinds:
        raise ConfigError(f"{name} takes {' and '.join(kinds)}, the data are {kind.name}; use {kind.networks}")


def takes_no_text(name: str, spec: DataSpec) -> None:
    """Raise ``ConfigError`` for text: the numbers of characters are names, which no weight can be multiplied with."""
    if spec.kind.dtype == "int64":
        raise ConfigError(f"{name} takes no {spec.kind.name}; use {spec.kind.networks}")


def forecast_shape(spec: DataSpec) -> list[nn.Module]:
    """What ends a network of flat values ``[B, H·K]``: where several axes are wanted, ``[B, H, K]``; else nothing."""
    return [nn.Unflatten(1, spec.outputs)] if len(spec.outputs) > 1 else []
