"""Muon: orthogonal steps for filters and matrices, AdamW for everything else."""

import copy

import pytest
import torch
from torch import nn

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import OptimizerConfig
from cnncli.core.errors import ConfigError
from cnncli.optim.muon import Muon, orthogonalized
from cnncli.optim.optimizers import build_optimizer

fill_registries()


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


def test_filters_step_orthogonally_and_the_rest_as_adamw_does() -> None:
    ours, theirs = net(), net()
    config = OptimizerConfig(name="muon", lr=0.1, adam_lr=0.01, betas=[0.9, 0.95], weight_decay=0.1)
    optimizer = build_optimizer(config, ours)
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
    found = build_optimizer(OptimizerConfig(name="muon", lr=0.1, adam_lr=0.02), model, groups).param_groups
    assert [group["orthogonal"] for group in found] == [False, True, False]
    assert [group["lr"] for group in found] == pytest.approx([0.02, 0.01, 0.002])
    assert found[1]["params"] == [model[0].weight]


def test_embeddings_are_adamws() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    found = build_optimizer(OptimizerConfig(name="muon"), model).param_groups
    assert [p.shape for group in found if group["orthogonal"] for p in group["params"]] == [(8, 8)]


def test_impossible_betas_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        build_optimizer(OptimizerConfig(name="muon", betas=[1.0, 0.95]), net())


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
