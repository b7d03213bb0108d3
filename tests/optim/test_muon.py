"""Muon: orthogonal steps for filters and matrices, AdamW for everything else."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import OptimizerConfig
from cnncli.core.errors import ConfigError
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.blocks import find_head
from cnncli.optim import muon
from cnncli.optim.muon import Muon, alike, hidden_matrices, orthogonalized
from cnncli.optim.optimizers import build_optimizer
from tests.models.test_models import NEEDED, OWN, spec
from tests.models.test_sequences import SERIES_MODELS, TEXT_MODELS, series_spec, text_spec

fill_registries()
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.RNNBase, nn.MultiheadAttention)
PICTURES = torch.zeros(2, 3, 2, 2)  # for net()
FAMILIES = (  # the smallest of each; the others differ in depth and width
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "resnet18", "resnet50",
    "shufflenet_v2_x0_5", "squeezenet1_0", "swin_t", "swin_v2_t", "vgg11", "vgg11_bn", "vit_b_16",
)  # fmt: skip


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))


def gradients(model: nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("shape", [(8, 27), (27, 8), (16, 16), (1, 9)])
def test_an_orthogonalised_matrix_has_singular_values_near_one_and_the_same_directions(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalized(matrix, steps=8)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0) > 0.97


def test_equal_matrices_are_orthogonalised_together_and_as_if_each_was_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(5, 6, 9, generator=generator)
    for turned in (matrices, matrices.mT):
        together = orthogonalized(turned, steps=5)
        alone = torch.stack([orthogonalized(matrix, steps=5) for matrix in turned])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


class Operations(TorchDispatchMode):
    """Counts what a device would be asked to do: views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def operations(count: int, memory_format: torch.memory_format) -> int:
    """Those of one step of so many equal filters."""
    filters = [nn.Parameter(torch.randn(8, 4, 3, 3).to(memory_format=memory_format)) for _ in range(count)]
    optimizer = Muon(filters, constant_norm=True, weight_decay=0.1)
    for _ in range(2):  # the first makes the state
        for parameter in filters:
            parameter.grad = torch.randn_like(parameter)
        with Operations() as found:
            optimizer.step()
    return found.count


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_eight_equal_filters_ask_for_as_many_operations_as_one(memory_format: torch.memory_format) -> None:
    assert operations(8, memory_format) == operations(1, memory_format) < 45


def test_only_equal_matrices_step_together_and_few_large_ones() -> None:
    small = [nn.Parameter(torch.zeros(2, 3)) for _ in range(3)]
    turned, half = nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(2, 3, dtype=torch.float16))
    large = [nn.Parameter(torch.zeros(1024, 2048)) for _ in range(3)]
    found = alike([small[0], turned, *small[1:], half, *large])
    assert [[*map(id, each)] for each in found] == [
        [*map(id, small)], [id(turned)], [id(half)], [*map(id, large[:2])], [id(large[2])],
    ]  # fmt: skip


def test_half_precision_is_for_devices_that_are_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    types = []
    for made in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, made=made: made)
        muon._fast_type.cache_clear()
        types += [muon._fast_type(torch.device("cuda", 0)), muon._fast_type(torch.device("cpu"))]
    muon._fast_type.cache_clear()
    assert types == [torch.bfloat16, torch.float32, torch.float32, torch.float32]


def test_filters_step_orthogonally_and_the_rest_as_adamw_does() -> None:
    ours, theirs = net(), net()
    config = OptimizerConfig(name="muon", lr=0.1, adam_lr=0.01, betas=[0.9, 0.95], weight_decay=0.1)
    optimizer = build_optimizer(config, ours, PICTURES)
    conv, rest = ours[0], [*ours.parameters()][1:]
    reference = torch.optim.AdamW([*theirs.parameters()][1:], lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    for seed in range(3):
        before = conv.weight.detach().clone()
        for model in (ours, theirs):
            gradients(model, seed)
        optimizer.step()
        reference.step()
        moved = (conv.weight.detach() - before * (1 - 0.1 * 0.1)).flatten(1) / 0.1
        values = torch.linalg.svdvals(moved)
        assert 0.5 < values.min() <= values.max() < 1.3
    for found, expected in zip(rest, [*theirs.parameters()][1:], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_filters_of_constant_norm_stay_so() -> None:
    model = net()
    optimizer = Muon(model.parameters(), lr=1e-4, constant_norm=True)
    for seed in range(3):
        gradients(model, seed)
        optimizer.step()
    assert model[0].weight.norm().item() == pytest.approx(8**0.5, rel=1e-2)


def test_groups_keep_their_proportions_and_the_head_is_adamws_wherever_it_stands() -> None:
    model = net()
    groups = [{"params": [*model[4].parameters()], "lr": 0.1}, {"params": [*model[0].parameters()], "lr": 0.01}]
    found = build_optimizer(OptimizerConfig(name="muon", lr=0.1, adam_lr=0.02), model, PICTURES, groups).param_groups
    assert [group["orthogonal"] for group in found] == [False, True, False]
    assert [group["lr"] for group in found] == pytest.approx([0.02, 0.01, 0.002])
    assert found[1]["params"] == [model[0].weight]


def test_embeddings_are_adamws() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    found = build_optimizer(OptimizerConfig(name="muon"), model, torch.zeros(2, 2, dtype=torch.long)).param_groups
    assert [p.shape for group in found if group["orthogonal"] for p in group["params"]] == [(8, 8)]


def matrices(model: nn.Module) -> set[str]:
    """The names of all matrices and filters of layers, embeddings' left out."""
    embedded = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    return {
        f"{layer}.{name}" if layer else name
        for layer, module in model.named_modules()
        if isinstance(module, LAYERS)
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim >= 2 and id(parameter) not in embedded
    }


def hidden(model: nn.Module, inputs: Tensor) -> set[str]:
    """The names of the matrices that muon orthogonalises."""
    found = {id(parameter) for parameter in hidden_matrices(model, inputs)}
    assert model.training
    return {name for name, parameter in model.named_parameters() if id(parameter) in found}


@pytest.mark.parametrize("name", OWN)
def test_of_every_network_for_pictures_all_but_the_head_is_muons(name: str) -> None:
    model = models.build(name, spec((3, 32, 32), 7), **NEEDED.get(name, {}))
    assert hidden(model, torch.zeros(2, 3, 32, 32)) == matrices(model) - {f"{find_head(model, 7)}.weight"}


@pytest.mark.parametrize("name", FAMILIES)
def test_of_torchvisions_networks_all_but_the_head_is_muons(name: str) -> None:
    size = 299 if name == "inception_v3" else 224
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        model = models.build(name, spec((3, size, size), 7)).to("meta")
    inputs = torch.zeros(2, 3, size, size, device="meta")
    with torch.device("meta"):
        assert hidden(model, inputs) == matrices(model) - {f"{find_head(model, 7)}.weight"}


@pytest.mark.parametrize("made", [text_spec(), text_spec(vocabulary="?abcdefghijklmno")], ids=["V=9", "V=width"])
@pytest.mark.parametrize(("name", "args"), TEXT_MODELS)
def test_of_networks_for_text_the_head_is_left_to_adamw_and_with_tied_weights_the_embedding_is_it(
    name: str, args: dict[str, Any], made: DataSpec
) -> None:
    model = models.build(name, made, **args)
    found = hidden(model, torch.zeros(2, *made.input_shape, dtype=torch.long))
    tied = name == "transformer" and args.get("tie_weights", True)
    assert found == matrices(model) - (set() if tied else {"head.weight"})
    assert not tied or "decoder.blocks.1.down.weight" in found


@pytest.mark.parametrize(("name", "args"), SERIES_MODELS)
def test_of_networks_for_series_all_but_the_head_is_muons(name: str, args: dict[str, Any]) -> None:
    made = series_spec()
    model = models.build(name, made, **args)
    head = find_head(model, made.num_outputs)
    assert hidden(model, torch.zeros(2, *made.input_shape)) == matrices(model) - {f"{head}.weight"}


class HeadFirst(nn.Module):
    """A network of somebody's own that lists its head first, and gives as many values as it has inside."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4)
        self.inner, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)
        self.scale = nn.Parameter(torch.ones(1, 4))

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = self.norm(self.head(F.relu(self.inner(x)))) * self.scale
        return scaled


def test_the_head_is_what_gives_the_outputs_wherever_the_network_lists_it() -> None:
    assert hidden(HeadFirst(), torch.zeros(2, 4)) == {"inner.weight"}


def test_looking_for_the_head_changes_neither_statistics_nor_random_numbers() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    hidden_matrices(model, torch.ones(2, 4))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_impossible_betas_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        build_optimizer(OptimizerConfig(name="muon", betas=[1.0, 0.95]), net(), PICTURES)


def test_its_state_can_be_saved_and_loaded() -> None:
    one, two = net(), net()
    first, second = Muon(one.parameters()), Muon(two.parameters())
    gradients(one)
    first.step()
    two.load_state_dict(one.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for model, optimizer in ((one, first), (two, second)):
        gradients(model, 1)
        optimizer.step()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
