"""What a network is made of: layers, shapes, parameters, and how the parameters are counted."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True)
class LayerRow:
    """One layer: its name and type, the shape of one sample after it, its parameters and their formula."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    formula: str


def count_parameters(model: nn.Module) -> int:
    """The parameters of a network, frozen or not; one that is shared counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def inspect_layers(
    model: nn.Module, input_shape: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> list[LayerRow]:
    """A row for each layer in the order in which a sample passes them, then for what other modules hold themselves.

    The parameters of all rows add up to the network's.
    """
    count = _Counter()
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    rows = _passed(model, torch.zeros(1, *input_shape, device=device, dtype=dtype), count)
    # parameters that a module uses without calling a layer of its own: attention, class tokens, scales
    for name, module in model.named_modules():
        own = count(module)
        if own:
            rows.append(LayerRow(name or "(network)", type(module).__name__, (), own, ""))
    return rows


class _Counter:
    """Counts a module's own parameters; one that several modules share is counted where it comes first."""

    def __init__(self) -> None:
        self._counted: set[int] = set()

    def __call__(self, module: nn.Module) -> int:
        new = [p for p in module.parameters(recurse=False) if id(p) not in self._counted]
        self._counted.update(map(id, new))
        return sum(p.numel() for p in new)


def _passed(model: nn.Module, sample: Tensor, count: _Counter) -> list[LayerRow]:
    """The layers that ``sample`` passes, in that order."""
    rows: list[LayerRow] = []
    hooks: list[RemovableHandle] = []

    def record(name: str, module: nn.Module, number: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            passed = hooks[number]
            shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
            rows.append(LayerRow(name, type(module).__name__, shape, count(module), _formula(module)))
            passed.remove()  # a module that is called again is listed once

        return hook

    for name, module in model.named_modules():
        if not list(module.children()):
            hooks.append(module.register_forward_hook(record(name, module, len(hooks))))
    was_training = model.training
    try:
        model.eval()(sample)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return rows


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
