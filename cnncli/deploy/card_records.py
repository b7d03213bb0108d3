"""What a run has written down of a checkpoint: all that a model card may say."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cnncli.core.errors import StorageError
from cnncli.core.members import SPLITS
from cnncli.core.results import Values
from cnncli.core.spec import Split
from cnncli.runs.checkpoint import Checkpoint, load_checkpoint
from cnncli.runs.history import Record, read_history
from cnncli.runs.listing import list_runs
from cnncli.runs.references import BEST
from cnncli.runs.results import RunResult, read_result
from cnncli.runs.run_folder import RunFolder
from cnncli.runs.seed_sets import SEEDS, SeedSet, read_seed_set
from cnncli.runs.test_looks import Looks, in_run, read_looks


@dataclass(frozen=True)
class Records:
    """``result`` is None where there is none, or it is of other weights; ``origin`` is of weights from elsewhere."""

    checkpoint: Checkpoint
    sha256: str
    result: RunResult | None
    history: list[Record]
    looks: Looks | None
    environment: dict[str, Any]
    origin: dict[str, Any]
    seeds: SeedSet | None
    began: datetime | None

    @property
    def title(self) -> str:
        """What people call the network."""
        folder = self.checkpoint.path.parent
        name = self.checkpoint.config.name
        return f"{name}/{folder.name}" if in_run(self.checkpoint.path) else str(name)

    @property
    def metrics(self) -> dict[str, Values]:
        """Those of each split: of the result, else those that the checkpoint itself has of validation."""
        if self.result is not None:
            return self.result.metrics
        known = self.checkpoint.metrics.items()
        values = {name.removeprefix("val/"): value for name, value in known if name.startswith("val/")}
        return {"val": values} if values else {}

    @property
    def counts(self) -> dict[Split, int]:
        """How many samples each split has, as far as it is known."""
        found = {split: self.result.samples[split] for split in SPLITS if split in self.result.samples} \
            if self.result is not None else {}  # fmt: skip
        members = self.checkpoint.members
        if members is not None and len(members.split):
            found |= {split: len(members.of(split)) for split in SPLITS if len(members.of(split))}
        return found


def read_records(path: Path) -> Records:
    """The records of the checkpoint at ``path`` and of the run that it lies in.

    Raises ``CheckpointError`` for a file that is no checkpoint; what else is missing or damaged is left out.
    """
    checkpoint, run = load_checkpoint(path), RunFolder(path.parent)
    result = _result(checkpoint, run)
    inside = in_run(path)
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Records(
        checkpoint=checkpoint,
        sha256=sha256,
        result=result,
        history=_history(run, result),
        looks=read_looks(run) or (None if result is None else result.test_looks),
        environment=_mapping(run.environment) if inside else {},
        origin=_mapping(run.adopted) if inside else {},
        seeds=_seeds(run.path) if inside else None,
        began=next((listed.began for listed in list_runs(run.path, run.path.parent)), None) if inside else None,
    )


def _result(checkpoint: Checkpoint, run: RunFolder) -> RunResult | None:
    """The result, if it is that of these very weights: the best ones, of the epoch that it names."""
    if checkpoint.path.name != BEST or not run.report.is_file():
        return None
    try:
        found = read_result(run.report)
    except StorageError:
        return None
    return found if found.best_epoch == int(checkpoint.metrics.get("epoch", 0)) else None


def _history(run: RunFolder, result: RunResult | None) -> list[Record]:
    try:
        return [] if result is None else read_history(run, result.epochs)
    except StorageError:
        return []


def _mapping(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _seeds(run: Path) -> SeedSet | None:
    try:
        return read_seed_set(run) if (run / SEEDS).is_file() else None
    except (OSError, ValueError):
        return None
