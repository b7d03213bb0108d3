"""Recurrent layers as ONNX's own operators.

PyTorch's exporter follows a recurrent layer step by step, so that its graph holds for one length alone (pytorch#191855)
and grows with it. ONNX's LSTM, GRU and RNN take any length; here each layer becomes one of them.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from cnncli.models.recurrent import State

# the order of the gates in ONNX's weights, by their places in PyTorch's
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


class OnnxRecurrent(nn.Module):
    """Stands for a recurrent layer while a graph is written: as its operator it has values only in ONNX."""

    def __init__(self, body: nn.RNNBase) -> None:
        super().__init__()
        self.kind = "RNN" if body.mode.startswith("RNN") else body.mode
        self.input_size, self.hidden_size, self.num_layers = body.input_size, body.hidden_size, body.num_layers
        self.batch_first, self.bidirectional = body.batch_first, body.bidirectional
        self.activation = "Relu" if body.mode == "RNN_RELU" else "Tanh"
        directions = ("", "_reverse") if body.bidirectional else ("",)
        self.directions = len(directions)
        for layer in range(body.num_layers):
            ends = [f"l{layer}{direction}" for direction in directions]
            for name in ("weight_ih", "weight_hh"):
                values = torch.stack([self._ordered(getattr(body, f"{name}_{end}")) for end in ends])
                self.register_buffer(f"{name}_{layer}", values)
            self.register_buffer(f"bias_{layer}", torch.stack([self._bias(body, end) for end in ends]))

    def _ordered(self, values: Tensor) -> Tensor:
        parts = values.detach().chunk(len(_GATES[self.kind]))
        return torch.cat([parts[place] for place in _GATES[self.kind]])

    def _bias(self, body: nn.RNNBase, end: str) -> Tensor:
        if not body.bias:
            return torch.zeros(2 * len(_GATES[self.kind]) * self.hidden_size)
        return torch.cat([self._ordered(getattr(body, f"{name}_{end}")) for name in ("bias_ih", "bias_hh")])

    def forward(self, values: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        steps = values.transpose(0, 1) if self.batch_first else values
        if state is None:
            empty = values.new_zeros(self.num_layers * self.directions, steps.shape[1], self.hidden_size)
            state = (empty, empty) if self.kind == "LSTM" else empty
        start = state if isinstance(state, tuple) else (state,)
        ends: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            places = slice(layer * self.directions, (layer + 1) * self.directions)
            steps, *end = self._layer(layer, steps, [part[places] for part in start])
            ends.append(tuple(end))
        after = tuple(torch.cat(parts) for parts in zip(*ends, strict=True))
        outputs = steps.transpose(0, 1) if self.batch_first else steps
        return outputs, (after[0], after[1]) if self.kind == "LSTM" else after[0]

    def _layer(self, layer: int, steps: Tensor, start: list[Tensor]) -> list[Tensor]:
        """``[T, N, F]`` to ``[T, N, directions * hidden]`` and the state after."""
        length, batch = steps.shape[:2]
        weights = [getattr(self, f"{name}_{layer}") for name in ("weight_ih", "weight_hh", "bias")]
        attributes: dict[str, Any] = {
            "hidden_size": self.hidden_size,
            "direction": "bidirectional" if self.bidirectional else "forward",
        }
        if self.kind == "GRU":
            attributes["linear_before_reset"] = 1  # as PyTorch computes it
        if self.kind == "RNN":
            attributes["activations"] = [self.activation] * self.directions
        after = (self.directions, batch, self.hidden_size)
        found = torch.onnx.ops.symbolic_multi_out(
            self.kind, [steps, *weights, None, *start], attributes, dtypes=[steps.dtype] * (1 + len(start)),
            shapes=[(length, self.directions, batch, self.hidden_size), *([after] * len(start))], version=14,
        )  # fmt: skip
        outputs = found[0].transpose(1, 2).flatten(2)
        return [outputs, *found[1:]]


def with_operators(graph: nn.Module) -> nn.Module:
    """A copy of ``graph`` in which every recurrent layer is ONNX's; the graph itself where it has none."""
    if not any(isinstance(module, nn.RNNBase) for module in graph.modules()):
        return graph
    copied = deepcopy(graph)
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.RNNBase) and child.proj_size == 0:
                setattr(module, name, OnnxRecurrent(child))
    return copied
