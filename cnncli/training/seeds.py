"""One config trained with several seeds, one run after the other, as each would be by itself."""

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from cnncli.compute.place import place
from cnncli.config.checking import LoadedConfig
from cnncli.core.errors import ConfigError, Interrupted, TrainingError
from cnncli.runs.listing import STAMP, ListedRun, list_runs
from cnncli.runs.references import LAST
from cnncli.runs.results import RunResult, read_result
from cnncli.runs.rows import Spread, spread
from cnncli.runs.run_folder import RunFolder, now
from cnncli.runs.seed_sets import SeedSet, set_id
from cnncli.training import experiment
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.named_runs import as_begun
from cnncli.training.new_run import NewRun

_USABLE = ("finished", "running", "interrupted")  # of several runs of a seed the first of these counts


@dataclass
class SeedResults:
    """The results by seed; ``failed`` says why there is none, ``running`` are those that another process trains."""

    name: str
    results: dict[int, RunResult] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    running: list[int] = field(default_factory=list)

    def metrics(self) -> dict[str, Spread]:
        """Mean and standard deviation of each metric, as ``test/accuracy``."""
        values: dict[str, list[float]] = {}
        for result in self.results.values():
            for split, metrics in result.metrics.items():
                for name, value in metrics.items():
                    values.setdefault(f"{split}/{name}", []).append(value)
        return {name: found for name, of in values.items() if (found := spread(of)) is not None}

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        metrics = {name: {"mean": it.mean, "std": it.deviation, "n": it.n} for name, it in self.metrics().items()}
        failed = [{"seed": seed, "cause": cause} for seed, cause in self.failed.items()]
        return {
            "runs": [{"seed": seed, **result.to_json()} for seed, result in self.results.items()],
            "summary": {"seeds": list(self.results), "metrics": metrics},
            "failed": failed,
            "running": self.running,
        }


def train_seeds(loaded: LoadedConfig, seeds: Sequence[int], new: NewRun, quiet: bool) -> SeedResults:
    """Train a config with each seed; what an earlier command has finished or begun of them is not done again.

    A seed whose training fails is told, and the others are trained. Raises ``Interrupted`` when stopped.
    """
    if place().count > 1:
        raise ConfigError("--seeds trains in one process; leave out --nproc, or start each seed by itself with seed=N")
    asked, display = SeedSet(set_id(loaded), tuple(seeds)), Display(quiet=quiet)
    made = _made(asked.id, new.runs_dir / loaded.config.name, new.runs_dir)
    loaded, stamp = with_checkpoints_of(loaded, made), stamp_of(made)
    found = SeedResults(loaded.config.name)
    display.line(_plan(seeds, made))
    for number, seed in enumerate(seeds, 1):
        run = made.get(seed)
        if run is not None and run.state == "finished":
            found.results[seed] = read_result(RunFolder(run.path).report)
            continue
        if run is not None and run.state == "running":
            found.running.append(seed)
            continue
        display.line(f"seed {seed}, {number} of {len(seeds)}")
        goal = replace(new, stamp=stamp, suffix=f"{new.suffix}-seed{seed}", seeds=asked)
        config = loaded.config.model_copy(update={"seed": seed})
        try:
            found.results[seed] = train_seed(replace(loaded, config=config), goal, run, Display(quiet=quiet))
        except TrainingError as error:
            found.failed[seed] = str(error)
            display.warn(f"seed {seed}: {error}")
        except Interrupted as error:
            told = f"{error}; repeat the command with --seeds to resume this seed and train those that are missing"
            raise Interrupted(told, error.exit_code - 128, error.run_dir) from error
        release()
    return found


def train_seed(loaded: LoadedConfig, new: NewRun, run: ListedRun | None, display: Display) -> RunResult:
    """A run of one seed from its beginning, or from where ``run`` stands."""
    if run is not None and (run.path / LAST).is_file():
        return experiment.resume(RunFolder(run.path), run.path / LAST, loaded, display)
    return experiment.train(loaded, new, display)


def _made(wanted: str, folder: Path, runs_dir: Path) -> dict[int, ListedRun]:
    """The runs of a set by their seeds, as they are on the disk."""
    found: dict[int, ListedRun] = {}
    for run in list_runs(folder, runs_dir):
        if run.seeds is not None and run.seeds.id == wanted and run.seed is not None and run.state != "damaged":
            found[run.seed] = min(run, found.get(run.seed, run), key=worth)
    return found


def worth(run: ListedRun) -> int:
    """Which of several runs of a seed counts: the one with the lowest number."""
    return _USABLE.index(run.state) if run.state in _USABLE else len(_USABLE)


def stamp_of(made: dict[int, ListedRun]) -> str:
    """The time in the ids of all runs of a set, so that they begin alike."""
    return next((run.began.strftime(STAMP) for run in made.values()), now())


def with_checkpoints_of(loaded: LoadedConfig, made: dict[int, ListedRun]) -> LoadedConfig:
    """The config with the checkpoints that the first runs of the set began with: names may mean newer ones now."""
    first = next(iter(made.values()), None)
    if first is None or not loaded.document.by_name:
        return loaded
    own = load_config(RunFolder(first.path).config).config
    return replace(loaded, config=as_begun(own, loaded))


def _plan(seeds: Sequence[int], made: dict[int, ListedRun]) -> str:
    """What is done with which seed."""
    groups: dict[str, list[int]] = {}
    for seed in seeds:
        state = made[seed].state if seed in made else ""
        what = {"finished": "finished before", "running": "trained by another process", "": "new"}.get(state, "resumed")
        groups.setdefault(what, []).append(seed)
    return "seeds      " + "; ".join(f"{', '.join(map(str, of))}: {what}" for what, of in groups.items())


def release() -> None:
    """Give back the memory of the run that is over, and what was compiled for it."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
