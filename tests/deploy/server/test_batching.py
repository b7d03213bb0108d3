"""Samples of many requests are answered together, each with its own answer."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from cnncli.deploy.server.batching import Batcher
from cnncli.deploy.server.limits import Refused, Room


def batched(answer: Callable[[list[int]], list[int]], ask: Callable[..., Coroutine[Any, Any, Any]], wait: float) -> Any:
    """What ``ask`` gives with a batcher of at most four, and the sizes of its batches."""
    sizes: list[int] = []

    async def run() -> Any:
        with ThreadPoolExecutor(1) as network:
            batcher = Batcher(answer, network, 4, wait, lambda size, _seconds: sizes.append(size))
            running = asyncio.create_task(batcher.run())
            found = await asyncio.wait_for(ask(batcher), 20)
            running.cancel()
            return found

    return asyncio.run(run()), sizes


def doubled(samples: list[int]) -> list[int]:
    return [2 * sample for sample in samples]


def test_requests_share_batches_and_get_their_own_answers() -> None:
    async def ask(batcher: Batcher[int, int]) -> Any:
        return await asyncio.gather(*(batcher.answers([n, n + 100]) for n in range(6)))

    found, sizes = batched(doubled, ask, 0.05)
    assert found == [[2 * n, 2 * n + 200] for n in range(6)]
    assert sizes == [4, 4, 4]


def test_a_sample_alone_waits_no_longer_than_it_is_told() -> None:
    async def ask(batcher: Batcher[int, int]) -> Any:
        start = asyncio.get_running_loop().time()
        return await batcher.answers([1]), asyncio.get_running_loop().time() - start

    (found, seconds), sizes = batched(doubled, ask, 0.2)
    assert (found, sizes) == ([2], [1])
    assert 0.19 < seconds < 2


def test_while_a_batch_is_computed_the_next_one_gathers() -> None:
    go = threading.Event()

    def slow(samples: list[int]) -> list[int]:
        go.wait(10)
        return samples

    async def ask(batcher: Batcher[int, int]) -> Any:
        first = asyncio.create_task(batcher.answers([0]))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(batcher.answers([n])) for n in (1, 2, 3)]
        await asyncio.sleep(0.05)
        go.set()
        return [await each for each in (first, *others)]

    assert batched(slow, ask, 0) == ([[0], [1], [2], [3]], [1, 3])


def test_what_nobody_waits_for_any_more_is_not_computed() -> None:
    async def ask(batcher: Batcher[int, int]) -> Any:
        gone = asyncio.create_task(batcher.answers([1, 2]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        return await batcher.answers([3])

    assert batched(doubled, ask, 0.01) == ([6], [1])


def test_a_failure_is_told_to_those_of_its_batch_and_the_next_is_answered() -> None:
    def picky(samples: list[int]) -> list[int]:
        if 13 in samples:
            raise ValueError("thirteen")
        return samples

    async def ask(batcher: Batcher[int, int]) -> Any:
        with pytest.raises(ValueError, match="thirteen"):
            await batcher.answers([13])
        return await batcher.answers([1])

    assert batched(picky, ask, 0) == ([1], [1, 1])


def test_room_is_given_back_also_where_something_fails() -> None:
    room = Room(3, "samples", "queue")
    with suppress(KeyError), room.taking(2):
        with pytest.raises(Refused, match="busy with 2 samples") as full:
            room.take(2)
        assert (full.value.status, room.used) == (503, 2)
        raise KeyError
    assert room.used == 0
    with pytest.raises(Refused, match="send at most 3") as large:
        room.take(4)
    assert large.value.status == 413
