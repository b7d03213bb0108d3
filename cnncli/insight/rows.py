"""The runs that the arguments of a comparison name: each argument is a row, of runs that differ only in the seed."""

import glob
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cnncli.core.errors import CheckpointError, ConfigError, StorageError
from cnncli.core.files import user_path
from cnncli.core.notices import notice
from cnncli.core.printable import shell_word
from cnncli.core.spec import Split
from cnncli.insight.pairs import scores_of
from cnncli.runs.listing import HISTORY, ListedRun, list_runs
from cnncli.runs.references import BEST, LATEST, lookup, unknown
from cnncli.runs.settings import SEED, differing_keys, same_but_for_seed
from cnncli.scoring.statistics import FEWEST_SEEDS

SIGNS = "*?["


@dataclass(frozen=True, eq=False)
class Row:
    """The runs of one argument, which differ in nothing but the seed, in the order of their seeds."""

    argument: str
    runs: tuple[ListedRun, ...]
    split: Split

    @property
    def seeds(self) -> list[int | None]:
        """The seed of each run."""
        return [run.seed for run in self.runs]

    @property
    def single(self) -> bool:
        """Whether it is one run only."""
        return len(self.runs) == 1

    @property
    def enough(self) -> bool:
        """Whether there are enough seeds to compare the settings."""
        return len(self.runs) >= FEWEST_SEEDS

    def metrics(self, run: ListedRun) -> dict[str, float]:
        """What a run of this row has told of the split, and the further scores of what it has kept."""
        prefix = f"{self.split}/"
        return self._told(prefix, run) | self._scores[self.runs.index(run)]

    @cached_property
    def _scores(self) -> list[dict[str, float]]:
        return [scores_of(run, self.split) for run in self.runs]

    def _told(self, prefix: str, run: ListedRun) -> dict[str, float]:
        return {key.removeprefix(prefix): value for key, value in run.outcome.metrics.items() if key.startswith(prefix)}

    def baselines(self, metric: str) -> list[tuple[str, float]]:
        """What needs no network on this split: its name, and what it reaches by the headline, where that is asked."""
        run = self.runs[0]
        if metric != run.outcome.headline:
            return []
        if run.outcome.split == self.split:
            return [(each.name, each.value) for each in run.outcome.baselines if each.value is not None]
        try:  # the history has that of validation
            with open(run.path / HISTORY, encoding="utf-8") as file:
                first = json.loads(file.readline())
            value = first.get(f"baseline/{run.outcome.headline}") if self.split == "val" else None
        except (OSError, ValueError):
            return []
        return [("baseline", float(value))] if isinstance(value, int | float) else []


def find_rows(words: Sequence[str], runs_dir: Path, split: Split) -> list[Row]:
    """The row of each argument; raises ``CheckpointError`` or ``ConfigError`` for one that names no result."""
    rows = [Row(word, _same(word, _finished(word, _named(word, runs_dir), split)), split) for word in words]
    first = rows[0].runs[0].outcome
    for row in rows[1:]:
        other = row.runs[0].outcome
        if other.headline != first.headline:
            raise ConfigError(
                f"{row.argument} is judged by {other.headline}, {rows[0].argument} by {first.headline}; "
                "compare runs of the same task"
            )
    seen: dict[Path, Row] = {}
    for row in rows:
        for run in row.runs:
            if (before := seen.setdefault(run.path.resolve(), row)) is not row:
                raise ConfigError(f"{before.argument} and {row.argument} are the same run ({run.path}); name another")
    return rows


def _named(word: str, runs_dir: Path) -> list[ListedRun]:
    """All runs that a word stands for, the newest first."""
    if word == LATEST:
        found = lookup(word, runs_dir, BEST)
        return list_runs(found.parent, runs_dir) if found else _none(word, runs_dir)
    path = user_path(word)
    for candidate in (path, runs_dir / path):
        folder = candidate.parent if os.path.isfile(candidate) else candidate
        if os.path.isdir(folder) and (runs := list_runs(folder, runs_dir)):
            return runs
    if any(sign in word for sign in SIGNS):
        return _matching(word, path, runs_dir)
    return _none(word, runs_dir)


def _none(word: str, runs_dir: Path) -> list[ListedRun]:
    raise unknown(word, runs_dir, what="run")


def _matching(word: str, path: Path, runs_dir: Path) -> list[ListedRun]:
    """The runs that a pattern fits, in this folder or in that of runs."""
    for pattern in (path, runs_dir / path):
        folders = [Path(match) for match in glob.glob(str(pattern)) if os.path.isdir(match)]
        found = {run.path: run for folder in folders for run in list_runs(folder, runs_dir)}
        if found:
            return sorted(found.values(), key=lambda run: (run.began, run.path.name), reverse=True)
    raise CheckpointError(f"{word}: no run fits this pattern; cnncli runs lists them")


def _finished(word: str, runs: list[ListedRun], split: Split) -> list[ListedRun]:
    """Those that have a result on the split; raises ``CheckpointError`` where none has."""
    done = [run for run in runs if run.state == "finished"]
    left = [run for run in runs if run.state != "finished"]
    if not done:
        raise _unfinished(runs[0])
    if left:
        notice("compare", f"{word}: {len(left)} of {len(runs)} runs have no result and are left out ({left[0].path})")
    told = [run for run in done if any(key.startswith(f"{split}/") for key in run.outcome.metrics)]
    if not told:
        known = sorted({key.split("/")[0] for key in done[0].outcome.metrics} - {"train"})
        raise CheckpointError(f"{done[0].path}: has no result on {split}; compare on --split {' or '.join(known)}")
    return told


def _unfinished(run: ListedRun) -> CheckpointError | StorageError:
    if run.state == "damaged":
        return StorageError(f"{run.path}: {run.cause}; name another run")
    advice = "wait for it" if run.state == "running" else f"go on with: cnncli train --resume {shell_word(run.path)}"
    return CheckpointError(f"{run.path}: has no result yet ({run.state}); {advice}")


def _same(word: str, runs: list[ListedRun]) -> tuple[ListedRun, ...]:
    """The runs that differ from the newest in nothing but the seed; ``ConfigError`` where a pattern has others."""
    newest = same_but_for_seed(runs[0].settings)
    same = [run for run in runs if same_but_for_seed(run.settings) == newest]
    if others := [run for run in runs if run not in same]:
        keys = ", ".join(differing_keys([runs[0].settings | {SEED: 0}, others[0].settings | {SEED: 0}])[:3])
        if any(sign in word for sign in SIGNS):
            raise ConfigError(
                f"{word}: its runs differ in more than the seed ({keys}: {same[0].path.name} and "
                f"{others[0].path.name}); name each setting by an argument of its own"
            )
        notice("compare", f"{word} stands for the newest settings ({len(same)} runs); {len(others)} others differ in "
                          f"{keys}: {others[0].path}")  # fmt: skip
    by_seed: dict[int | None, ListedRun] = {}
    for run in same:
        if run.seed in by_seed:
            notice("compare", f"{word}: seed {run.seed} was trained more than once, the newest counts")
        by_seed.setdefault(run.seed, run)
    return tuple(sorted(by_seed.values(), key=lambda run: (run.seed is None, run.seed)))
