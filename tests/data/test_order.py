"""How several processes share the samples: every batch in training, the set in evaluation."""

import pytest
import torch

from cnncli.data.order import Order, Share


def orders(samples: int, size: int, training: bool, count: int) -> list[Order]:
    return [Order(samples, size, training, seed=3, share=Share(index, count)) for index in range(count)]


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("samples", [0, 1, 2, 10, 143])
def test_evaluation_counts_every_sample_once_and_in_order(samples: int, count: int) -> None:
    shared = orders(samples, 8, False, count)
    seen = [part.indices for order in shared for part in order.parts(0)]
    assert torch.equal(torch.cat([torch.zeros(0, dtype=torch.int64), *seen]), torch.arange(samples))
    assert [len(order) for order in shared] == [len(order.parts(0)) for order in shared]
    assert all(len(indices) for indices in seen)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("samples", [24, 25, 26, 27, 28, 30, 35])
def test_every_batch_of_training_is_shared(samples: int, count: int) -> None:
    """The batches are those of one process; one that is too small for all is given to all."""
    whole, shared = Order(samples, 8, True, seed=3), orders(samples, 8, True, count)
    parts = [order.parts(5) for order in shared]
    assert {len(order) for order in shared} == {len(whole)}
    place = 0
    for number, batch in enumerate(whole.batches(5)):
        own = [part[number] for part in parts]
        if len(batch) < 2 * count:
            assert [order.repeated for order in shared] == [None, *[number] * (count - 1)]
            own = own[:1]
        assert torch.equal(torch.cat([part.indices for part in own]), batch)
        assert torch.equal(torch.cat([part.positions for part in own]), torch.arange(place, place + len(batch)))
        assert all(len(part.indices) >= 2 for part in own)
        place += len(batch)
    if all(len(batch) >= 2 * count for batch in whole.batches(5)):
        assert {order.repeated for order in shared} == {None}


def test_one_process_has_everything() -> None:
    order = Order(21, 10, True, seed=1)
    assert [len(part.indices) for part in order.parts(0)] == [10, 11]
    assert order.repeated is None
