"""Which networks take which kind of data, and what is said to a config that joins two that do not fit."""

from torch import nn

from cnncli.core.errors import ConfigError
from cnncli.core.spec import DataSpec

_FITTING = {
    "pictures": "simple_cnn, resnet20, layers or mlp",
    "rows": "linear or mlp",
    "series": "linear, mlp, conv1d, tcn, lstm, gru, rnn or transformer",
    "text": "lstm, gru, rnn, tcn or transformer",
}


def takes(name: str, spec: DataSpec, *kinds: str) -> None:
    """Raise ``ConfigError`` unless the data are of one of ``kinds``, naming networks that do take them."""
    if spec.kind not in kinds:
        taken = " and ".join(kinds)
        raise ConfigError(f"{name} takes {taken}, the data are {spec.kind}; use {_FITTING[spec.kind]}")


def takes_no_text(name: str, spec: DataSpec) -> None:
    """Raise ``ConfigError`` for text: the numbers of characters are names, which no weight can be multiplied with."""
    if spec.kind == "text":
        raise ConfigError(f"{name} takes no text; use {_FITTING['text']}")


def forecast_shape(spec: DataSpec) -> list[nn.Module]:
    """What ends a network of flat values ``[B, H·K]``: for a series their arrangement ``[B, H, K]``, else nothing."""
    return [nn.Unflatten(1, spec.outputs)] if spec.kind == "series" else []
