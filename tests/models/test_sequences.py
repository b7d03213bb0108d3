"""Networks for text and for series: shapes, what they may see, and reading piece by piece."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnncli.core.errors import ConfigError
from cnncli.core.registry import models
from cnncli.core.spec import Column, DataSpec, Pictures, Series, Table, Text
from cnncli.models import transformer as transformer_module
from cnncli.models.inspect import count_parameters

BLOCK, VOCABULARY = 16, "?abcdefgh"
SMALL: dict[str, dict[str, Any]] = {
    "rnn": {"hidden": 12, "layers": 2},
    "lstm": {"hidden": 12, "layers": 2, "embedding": 7},
    "gru": {"hidden": 12},
    "tcn": {"channels": 8, "layers": 2, "kernel_size": 2},
    "transformer": {"layers": 2, "width": 16, "heads": 4},
}
TEXT_MODELS = [
    *SMALL.items(),
    ("tcn", {"channels": 8, "layers": 4}),  # reaches further than a block
    ("transformer", {**SMALL["transformer"], "positions": "rotary"}),
    ("transformer", {**SMALL["transformer"], "tie_weights": False}),
]
SERIES_MODELS = [
    *((name, args) for name, args in SMALL.items() if name != "lstm"),
    ("lstm", {"hidden": 12, "layers": 2}),
    ("gru", {"hidden": 12, "layers": 2, "bidirectional": True, "dropout": 0.1}),
    ("transformer", {**SMALL["transformer"], "positions": "rotary"}),
    ("conv1d", {"channels": [6, 8]}),
    ("conv1d", {"channels": [6], "kernel_size": 4}),
    ("linear", {}),
    ("mlp", {}),
]


def text_spec(block: int = BLOCK, vocabulary: str = VOCABULARY) -> DataSpec:
    return DataSpec((block,), (), Text(tuple(vocabulary)), (block, len(vocabulary)))


def series_spec(steps: int = 12, features: int = 3, ahead: int = 4, targets: int = 2) -> DataSpec:
    names = tuple("abcdef"[:features])
    series = Series(names, names[:targets], 1, False, None, (0.0,) * features, (1.0,) * features, (1.0,) * targets)
    return DataSpec((steps, features), (), series, (ahead, targets))


def picture_spec() -> DataSpec:
    return DataSpec((1, 28, 28), ("a", "b"), Pictures((0.0,), (1.0,)))


def rows_spec(features: int = 5, outputs: int = 3) -> DataSpec:
    columns = tuple(Column(f"x{number}") for number in range(features))
    return DataSpec((features,), tuple("xyz"[:outputs]), Table(columns, ("t",)))


def text_model(name: str, args: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return models.build(name, text_spec(), **args).eval()


def some_ids(batch: int, length: int) -> Tensor:
    return torch.randint(1, len(VOCABULARY), (batch, length), generator=torch.Generator().manual_seed(1))


def one_step_lowers(model: nn.Module, inputs: Tensor, loss: Any) -> None:
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.01)
    torch.manual_seed(0)  # the same dropout before and after
    before = loss(model(inputs))
    before.backward()
    assert all(p.grad is not None for p in model.parameters()), "every parameter takes part"
    optimizer.step()
    torch.manual_seed(0)
    assert loss(model(inputs)) < before


@pytest.mark.parametrize(("name", "args"), TEXT_MODELS)
def test_text_gives_logits_at_every_position_and_a_step_lowers_the_loss(name: str, args: dict[str, Any]) -> None:
    model = text_model(name, args)
    ids = some_ids(3, BLOCK)
    assert model(ids).shape == (3, BLOCK, len(VOCABULARY))
    one_step_lowers(model, ids, lambda logits: F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()))


@pytest.mark.parametrize(("name", "args"), SERIES_MODELS)
def test_series_give_a_forecast_and_a_step_lowers_the_loss(name: str, args: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = models.build(name, series_spec(), **args)
    windows, targets = torch.randn(5, 12, 3), torch.randn(5, 4, 2)
    assert model(windows).shape == (5, 4, 2)
    one_step_lowers(model, windows, lambda forecast: F.mse_loss(forecast, targets))


@pytest.mark.parametrize(("name", "args"), TEXT_MODELS)
def test_a_later_character_changes_no_earlier_logit(name: str, args: dict[str, Any]) -> None:
    model = text_model(name, args)
    ids = some_ids(2, BLOCK)
    for position in (1, 7, BLOCK - 1):
        changed = ids.clone()
        changed[:, position] = changed[:, position] % (len(VOCABULARY) - 1) + 1
        before, after = model(ids), model(changed)
        torch.testing.assert_close(before[:, :position], after[:, :position], atol=1e-6, rtol=0)
        assert not torch.allclose(before[:, position], after[:, position])


@pytest.mark.parametrize("pieces", [[1] * BLOCK, [5, 1, 1, 4, 3, 2], [BLOCK], [1, BLOCK - 1]])
@pytest.mark.parametrize(("name", "args"), TEXT_MODELS)
def test_reading_in_pieces_gives_the_logits_of_the_whole(name: str, args: dict[str, Any], pieces: list[int]) -> None:
    model = text_model(name, args)
    ids = some_ids(2, BLOCK)
    whole, state, read = model(ids), None, 0
    for count in pieces:
        logits, state = model.step(ids[:, read : read + count], state)
        read += count
        torch.testing.assert_close(logits, whole[:, read - 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "args"), TEXT_MODELS)
def test_a_reordered_state_goes_on_with_the_chosen_rows(name: str, args: dict[str, Any]) -> None:
    model = text_model(name, args)
    ids = some_ids(3, BLOCK)
    rows = torch.tensor([2, 0, 0, 1])
    _, state = model.step(ids[:, :6], None)
    state = model.reorder(state, rows)
    texts = ids[rows, :6]
    for new in some_ids(4, 5).split(1, dim=1):  # rows of one origin go apart and do not disturb each other
        logits, state = model.step(new, state)
        texts = torch.cat([texts, new], dim=1)
        torch.testing.assert_close(logits, model(texts)[:, -1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_recurrent_networks_remember_beyond_a_block(name: str) -> None:
    model = text_model(name, SMALL[name])
    ids = some_ids(2, 3 * BLOCK)
    _, state = model.step(ids[:, :20], None)
    logits, _ = model.step(ids[:, 20:], state)
    torch.testing.assert_close(logits, model(ids)[:, -1], atol=1e-5, rtol=0)


def test_a_tcn_keeps_exactly_what_its_answer_depends_on() -> None:
    model = text_model("tcn", SMALL["tcn"])
    assert model.window == 1 + 2 * (1 + 2)
    ids, state = some_ids(2, 3 * BLOCK), None
    for new in ids.split(1, dim=1):
        logits, state = model.step(new, state)
    torch.testing.assert_close(logits, model(ids)[:, -1], atol=1e-5, rtol=0)
    assert text_model("tcn", {"channels": 8, "layers": 4}).window == BLOCK, "and no more than a block"


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_a_full_transformer_goes_on_from_the_last_half_block(positions: str) -> None:
    model = text_model("transformer", {**SMALL["transformer"], "positions": positions})
    ids, state, since = some_ids(2, 4 * BLOCK), None, 0
    for number, new in enumerate(ids.split(1, dim=1)):
        logits, state = model.step(new, state)
        since = BLOCK // 2 if since == BLOCK else since + 1
        assert state.length == since
        torch.testing.assert_close(logits, model(ids[:, number + 1 - since : number + 1])[:, -1], atol=1e-5, rtol=0)


def test_a_prompt_longer_than_the_block_is_cut_to_its_last_half() -> None:
    model = text_model("transformer", SMALL["transformer"])
    ids = some_ids(1, 3 * BLOCK)
    logits, state = model.step(ids, None)
    torch.testing.assert_close(logits, model(ids[:, -BLOCK // 2 :])[:, -1], atol=1e-5, rtol=0)
    assert state.length == BLOCK // 2


def test_rotary_products_depend_on_the_distance_alone() -> None:
    cos, sin = transformer_module.rotation(10, 8)
    query, key = torch.randn(2, 8)
    turned = [
        [transformer_module.rotate(x.expand(1, 1, 1, 8), (cos[i : i + 1], sin[i : i + 1])).flatten() for i in range(10)]
        for x in (query, key)
    ]
    torch.testing.assert_close(turned[0][5] @ turned[1][2], turned[0][9] @ turned[1][6])
    torch.testing.assert_close(turned[0][0] @ turned[1][0], query @ key)
    assert not torch.allclose(turned[0][5] @ turned[1][2], turned[0][5] @ turned[1][3])


def test_tied_weights_are_one_matrix() -> None:
    tied = text_model("transformer", SMALL["transformer"])
    free = text_model("transformer", {**SMALL["transformer"], "tie_weights": False})
    assert count_parameters(free) - count_parameters(tied) == len(VOCABULARY) * 16


@pytest.mark.parametrize(
    ("name", "args", "parameters"),
    [
        ("linear", {}, 12 * 3 * 8 + 8),
        ("linear", {"bias": False}, 12 * 3 * 8),
        ("lstm", {"hidden": 10}, 4 * 10 * (3 + 10 + 2) + 11 * 8),
        ("gru", {"hidden": 10, "bidirectional": True}, 2 * 3 * 10 * (3 + 10 + 2) + 21 * 8),
        ("conv1d", {"channels": [6]}, 3 * 3 * 6 + 6 + 7 * 8),
        ("tcn", {"channels": 6, "layers": 1}, 3 * 3 * 6 + 6 + 3 * 6 * 6 + 6 + 4 * 6 + 7 * 8),
        ("transformer", {"layers": 1, "width": 8}, 4 * 8 + 12 * 8 + 12 * 64 + 9 * 8 + 6 * 8 + 9 * 8),
    ],
)
def test_parameter_counts_are_those_of_the_formulas(name: str, args: dict[str, Any], parameters: int) -> None:
    assert count_parameters(models.build(name, series_spec(), **args)) == parameters


def test_both_directions_take_part_in_a_forecast() -> None:
    model = models.build("lstm", series_spec(), hidden=5, bidirectional=True).eval()
    windows = torch.randn(1, 12, 3)
    _, (last, _) = model.body(windows)
    torch.testing.assert_close(model(windows).flatten(), model.head(torch.cat([last[0], last[1]], dim=1)).flatten())


def test_gpt2s_start_makes_an_untrained_transformer_nearly_uniform() -> None:
    torch.manual_seed(0)
    model = models.build("transformer", text_spec(), layers=8, width=64)
    ids = some_ids(8, BLOCK)
    loss = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    assert loss.item() == pytest.approx(torch.tensor(float(len(VOCABULARY))).log().item(), abs=0.1)
    block = model.decoder.blocks[0]
    assert block.up.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.down.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "tcn", "transformer"])
def test_dropout_acts_in_training_alone_and_warns_of_nothing(name: str) -> None:
    model = models.build(name, text_spec(), **{**SMALL[name], "layers": 1, "dropout": 0.5})
    ids = some_ids(2, BLOCK)
    assert not torch.equal(model.train()(ids), model(ids))
    torch.testing.assert_close(model.eval()(ids), model(ids))


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_rows_and_pictures_are_flat_values_to_linear_and_mlp(name: str) -> None:
    assert models.build(name, rows_spec())(torch.randn(4, 5)).shape == (4, 3)
    assert models.build(name, picture_spec())(torch.randn(4, 1, 28, 28)).shape == (4, 2)


def test_a_list_of_layers_gives_a_forecast() -> None:
    model = models.build(
        "layers", series_spec(), layers=["flatten", {"name": "linear", "features": 9}, "relu", "linear"]
    )
    assert model(torch.randn(5, 12, 3)).shape == (5, 4, 2)


@pytest.mark.parametrize(
    ("name", "spec", "args", "cause"),
    [
        ("mlp", text_spec(), {}, "mlp takes no text; use lstm, gru, rnn, tcn or transformer"),
        ("linear", text_spec(), {}, "linear takes no text; use lstm"),
        ("layers", text_spec(), {"layers": ["flatten", "linear"]}, "layers takes no text"),
        ("lstm", text_spec(), {"bidirectional": True}, "would see the characters it has to predict"),
        ("gru", series_spec(), {"embedding": 4}, "embedding is for text"),
        ("rnn", picture_spec(), {}, "rnn takes series and text, the data are pictures; use simple_cnn"),
        ("transformer", rows_spec(), {}, "transformer takes series and text, the data are rows; use linear or mlp"),
        ("tcn", rows_spec(), {}, "tcn takes series and text, the data are rows"),
        ("conv1d", text_spec(), {}, "conv1d takes series, the data are text; use lstm"),
        ("transformer", text_spec(), {"width": 10, "heads": 4}, "width=10 cannot be divided among heads=4"),
        ("transformer", text_spec(), {"width": 12, "heads": 4, "positions": "rotary"}, "rotary positions turn pairs"),
        ("transformer", text_spec(), {"positions": "sinus"}, "positions"),
        ("simple_cnn", text_spec(), {}, "simple_cnn takes pictures, the data are text; use lstm"),
        ("lenet5", series_spec(), {}, "lenet5 takes pictures, the data are series; use linear"),
        ("resnet20", rows_spec(), {}, "resnet20 takes pictures, the data are rows; use linear or mlp"),
        ("resnet18", rows_spec(), {}, "resnet18 takes pictures, the data are rows"),
    ],
)
def test_what_does_not_fit_is_explained(name: str, spec: DataSpec, args: dict[str, Any], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        models.build(name, spec, **args)
