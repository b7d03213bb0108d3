"""The history of a run: one record an epoch, as ``metrics.jsonl`` keeps it."""

import json

from cnncli.core.errors import StorageError
from cnncli.runs.run_folder import RunFolder

Record = dict[str, float]
"""``epoch``, ``lr``, ``train/loss``, ``val/accuracy``, …"""


def read_history(run: RunFolder, finished_epochs: int) -> list[Record]:
    """The records of the epochs that are finished; later ones belong to work that will be done again."""
    if not finished_epochs or not run.metrics.is_file():
        return []
    try:
        lines = [json.loads(line) for line in run.metrics.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise StorageError(f"{run.metrics}: cannot be read ({error}); restore it or start a new run") from error
    return [line for line in lines if line["epoch"] <= finished_epochs]
