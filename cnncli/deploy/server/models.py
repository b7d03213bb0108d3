"""The networks of a server: loaded, named, tried once, and asked."""

import asyncio
import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnncli.core.cores import usable_cores
from cnncli.core.errors import ConfigError
from cnncli.core.spec import Pictures, Series, Table, Text
from cnncli.deploy.description import describe
from cnncli.deploy.exported import OnnxNetwork, load_exported
from cnncli.deploy.formats import as_json
from cnncli.deploy.graph import graph_of
from cnncli.deploy.server.batching import Batcher
from cnncli.deploy.server.limits import Limits, Room
from cnncli.deploy.server.metrics import Metrics
from cnncli.deploy.server.pictures import PictureAnswers
from cnncli.deploy.server.rows import MAX_ROWS, RowAnswers
from cnncli.deploy.server.series import SeriesAnswers
from cnncli.deploy.server.texts import TextAnswers
from cnncli.inference.predictor import Predictor, load_predictor

QUEUED_BYTES = 2**27  # that samples may have together where --queue says nothing
QUEUED = {"pictures": 256, "rows": MAX_ROWS, "series": 64, "text": 64}
BATCHES = {"pictures": 32, "rows": 1024}
DECODERS = 4  # threads at most
NAME = re.compile(r"[\w.-]{1,100}")

Answers = PictureAnswers | RowAnswers | SeriesAnswers | TextAnswers


@dataclass(frozen=True)
class Threads:
    """Where the work is done that would hold up the event loop.

    One thread asks the networks, batch by batch; forecasts and texts, which are no batches, have two of their own.
    """

    network: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "network"))
    decoding: Executor = field(default_factory=lambda: ThreadPoolExecutor(min(usable_cores(), DECODERS), "decoding"))
    jobs: Executor = field(default_factory=lambda: ThreadPoolExecutor(2, "jobs"))

    def stop(self) -> None:
        """Let what is running end, and drop what waits."""
        for each in (self.decoding, self.network, self.jobs):
            each.shutdown(wait=False, cancel_futures=True)


class Model:
    """One network by its name: what it answers, how it is described, and the room that requests have."""

    def __init__(self, name: str, answers: Answers, description: dict[str, Any], limits: Limits) -> None:
        self.name, self.answers, self.description = name, answers, description
        self.room = Room(limits.queue or _queue(answers), "samples", "queue")
        self.explaining = Room(4, "explanations", "queue")
        self.batch = min(limits.batch or BATCHES.get(answers.kind, 1), self.room.size)
        self.wait, self.timeout = limits.wait / 1000, limits.timeout
        self._batcher: Batcher[Any, Any] | None = None

    def start(self, threads: Threads, metrics: Metrics) -> "asyncio.Task[None] | None":
        """Begin to answer batches in the running event loop; None where there are no batches."""
        if isinstance(self.answers, SeriesAnswers | TextAnswers):
            return None
        told = metrics.batched(self.name)
        self._batcher = Batcher(self.answers.answer, threads.network, self.batch, self.wait, told)
        return asyncio.create_task(self._batcher.run())

    async def batched(self, samples: Sequence[Any]) -> list[Any]:
        """The network's answers to samples, for which there must be room."""
        assert self._batcher is not None, "start() comes first"
        return await self._batcher.answers(samples)

    async def job(self, content: bytes, threads: Threads) -> dict[str, Any]:
        """The answer to a body where nothing can be batched; its place is taken until the work really ends."""
        assert isinstance(self.answers, SeriesAnswers | TextAnswers)
        loop, room = asyncio.get_running_loop(), self.room
        room.take(1)
        work = threads.jobs.submit(self.answers.respond, content, time.monotonic() + self.timeout)
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(room.give, 1))
        return await asyncio.wrap_future(work)

    def try_once(self) -> None:
        """Answer a batch of examples: what does not work is known before anyone asks, and memory is there."""
        if isinstance(self.answers, PictureAnswers | RowAnswers):
            self.answers.answer([self.answers.example()] * self.batch)


def _queue(answers: Answers) -> int:
    size = getattr(answers, "sample_bytes", 1)
    return max(min(QUEUED[answers.kind], QUEUED_BYTES // size), 8)


def load_models(
    paths: Sequence[Path], names: Sequence[str], overrides: Sequence[str], plugins: Sequence[Path], limits: Limits
) -> list[Model]:
    """The networks in these files by their names, which are those of their runs where there are no others.

    Raises ``ConfigError`` for names that are missing, there twice or no part of an address, and as ``load_predictor``.
    """
    if names and len(names) != len(paths):
        raise ConfigError(f"--name is given {len(names)} times for {len(paths)} networks; give each a name, or none")
    models: list[Model] = []
    for number, path in enumerate(paths):
        predictor = _load(path, overrides, plugins)
        name = names[number] if names else predictor.config.name.rpartition("/")[2]
        if not NAME.fullmatch(name) or name in (".", ".."):
            raise ConfigError(f"'{name}': a name in an address has letters, digits, '.', '-' and '_'; set --name")
        if any(name == other.name for other in models):
            raise ConfigError(f"{path}: '{name}' is the name of another network; set --name for each")
        models.append(Model(name, _answers(predictor, limits), _described(predictor), limits))
    return models


def _load(path: Path, overrides: Sequence[str], plugins: Sequence[Path]) -> Predictor:
    if path.suffix == ".onnx":
        if overrides:
            raise ConfigError(
                f"'{overrides[0]}' cannot change an exported network; leave it out, or serve the checkpoint"
            )
        return load_exported(path)
    return load_predictor(path, overrides, plugins)


def _described(predictor: Predictor) -> dict[str, Any]:
    """What a client is told of a network: the contents of an export's model.json, but for what is cnncli's own."""
    network = predictor.network
    found = network.description if isinstance(network, OnnxNetwork) else describe(predictor, graph_of(predictor))
    return {key: value for key, value in json.loads(as_json(found)).items() if key != "own"}


def _answers(predictor: Predictor, limits: Limits) -> Answers:
    """What answers for a network, by the kind of its samples."""
    kinds: dict[type, type[RowAnswers] | type[SeriesAnswers] | type[TextAnswers]] = {
        Table: RowAnswers, Series: SeriesAnswers, Text: TextAnswers
    }  # fmt: skip
    preprocess = type(predictor.spec.preprocess)
    return PictureAnswers(predictor, limits.max_pixels) if preprocess is Pictures else kinds[preprocess](predictor)
