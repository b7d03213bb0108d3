"""What ``cnncli runs`` is asked for, found."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnncli.core.errors import ConfigError
from cnncli.core.files import user_path
from cnncli.runs.listing import ListedRun, list_runs
from cnncli.runs.references import unknown
from cnncli.runs.rows import Row, as_rows
from cnncli.runs.selection import best_of_each, conditions, in_order, kept, known_key
from cnncli.runs.settings import differing_keys


@dataclass(frozen=True)
class Shown:
    """The rows in their order, in which keys their configs differ, and how many runs there are in the folder."""

    folder: Path
    rows: list[Row]
    differing: list[str]
    total: int


def shown_runs(name: str | None, runs_dir: Path, sort: str, filters: Sequence[str], best: bool, merge: bool) -> Shown:
    """The runs called ``name``, in that group or folder, or all; raises ``CnncliError`` where there is none."""
    folder, found = _found(name, runs_dir)
    runs = kept(found, conditions(filters, found))
    backwards = sort.startswith("-")
    key = known_key(sort.removeprefix("-"), found, "--sort")
    rows = in_order(as_rows(runs, merge), key, backwards)
    rows = best_of_each(rows) if best else rows
    return Shown(folder, rows, differing_keys([run.settings for row in rows for run in row.runs]), len(found))


def _found(name: str | None, runs_dir: Path) -> tuple[Path, list[ListedRun]]:
    """The folder that is meant, and the runs in it: a folder wins over a name, as elsewhere."""
    if name is None:
        if runs_dir.exists() and not runs_dir.is_dir():
            raise ConfigError(f"{runs_dir}: is no folder; name the folder of runs with --runs-dir")
        return runs_dir, list_runs(runs_dir, runs_dir)
    path = user_path(name)
    for folder in (path, runs_dir / path):
        if os.path.isdir(folder) and (runs := list_runs(folder, runs_dir)):
            return folder, runs
    raise unknown(name, runs_dir, what="run, name of runs or folder")
