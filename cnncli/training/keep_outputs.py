"""The answers of a finished run to its validation and test samples, as files that comparisons are made from."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnncli.core.members import Members
from cnncli.core.notices import notice
from cnncli.core.spec import Split
from cnncli.data.bundle import DataBundle
from cnncli.data.sources import ArraySource, Source
from cnncli.runs.outputs import Outputs, write_outputs
from cnncli.runs.run_folder import RunFolder
from cnncli.training.recorder import Recorder

LIMIT = 200  # MB of a file; above it embeddings are left out, and then the file
NOTHING = np.zeros(0)
NO_EMBEDDING = np.zeros((0, 0), dtype=np.float16)


def keep_outputs(run: RunFolder, outputs: Outputs) -> None:
    """Write ``outputs`` into the run, as far as they are not too large; raises ``StorageError``."""
    path = run.outputs(outputs.split)
    if outputs.size > LIMIT * 2**20 and outputs.embedding.size:
        outputs = replace(outputs, embedding=NO_EMBEDDING)
        notice("outputs", f"{path}: is kept without embeddings, with them it would have more than {LIMIT} MB")
    if outputs.size > LIMIT * 2**20:
        notice("outputs", f"{path}: is not kept, it would have more than {LIMIT} MB")
        return
    write_outputs(path, outputs)


def outputs_of(split: Split, recorder: Recorder, task: str, data: DataBundle) -> Outputs:
    """What the network answered to each sample of ``split``, by the names that the run remembers them by."""
    spec, source = data.spec, data.sources[split]
    found = None if recorder.is_text else recorder.task.answers(recorder.answers.all(), recorder.targets.all())
    embedding = recorder.embedding.all().numpy()
    return Outputs(
        split=split,
        task=task,
        classes=spec.classes if spec.numbers is None else spec.numbers.names,
        positive=None if found is None else found.positive,
        ids=ids_of(split, data.members, source),
        groups=data.groups.get(split, np.zeros(0, dtype=np.str_)),
        order=spec.kind.only is not None,
        target=NOTHING if found is None else found.target.numpy(),
        answer=NOTHING if found is None else found.answer.numpy(),
        thresholds=np.array(() if found is None else found.thresholds, dtype=np.float64),
        loss=recorder.losses.all().double().numpy(),
        weight=np.full(len(source), float(recorder.characters)),
        correct=recorder.right.all().double().numpy() if recorder.is_text else NOTHING,
        embedding=embedding if embedding.ndim == 2 and len(embedding) == len(source) else NO_EMBEDDING,
    )


def ids_of(split: Split, members: Members | None, source: Source) -> NDArray[np.str_]:
    """What the run calls each sample of ``split``: its path, its key, its place in the series or text, or its content.

    Equal contents are told apart by their number: ``0f3c…#2``.
    """
    if members is not None and members.spans:
        spans = [span for span in members.spans if span.split == split]
        if len(spans) == 1:
            return np.array([f"{spans[0].series}@{spans[0].begin}+{step}" for step in range(len(source))])
    if members is not None and len(own := members.of(split)) == len(source):  # all of them are still there
        if members.names:
            return np.array([members.names[row] for row in own])
        return _numbered([f"{int(content) & (2**64 - 1):016x}" for content in members.content[own]])
    if isinstance(source, ArraySource):
        return _numbered([_digest(source[row]) for row in range(len(source))])
    return np.array(source.paths.texts)


def _digest(sample: Tensor) -> str:
    return blake2b(sample.contiguous().numpy().tobytes(), digest_size=8).hexdigest()


def _numbered(names: Sequence[str]) -> NDArray[np.str_]:
    """``names``, with their number behind those that come again."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return np.array(found, dtype=np.str_)
