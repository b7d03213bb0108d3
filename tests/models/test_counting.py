"""Multiply-adds, kept memory and receptive fields, each against a calculation by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cnncli.config.catalog import fill_registries
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.counting import recurrent_multiply_adds
from cnncli.models.inspect import LayerRow, Totals, inspect_layers, totals
from tests.models.test_models import spec
from tests.models.test_sequences import series_spec, text_spec

fill_registries()
FLOAT, LONG = 4, 8  # bytes


def counted(name: str, data: DataSpec, **args: Any) -> Totals:
    dtype = torch.int64 if data.kind.dtype == "int64" else torch.float32
    return totals(inspect_layers(models.build(name, data, **args), data.input_shape, dtype))


def of(model: nn.Module, *shape: int) -> list[LayerRow]:
    return inspect_layers(model, shape)


def test_mlp_of_s2() -> None:
    found = counted("mlp", spec((1, 28, 28)))
    assert found.multiply_adds == 784 * 128 + 128 * 10
    # each linear layer keeps its input, ReLU its output, which is the next layer's input; the logits nobody
    assert found.activation_bytes == FLOAT * (784 + 128)
    assert (found.trainable, found.frozen, found.receptive_field) == (101_770, 0, None)


def test_simple_cnn_of_s5() -> None:
    found = counted("simple_cnn", spec((1, 28, 28)))
    assert found.multiply_adds == 784 * 9 * 32 + 196 * 9 * 32 * 64 + 3136 * 128 + 128 * 10
    pooled = 32 * 196 + 64 * 49  # ReLU follows pooling here
    kept = 784 + 32 * 784 + 64 * 196 + pooled + 128
    assert found.activation_bytes == FLOAT * kept + LONG * pooled  # of maxima their places as well
    assert found.receptive_field == (10, 10)  # 3, 4 with pooling, 4 + 2·2 = 8, 8 + 1·2 = 10


def test_cifar_net_of_s10() -> None:
    found = counted("cifar_net", spec((3, 32, 32)))
    assert found.multiply_adds == 784 * 25 * 3 * 6 + 100 * 25 * 6 * 16 + 400 * 120 + 120 * 84 + 84 * 10
    assert found.receptive_field == (16, 16)  # 5, 6, 6 + 4·2 = 14, 14 + 2


def test_five_by_five_cnn_of_s13() -> None:
    found = counted("cnn5x5", spec((1, 28, 28)))
    convolutions = 784 * 25 * 16 + 196 * 25 * (16 * 32 + 32 * 32) + 49 * 25 * 32 * 64
    assert found.multiply_adds == convolutions + 3136 * 10
    assert found.receptive_field == (40, 40)  # 5, 6, 14, 22, 24, 24 + 4·4


def test_cross_channel_and_depthwise_convolutions_of_s4() -> None:
    items = [
        {"name": "conv", "channels": 4, "kernel_size": 5, "padding": 0},
        {"name": "depthwise_conv", "kernel_size": 5, "multiplier": 2, "padding": 2},
        {"name": "conv", "channels": 6, "kernel_size": 1, "padding": 0},
        "flatten",
        "linear",
    ]
    model = models.build("layers", spec((3, 8, 8)), layers=items)
    rows = [row for row in inspect_layers(model, (3, 8, 8)) if row.parameters]
    assert [row.multiply_adds for row in rows] == [16 * 75 * 4, 16 * 25 * 4 * 2, 16 * 8 * 6, 16 * 6 * 10]
    assert [row.parameters for row in rows] == [304, 208, 54, 970]
    assert [row.receptive_field for row in rows] == [(5, 5), (9, 9), (9, 9), None]


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_text_networks_of_s6(cell: str, gates: int) -> None:
    data = text_spec(16)
    characters = data.outputs[-1]
    found = counted(cell, data, hidden=24, layers=2, embedding=10)
    assert found.multiply_adds == 16 * (gates * 24 * (10 + 24) + gates * 24 * (24 + 24) + 24 * characters)


def test_a_bidirectional_network_of_series() -> None:
    found = counted("lstm", series_spec(12, 3, 4, 2), hidden=5, layers=2, bidirectional=True)
    first, second = 2 * 4 * 5 * (3 + 5), 2 * 4 * 5 * (10 + 5)
    assert found.multiply_adds == 12 * (first + second) + 10 * 8


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@pytest.mark.parametrize("tied", [True, False])
def test_transformer_of_s12(positions: str, tied: bool) -> None:
    data, width, layers, steps = text_spec(16), 32, 3, 16
    characters = data.outputs[-1]
    found = counted("transformer", data, width=width, layers=layers, heads=4, positions=positions, tie_weights=tied)
    linear = steps * (3 * width * width + width * width + 2 * 4 * width * width)
    attention = 2 * steps * steps * width  # queries with keys, weights with values; what is masked is computed, too
    assert found.multiply_adds == layers * (linear + attention) + steps * width * characters


def test_multihead_attention() -> None:
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.attention(x, x, x)[0]
            return out

    rows = of(Alone(), 5, 8)
    assert totals(rows).multiply_adds == rows[-1].multiply_adds == 5 * 4 * 8 * 8 + 2 * 5 * 5 * 8
    assert totals(rows).parameters == sum(p.numel() for p in Alone().parameters())


def test_a_recurrent_layer_with_a_projection() -> None:
    layer = nn.LSTM(8, 6, batch_first=True, proj_size=3)
    assert recurrent_multiply_adds(layer, torch.zeros(1, 5, 3)) == 5 * (4 * 6 * (8 + 3) + 3 * 6)


def test_a_recurrent_layers_own_operations_are_those_of_the_formula() -> None:
    cell = nn.LSTMCell(3, 5)  # counted in the operations that torch carries out

    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell

        def forward(self, x: Tensor) -> Tensor:
            state = None
            for step in x.unbind(1):
                state = self.cell(step, state)
            assert state is not None
            return state[0]

    layer = nn.LSTM(3, 5, batch_first=True)
    assert totals(of(Steps(), 7, 3)).multiply_adds == totals(of(layer, 7, 3)).multiply_adds == 7 * 4 * 5 * (3 + 5)


def test_of_branches_the_largest_receptive_field_counts() -> None:
    body = [{"name": "conv", "channels": 4, "stride": 2}, "relu", {"name": "conv", "channels": 4, "kernel_size": 5}]
    items = [{"name": "residual", "layers": body}, {"name": "pool", "kernel_size": 3}, "flatten", "linear"]
    model = models.build("layers", spec((3, 16, 16)), layers=items)
    fields = {row.kind: row.receptive_field for row in inspect_layers(model, (3, 16, 16))}
    assert fields["MaxPool2d"] == (15, 15)  # 3, 3 + 4·2 = 11 beside 1 of the shortcut, then 11 + 2·2
    assert fields["Linear"] is None


def test_dilation_and_one_axis_count() -> None:
    model = nn.Sequential(nn.Conv1d(3, 4, 3, dilation=2), nn.ReLU(), nn.AvgPool1d(2), nn.Conv1d(4, 4, 3))
    assert [row.receptive_field for row in of(model, 3, 20)] == [(5,), (5,), (6,), (10,)]


def test_frozen_parameters_keep_nothing_and_the_network_stays_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(18, 3))
    model[0].requires_grad_(False)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    state = torch.get_rng_state()
    rows = of(model, 1, 5, 5)
    assert (rows[0].frozen, rows[0].trainable, rows[0].activation_bytes) == (20, 0, 0)
    assert (totals(rows).frozen, totals(rows).trainable) == (20, 4 + 57)
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())
