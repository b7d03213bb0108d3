"""The small convolutional networks of the textbooks and tutorials. Input ``[N, C, H, W]``, logits ``[N, K]``."""

import torch
from torch import nn

from cnncli.core.errors import DoesNotFit
from cnncli.core.numbers import Count, Probability
from cnncli.core.registry import Activation, activations, models, split_component
from cnncli.core.spec import DataSpec
from cnncli.models.activations import make_activation
from cnncli.models.kinds import takes


def pooled(activation: Activation) -> list[nn.Module]:
    """An activation and maximum pooling by 2, in the order that is cheaper: the result is the same."""
    name, args = split_component(activation)
    layers = [make_activation(activation), nn.MaxPool2d(2)]
    never_falls = "monotone" in activations.get(name).traits and not args  # a negative slope would make it fall
    return layers[::-1] if never_falls else layers


def flat_features(body: nn.Module, shape: tuple[int, ...]) -> int:
    """How many values ``body`` gives for one sample of ``shape``, found by pushing an empty sample through.

    Raises ``ConfigError`` when the samples are too small for the body.
    """
    was_training = body.training
    try:
        with torch.no_grad():
            return int(body.eval()(torch.zeros(1, *shape)).numel())
    except RuntimeError as error:
        size = "×".join(map(str, shape))
        raise DoesNotFit(f"samples of {size} are too small for this network; use larger pictures") from error
    finally:
        body.train(was_training)


@models.register("simple_cnn")
def simple_cnn(
    spec: DataSpec,
    /,
    channels: tuple[Count, ...] = (32, 64),
    hidden: Count = 128,
    dropout: Probability = 0.0,
    activation: Activation = "relu",
) -> nn.Sequential:
    """[conv 3×3, activation, maxpool 2] for each of `channels`, then a hidden layer: the tutorials' MNIST net."""
    takes("simple_cnn", spec, "pictures")
    body: list[nn.Module] = []
    before = spec.input_shape[0]
    for width in channels:
        body += [nn.Conv2d(before, width, 3, padding=1), *pooled(activation)]
        before = width
    body.append(nn.Flatten())
    features = flat_features(nn.Sequential(*body), spec.input_shape)
    head: list[nn.Module] = [nn.Linear(features, hidden), make_activation(activation)]
    if dropout:
        head.append(nn.Dropout(dropout))
    return nn.Sequential(*body, *head, nn.Linear(hidden, spec.num_outputs))


@models.register("cnn5x5")
def cnn5x5(spec: DataSpec, /, activation: Activation = "relu") -> nn.Sequential:
    """Four 5×5 convolutions (16, 32, 32, 64 channels) with two poolings and one linear layer."""
    takes("cnn5x5", spec, "pictures")

    def conv(before: int, width: int) -> nn.Module:
        return nn.Conv2d(before, width, 5, padding=2)

    body = [
        conv(spec.input_shape[0], 16),
        *pooled(activation),
        conv(16, 32),
        make_activation(activation),
        conv(32, 32),
        *pooled(activation),
        conv(32, 64),
        make_activation(activation),
        nn.Flatten(),
    ]
    features = flat_features(nn.Sequential(*body), spec.input_shape)
    return nn.Sequential(*body, nn.Linear(features, spec.num_outputs))


def _two_conv_three_linear(
    spec: DataSpec, padding: int, pool: type[nn.Module], activation: Activation
) -> nn.Sequential:
    body = [
        nn.Conv2d(spec.input_shape[0], 6, 5, padding=padding),
        make_activation(activation),
        pool(2),
        nn.Conv2d(6, 16, 5),
        make_activation(activation),
        pool(2),
        nn.Flatten(),
    ]
    features = flat_features(nn.Sequential(*body), spec.input_shape)
    head = [
        nn.Linear(features, 120),
        make_activation(activation),
        nn.Linear(120, 84),
        make_activation(activation),
        nn.Linear(84, spec.num_outputs),
    ]
    return nn.Sequential(*body, *head)


@models.register("cifar_net")
def cifar_net(spec: DataSpec, /, activation: Activation = "relu") -> nn.Sequential:
    """The net of PyTorch's CIFAR-10 tutorial: two 5×5 convolutions, then 120, 84 and the classes."""
    takes("cifar_net", spec, "pictures")
    return _two_conv_three_linear(spec, 0, nn.MaxPool2d, activation)


@models.register("lenet5")
def lenet5(spec: DataSpec, /, activation: Activation = "tanh") -> nn.Sequential:
    """LeNet-5 (LeCun et al. 1998) with average pooling; 28-pixel pictures are padded to 32 as in the paper."""
    takes("lenet5", spec, "pictures")
    return _two_conv_three_linear(spec, 2 if spec.input_shape[1] < 32 else 0, nn.AvgPool2d, activation)


@models.register("depthwise_cnn")
def depthwise_cnn(
    spec: DataSpec,
    /,
    channels: tuple[Count, ...] = (32, 64, 128),
    multiplier: Count = 1,
    activation: Activation = "relu",
) -> nn.Sequential:
    """Depthwise-separable blocks (MobileNet, Howard et al. 2017): 3×3 per channel, then 1×1 across channels."""
    takes("depthwise_cnn", spec, "pictures")
    before = spec.input_shape[0]
    body: list[nn.Module] = [
        nn.Conv2d(before, channels[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(channels[0]),
        make_activation(activation),
    ]
    before = channels[0]
    for number, width in enumerate(channels):
        inner = before * multiplier
        body += [
            nn.Conv2d(before, inner, 3, stride=1 if number == 0 else 2, padding=1, groups=before, bias=False),
            nn.BatchNorm2d(inner),
            make_activation(activation),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
            make_activation(activation),
        ]
        before = width
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, spec.num_outputs))
