"""Random numbers that depend on seed, epoch and position: uniform, independent, and the same however they are asked."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from cnncli.data.draws import Draws

N = 20_000


def draws(seed: int = 0, epoch: int = 0, first: int = 0, count: int = N) -> Draws:
    positions = torch.arange(first, first + count)
    return Draws(seed, epoch, positions, positions)


def correlation(one: Tensor, two: Tensor) -> float:
    return float(torch.corrcoef(torch.stack((one, two)))[0, 1])


def test_uniform_numbers_are_uniform() -> None:
    values = draws().uniform(-2.0, 3.0)
    assert values.dtype == torch.float64
    assert -2 <= values.min() < values.max() < 3
    assert stats.kstest(values, stats.uniform(-2, 5).cdf).pvalue > 0.01


def test_integers_are_equally_likely_for_one_bound_and_for_many() -> None:
    counts = torch.bincount(draws().integers(7), minlength=7)
    assert stats.chisquare(counts).pvalue > 0.01
    bounds = torch.arange(N) % 5 + 1
    found = draws().integers(bounds)
    assert all(set(found[bounds == n].tolist()) == set(range(n)) for n in range(1, 6))


def test_samples_calls_epochs_and_seeds_are_independent() -> None:
    one = draws()
    first, second = one.uniform(), one.uniform()
    others = [first.roll(1), second, second.roll(1), draws(epoch=1).uniform(), draws(seed=1).uniform(),
              draws(epoch=1, first=1).uniform()]  # fmt: skip
    for other in others:
        assert abs(correlation(first, other)) < 4 / N**0.5


def test_draws_do_not_depend_on_how_an_epoch_is_cut() -> None:
    whole = draws(count=100)
    expected = whole.uniform(), whole.integers(9), torch.tensor(whole.seeds()), whole.chance(0.5)
    for size in (1, 7, 64):
        parts = [draws(first=first, count=min(size, 100 - first)) for first in range(0, 100, size)]
        found = [(d.uniform(), d.integers(9), torch.tensor(d.seeds()), d.chance(0.5)) for d in parts]
        for column, values in zip(zip(*found, strict=True), expected, strict=True):
            assert torch.equal(torch.cat(column), values)


def test_draws_neither_see_nor_move_the_global_generator() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = draws().uniform()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert torch.equal(draws().uniform(), first)


def test_the_place_counts_and_not_the_sample() -> None:
    same_sample = Draws(0, 0, torch.zeros(50, dtype=torch.int64), torch.arange(50))
    assert len(set(same_sample.uniform().tolist())) == 50
    assert len(set(same_sample.lasting_bit().tolist())) == 1


def test_a_lasting_bit_is_the_sample_s_own_in_every_epoch_and_place() -> None:
    indices = torch.arange(N)
    bits = Draws(0, 0, indices, indices).lasting_bit()
    assert bits.double().mean().item() == pytest.approx(0.5, abs=0.02)
    order = torch.randperm(N)
    assert torch.equal(Draws(0, 7, order, indices).lasting_bit(), bits[order])
    assert not torch.equal(Draws(1, 0, indices, indices).lasting_bit(), bits)
