"""The layers that a network written in YAML is made of. Each infers its input size from what reaches it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from cnncli.core.errors import ConfigError
from cnncli.core.key_paths import KeyPath
from cnncli.core.numbers import Count, Probability
from cnncli.core.registry import Activation, layers
from cnncli.models.activations import make_activation
from cnncli.models.whitening import Whitening

Padding = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Reaching:
    """What reaches a layer: one sample's ``shape``, the number of ``outputs`` wanted, the layer's ``path``."""

    shape: tuple[int, ...]
    outputs: int
    path: KeyPath

    def image(self, layer: str) -> tuple[int, int, int]:
        """``shape`` as ``(C, H, W)``; raises ``ConfigError`` when it is flat."""
        if len(self.shape) != 3:
            raise ConfigError(f"{layer} needs channels × height × width; put it before 'flatten'")
        channels, height, width = self.shape
        return channels, height, width


@layers.register("conv")
def conv(
    reaching: Reaching,
    /,
    channels: Count,
    kernel_size: Count = 3,
    stride: Count = 1,
    padding: Padding | None = None,
    groups: Count = 1,
    bias: bool = True,
) -> nn.Module:
    """Convolution across channels; without `padding` the size is kept (stride 1, odd kernel)."""
    before, _, _ = reaching.image("conv")
    if before % groups or channels % groups:
        raise ConfigError(f"conv: groups={groups} must divide the {before} channels before and {channels} after it")
    return nn.Conv2d(before, channels, kernel_size, stride, _padding(padding, kernel_size), groups=groups, bias=bias)


@layers.register("whitening")
def whitening(reaching: Reaching, /, kernel_size: Count = 2) -> nn.Module:
    """Decorrelates small patches of the pictures; its filters are computed from them. The first layer only."""
    channels, _, _ = reaching.image("whitening")
    if reaching.path[-1] != 0 or len(reaching.path) != 3:
        raise ConfigError("whitening works on the pictures themselves; make it the first layer")
    return Whitening(channels, kernel_size)


@layers.register("depthwise_conv")
def depthwise_conv(
    reaching: Reaching,
    /,
    kernel_size: Count = 3,
    multiplier: Count = 1,
    stride: Count = 1,
    padding: Padding | None = None,
    bias: bool = True,
) -> nn.Module:
    """Convolution of each channel on its own, giving `multiplier` channels for each."""
    before, _, _ = reaching.image("depthwise_conv")
    pad = _padding(padding, kernel_size)
    return nn.Conv2d(before, before * multiplier, kernel_size, stride, pad, groups=before, bias=bias)


def _padding(padding: int | None, kernel_size: int) -> int:
    return kernel_size // 2 if padding is None else padding


@layers.register("pool")
def pool(
    reaching: Reaching,
    /,
    kernel_size: Count = 2,
    stride: Count | None = None,
    padding: Padding = 0,
    kind: Literal["max", "avg"] = "max",
) -> nn.Module:
    """Maximum or average over windows; the stride is the window's size unless given."""
    reaching.image("pool")
    return (nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(kernel_size, stride, padding)


@layers.register("global_pool")
def global_pool(reaching: Reaching, /, kind: Literal["max", "avg"] = "avg") -> nn.Module:
    """One value for each channel, whatever the size; the result is flat."""
    reaching.image("global_pool")
    pooling = nn.AdaptiveAvgPool2d(1) if kind == "avg" else nn.AdaptiveMaxPool2d(1)
    return nn.Sequential(pooling, nn.Flatten())


@layers.register("norm")
def norm(
    reaching: Reaching, /, kind: Literal["batch", "group", "instance", "layer"] = "batch", groups: Count = 8
) -> nn.Module:
    """Normalisation: batch, group (of `groups`), instance or layer."""
    if kind == "layer":
        return nn.LayerNorm(reaching.shape)
    features = reaching.shape[0]
    if kind == "batch":
        return nn.BatchNorm2d(features) if len(reaching.shape) == 3 else nn.BatchNorm1d(features)
    if kind == "group":
        if features % groups:
            raise ConfigError(f"norm: groups={groups} does not divide the {features} channels")
        return nn.GroupNorm(groups, features)
    reaching.image("norm: instance")
    return nn.InstanceNorm2d(features, affine=True)


@layers.register("activation")
def activation(reaching: Reaching, /, function: Activation = "relu") -> nn.Module:
    """An activation; its name alone (`- relu`) is short for this."""
    return make_activation(function)


@layers.register("dropout")
def dropout(reaching: Reaching, /, p: Probability = 0.5) -> nn.Module:
    """Dropout of single values, or of whole channels while the data still have height and width."""
    return nn.Dropout2d(p) if len(reaching.shape) == 3 else nn.Dropout(p)


@layers.register("flatten")
def flatten(reaching: Reaching, /) -> nn.Module:
    """Channels, height and width in one row."""
    return nn.Flatten()


@layers.register("linear")
def linear(reaching: Reaching, /, features: Count | None = None, bias: bool = True) -> nn.Module:
    """Fully connected; without `features` it gives one value for each class of the data."""
    if len(reaching.shape) != 1:
        raise ConfigError("linear needs flat values; put 'flatten' or 'global_pool' before it")
    return nn.Linear(reaching.shape[0], features or reaching.outputs, bias=bias)
