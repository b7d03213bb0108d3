"""Samples of many requests, answered by the network together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")  # a sample, decoded
A = TypeVar("A")  # its answer


@dataclass(eq=False)
class _Waiting(Generic[S, A]):
    """One sample, since when it waits, and where its answer is awaited."""

    sample: S
    since: float
    answer: "asyncio.Future[A]"


class Batcher(Generic[S, A]):
    """Takes up to ``batch`` samples as soon as there are so many, or the first waited ``wait`` seconds.

    ``answer`` gives an answer for each, in the thread of ``network``: one batch at a time. While one is computed the
    next gathers, so that under load nothing waits in vain. All methods are of one event loop.
    """

    def __init__(
        self, answer: Callable[[list[S]], Sequence[A]], network: Executor, batch: int, wait: float,
        told: Callable[[int, float], None],
    ) -> None:  # fmt: skip
        self._answer, self._network, self._batch, self._wait, self._told = answer, network, batch, wait, told
        self._waiting: deque[_Waiting[S, A]] = deque()
        self._arrived = asyncio.Event()

    async def answers(self, samples: Sequence[S]) -> list[A]:
        """The answers to some samples, which may be of several batches; cancelled, they are passed over."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting[S, A](sample, loop.time(), loop.create_future()) for sample in samples]
        self._waiting += waiting
        self._arrived.set()
        return list(await asyncio.gather(*(each.answer for each in waiting)))

    async def run(self) -> None:
        """Answer for ever; what the network raises is raised where the batch's answers are awaited."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._take()
            if not batch:
                continue
            start = loop.time()
            outcome = self._network.submit(self._answer, [each.sample for each in batch])
            await asyncio.wait([asyncio.wrap_future(outcome)])
            self._told(len(batch), loop.time() - start)
            error = outcome.exception()
            for place, each in enumerate(batch):
                if each.answer.done():  # nobody waits any more
                    continue
                if error is not None:
                    each.answer.set_exception(error)
                else:
                    each.answer.set_result(outcome.result()[place])

    async def _take(self) -> list[_Waiting[S, A]]:
        """The next batch, without what was given up."""
        await self._until(1, None)
        first = self._waiting[0].since + self._wait
        await self._until(self._batch, first)
        taken: list[_Waiting[S, A]] = []
        while self._waiting and len(taken) < self._batch:
            each = self._waiting.popleft()
            if not each.answer.done():
                taken.append(each)
        return taken

    async def _until(self, count: int, end: float | None) -> None:
        """Wait for so many samples, or for a moment of the loop's clock."""
        try:
            async with asyncio.timeout_at(end):
                while len(self._waiting) < count:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            pass
