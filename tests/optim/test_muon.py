"""Muon: orthogonal steps for filters and matrices, AdamW for everything else."""

import copy

import pytest
import torch
from torch import nn

from cnncli.core.config import OptimizerConfig
from cnncli.optim.muon import Muon, orthogonalized
from cnncli.optim.optimizers import build_optimizer


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
    optimizer = Muon(ours.parameters(), lr=0.1, adam_lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
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


def test_the_rates_of_groups_keep_their_proportions() -> None:
    model = net()
    groups = [{"params": [*model[0].parameters()], "lr": 0.01}, {"params": [*model[4].parameters()], "lr": 0.1}]
    optimizer = build_optimizer(OptimizerConfig(name="muon", lr=0.1, adam_lr=0.02), model, groups)
    rates = {group["orthogonal"]: group["lr"] for group in optimizer.param_groups[:2]}
    assert rates == {True: pytest.approx(0.01), False: pytest.approx(0.002)}
    assert optimizer.param_groups[2]["lr"] == pytest.approx(0.02), "the last matrix is AdamW's"


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
