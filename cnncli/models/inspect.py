"""What a network is made of: layers, shapes, parameters and how they are counted, and what a sample costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from cnncli.models.counting import measure


@dataclass(frozen=True)
class LayerRow:
    """One layer: its name and type, the shape of one sample after it, its parameters and their formula.

    ``multiply_adds`` are those of one sample. ``activation_bytes`` is what a training step keeps of one sample for the
    backward pass and no layer before has kept. ``receptive_field`` is how many input values a value depends on in each
    direction; None where that is not given by convolutions and pooling alone. ``frozen`` parameters do not learn.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    formula: str
    multiply_adds: int = 0
    activation_bytes: int = 0
    receptive_field: tuple[int, ...] | None = None
    frozen: int = 0

    @property
    def trainable(self) -> int:
        """The parameters that learn."""
        return self.parameters - self.frozen


@dataclass(frozen=True)
class Totals:
    """The sums over all layers, and the largest receptive field."""

    parameters: int
    trainable: int
    frozen: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: tuple[int, ...] | None


def totals(rows: Sequence[LayerRow]) -> Totals:
    """What a network has and does in all."""
    fields = [row.receptive_field for row in rows if row.receptive_field is not None]
    return Totals(
        sum(row.parameters for row in rows),
        sum(row.trainable for row in rows),
        sum(row.frozen for row in rows),
        sum(row.multiply_adds for row in rows),
        sum(row.activation_bytes for row in rows),
        max(fields, default=None),
    )


def count_parameters(model: nn.Module) -> int:
    """The parameters of a network, frozen or not; one that is shared counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def inspect_layers(
    model: nn.Module, input_shape: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> list[LayerRow]:
    """A row for each layer in the order in which a sample passes them, then for what other modules have themselves.

    The parameters of all rows add up to the network's, and so do multiply-adds and bytes.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    costs = measure(model, torch.zeros(1, *input_shape, device=device, dtype=dtype))
    names = {module: name for name, module in reversed(list(model.named_modules()))}
    counted: set[int] = set()

    def row(module: nn.Module) -> LayerRow:
        new = [p for p in module.parameters(recurse=False) if id(p) not in counted]
        counted.update(map(id, new))
        cost, frozen = costs.of[module], sum(p.numel() for p in new if not p.requires_grad)
        layer = not list(module.children())
        return LayerRow(
            names[module] or "(network)", type(module).__name__, cost.shape if layer else (),
            sum(p.numel() for p in new), _formula(module), cost.multiply_adds, cost.kept // 2,
            cost.receptive_field if layer else None, frozen,
        )  # fmt: skip

    layers = [module for module in costs.order if not list(module.children())]
    rows = [row(module) for module in layers]
    # what a module does or holds without a layer of its own: attention, tied weights, class tokens, scales
    others = [row(module) for module in names if module not in layers]
    return rows + [each for each in others if each.parameters or each.multiply_adds or each.activation_bytes]


def _formula(module: nn.Module) -> str:
    """How the parameters of a convolution or linear layer are counted, with its numbers put in."""
    if isinstance(module, nn.Conv2d):
        return _conv_formula(module)
    if isinstance(module, nn.Linear):
        bias = " + 1" if module.bias is not None else ""
        return f"(in{bias})·out = ({module.in_features}{bias})·{module.out_features}"
    return ""


def _conv_formula(conv: nn.Conv2d) -> str:
    height, width = conv.kernel_size
    bias = " + 1" if conv.bias is not None else ""
    if conv.groups == 1:
        each = conv.in_channels * height * width + (conv.bias is not None)
        numbers = f"({conv.in_channels}·{height}·{width}{bias})·{conv.out_channels}"
        return f"cross-channel: (C_in·F_h·F_w{bias})·C_out = {numbers}; {each} a slice"
    if conv.groups == conv.in_channels:
        multiplier = conv.out_channels // conv.in_channels
        return f"depthwise: (F_h·F_w{bias})·C_in·M = ({height}·{width}{bias})·{conv.in_channels}·{multiplier}"
    numbers = f"({conv.in_channels}/{conv.groups}·{height}·{width}{bias})·{conv.out_channels}"
    return f"grouped: (C_in/G·F_h·F_w{bias})·C_out = {numbers}"
