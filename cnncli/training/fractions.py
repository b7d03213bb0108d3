"""One config trained on parts of its training samples, with several seeds, one run after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cnncli.compute.place import place
from cnncli.config.checking import LoadedConfig
from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, Fault, Interrupted, TrainingError
from cnncli.runs.listing import ListedRun, list_runs
from cnncli.runs.results import RunResult, read_result
from cnncli.runs.run_folder import RunFolder
from cnncli.runs.seed_sets import SeedSet, set_id
from cnncli.training.display import Display
from cnncli.training.new_run import NewRun
from cnncli.training.seeds import release, stamp_of, train_seed, with_checkpoints_of, worth

SUFFIX = "-learning-curve"  # of the runs' name
Made = dict[tuple[str, int], ListedRun]
"""Runs by what their configs have in common, and the seed."""


@dataclass(frozen=True)
class Part:
    """One run to make: which ``fraction`` of the training samples, and with which seed."""

    fraction: float
    seed: int

    def __str__(self) -> str:
        return f"{100 * self.fraction:g} % of the training samples, seed {self.seed}"


@dataclass
class PartResults:
    """The results of the parts; ``failed`` says why there is none, ``running`` are those of other processes."""

    name: str
    results: dict[Part, RunResult] = field(default_factory=dict)
    failed: dict[Part, str] = field(default_factory=dict)
    running: list[Part] = field(default_factory=list)


def train_parts(loaded: LoadedConfig, parts: Sequence[Part], new: NewRun, quiet: bool) -> PartResults:
    """Train a config on each part; what an earlier command has finished or begun of them is not done again.

    A run that fails is told, and the others are made. Raises ``ConfigError`` for a config that is not judged on
    validation, ``Interrupted`` when stopped.
    """
    if place().count > 1:
        raise ConfigError("learning-curve trains in one process; start it without several ranks")
    loaded = _curve_config(loaded)
    todo = [(part, part_config(loaded, part)) for part in parts]
    made = _made(new.runs_dir / loaded.config.name, new.runs_dir)
    there = {part: run for part, each in todo if (run := made.get((set_id(each), part.seed))) is not None}
    found, display = PartResults(loaded.config.name), Display(quiet=quiet)
    stamp = stamp_of(dict(enumerate(there.values())))
    done = sum(run.state == "finished" for run in there.values())
    display.line(f"runs       {len(parts)}, of which {done} are finished; in {new.runs_dir / found.name}")
    for number, (part, each) in enumerate(todo, 1):
        run = there.get(part)
        if run is not None and run.state == "finished":
            found.results[part] = read_result(RunFolder(run.path).report)
            continue
        if run is not None and run.state == "running":
            found.running.append(part)
            continue
        display.line(f"{part}: run {number} of {len(parts)}")
        own = {} if run is None else {part.seed: run}
        suffix = f"-{100 * part.fraction:g}percent-seed{part.seed}"
        goal = replace(new, stamp=stamp, suffix=suffix, seeds=SeedSet(set_id(each), (part.seed,)))
        try:
            found.results[part] = train_seed(with_checkpoints_of(each, own), goal, run, Display(quiet=quiet))
        except TrainingError as error:
            found.failed[part] = str(error)
            display.warn(f"{part}: {error}")
        except Interrupted as error:
            told = f"{error}; or repeat the command to go on with this run and make those that are missing"
            raise Interrupted(told, error.exit_code - 128, error.run_dir) from error
        release()
    return found


def _curve_config(loaded: LoadedConfig) -> LoadedConfig:
    """The config of all runs: what only shows a single run is left out."""
    config = loaded.config
    if not config.checkpoint.monitor.startswith("val/"):
        cause = f"'{config.checkpoint.monitor}' is not measured on validation data, as a learning curve is; "
        raise loaded.located(ConfigError(Fault("", "checkpoint.monitor", f"{cause}set it to val/loss")))
    if config.dataset.train_fraction < 1:
        cause = "a learning curve sets it itself; leave it out"
        raise loaded.located(ConfigError(Fault("", "dataset.train_fraction", cause)))
    logging = config.logging.model_copy(update={"tensorboard": False, "samples": False, "pictures": False})
    name = config.name if config.name.endswith(SUFFIX) else f"{config.name}{SUFFIX}"
    update = {"name": name, "logging": logging, "baselines": "none"}
    return replace(loaded, config=config.model_copy(update=update))


def part_config(loaded: LoadedConfig, part: Part) -> LoadedConfig:
    """The config of one run; each seed takes samples of its own."""
    config: Config = loaded.config
    drawn = part.seed if part.fraction < 1 else 0
    dataset = config.dataset.model_copy(update={"train_fraction": part.fraction, "train_fraction_seed": drawn})
    return replace(loaded, config=config.model_copy(update={"dataset": dataset, "seed": part.seed}))


def _made(folder: Path, runs_dir: Path) -> Made:
    """The runs that are there, as they are on the disk."""
    found: Made = {}
    for run in list_runs(folder, runs_dir):
        if run.seeds is not None and run.seed is not None and run.state != "damaged":
            key = run.seeds.id, run.seed
            found[key] = min(run, found.get(key, run), key=worth)
    return found
