"""The runs in a folder as they are on the disk: what each is, how it stands, and what it has reached.

Nothing here imports torch or checks a config: hundreds of runs are read in a fraction of a second, and what is damaged
is told of the run that it belongs to.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from cnncli.runs.ending import ENDED, read_ending
from cnncli.runs.lock import LOCK, is_locked
from cnncli.runs.outcome import NOTHING, Outcome, Progress, read_outcome, read_progress
from cnncli.runs.references import BEST, DEEPEST, LAST
from cnncli.runs.seed_sets import SEEDS, SeedSet, read_seed_set
from cnncli.runs.settings import SEED, Settings, SettingsReader

State = Literal["finished", "interrupted", "running", "failed", "damaged"]

CONFIG, REPORT, RESULT, HISTORY = "config.yaml", "report.json", "result.json", "metrics.jsonl"
STAMP = "%Y%m%d-%H%M%S"
_MARKS = frozenset({CONFIG, "environment.json", ".launch", LOCK, BEST, LAST})
_STAMP = re.compile(r"(\d{8}-\d{6})(?!\d)")


@dataclass(frozen=True)
class ListedRun:
    """A run's folder.

    ``cause`` says why it failed, was interrupted, or cannot be read. ``began`` is in local time; ``seconds`` are those
    of training and evaluation, None where no epoch is done.
    """

    path: Path
    name: str  # of the run: the folder's path in the folder of runs, without its id
    state: State
    began: datetime
    cause: str = ""
    settings: Settings = field(default_factory=dict)
    outcome: Outcome = NOTHING
    epochs: int = 0  # that are done
    seconds: float | None = None
    seeds: SeedSet | None = None

    @property
    def seed(self) -> int | None:
        """The seed, where the config is readable."""
        seed = self.settings.get(SEED)
        return seed if isinstance(seed, int) else None


def list_runs(folder: Path, runs_dir: Path) -> list[ListedRun]:
    """Every run in ``folder``, itself included, the one that began last first."""
    reader = SettingsReader()
    found = [read_run(path, files, runs_dir, reader) for path, files in _walk(str(folder), set())]
    return sorted(found, key=lambda run: (run.began, run.path.name), reverse=True)


def _walk(folder: str, seen: set[tuple[int, int]], depth: int = 0) -> Iterator[tuple[Path, frozenset[str]]]:
    """Every run in ``folder``, and the names of its files; no folder twice, whatever links lead to it."""
    try:
        about = os.stat(folder)
        with os.scandir(folder) as entries:
            below = {entry.name: entry.is_dir() for entry in entries}
    except OSError:  # a folder that cannot be read, or has just gone
        return
    if (about.st_dev, about.st_ino) in seen:
        return
    seen.add((about.st_dev, about.st_ino))
    files = frozenset(name for name, is_folder in below.items() if not is_folder)
    if files & _MARKS:
        yield Path(folder), files
        return
    if depth < DEEPEST:
        for name in sorted(name for name, is_folder in below.items() if is_folder and name[0] != "."):
            yield from _walk(os.path.join(folder, name), seen, depth + 1)


def read_run(path: Path, files: frozenset[str], runs_dir: Path, reader: SettingsReader) -> ListedRun:
    """The run in a folder that has these files; what cannot be read makes it a damaged one."""
    running = LOCK in files and is_locked(path)
    faults: list[str] = []
    settings: Settings = {}
    progress, outcome, seeds = Progress(), NOTHING, None
    kept = next((name for name in (REPORT, RESULT) if name in files), None)
    with _noting(CONFIG, faults):
        settings = reader.read((path / CONFIG).read_text(encoding="utf-8")) if CONFIG in files else {}
    with _noting(HISTORY, faults):
        progress = read_progress(path / HISTORY) if HISTORY in files else Progress()
    with _noting(kept or HISTORY, faults):
        outcome = read_outcome(path / kept) if kept else progress.outcome(settings)
    with _noting(SEEDS, faults):
        seeds = read_seed_set(path) if SEEDS in files else None
    goes_on = outcome.epochs is not None and progress.epochs > outcome.epochs  # it is trained on after its result
    state, cause = _state(path, files, kept is not None and not goes_on, running, faults)
    return ListedRun(
        path, _name(path, runs_dir), state, _began(path, files), cause, settings, outcome,
        progress.epochs or outcome.epochs or 0, progress.seconds, seeds,
    )  # fmt: skip


@contextmanager
def _noting(name: str, faults: list[str]) -> Iterator[None]:
    """Add to ``faults`` what is wrong with a file of the run that is read inside."""
    try:
        yield
    except (OSError, ValueError, RecursionError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        faults.append(f"{name} cannot be read ({cause.splitlines()[0] if cause else type(error).__name__})")


def _state(path: Path, files: frozenset[str], done: bool, running: bool, faults: list[str]) -> tuple[State, str]:
    """How a run stands, and why."""
    if running:
        return "running", ""
    if faults:
        return "damaged", "; ".join(faults)
    if CONFIG not in files and files & {BEST, LAST, REPORT, RESULT}:
        return "damaged", f"has no {CONFIG}"
    if done:
        return "finished", ""
    ending = read_ending(path) if ENDED in files else None
    if ending is not None:
        return ending.state, ending.cause
    if LAST in files:
        return "interrupted", ""
    return ("damaged", f"has {BEST}, but neither {LAST} nor {REPORT}") if BEST in files else ("failed", "")


def _name(path: Path, runs_dir: Path) -> str:
    """The name of a run, as ``references.name_of``; a run outside of the folder of runs is called by its path."""
    try:
        inside = path.relative_to(runs_dir)
    except ValueError:
        inside = path
    return inside.parent.as_posix() if len(inside.parts) > 1 else inside.as_posix()


def _began(path: Path, files: frozenset[str]) -> datetime:
    """When a run began: its id says so, else what was written first."""
    if stamp := _STAMP.match(path.name):
        try:
            return datetime.strptime(stamp[1], STAMP)
        except ValueError:  # digits that are no time
            pass
    times = []
    for name in files & {LOCK, CONFIG, BEST, LAST, RESULT}:
        try:
            times.append(os.stat(path / name).st_mtime)
        except OSError:  # it has just gone
            continue
    return datetime.fromtimestamp(min(times)) if times else datetime.fromtimestamp(0)
