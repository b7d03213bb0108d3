"""Going on with a run: which checkpoint can be gone on with, and whether it is the same experiment still."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnncli.config.checking import LoadedConfig
from cnncli.config.sections import Config
from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.core.printable import shell_word
from cnncli.data.places import places_of
from cnncli.optim.schedulers import is_smooth
from cnncli.runs.checkpoint import FORMAT, Checkpoint, load_checkpoint
from cnncli.runs.differences import differences
from cnncli.runs.references import LAST
from cnncli.runs.run_folder import RunFolder, weights_beside
from cnncli.training.configs import restore_config
from cnncli.training.named_runs import as_begun
from cnncli.training.network import restore

RESUMABLE = ("name", "device", "train.epochs", "train.early_stopping", "checkpoint.every", "baselines", "logging",
             "dataset.workers", "dataset.memory", "dataset.cache", "dataset.eval_batch_size", "compute.threads",
             "compute.keep_freed_memory", "compute.rank_timeout", "plugins")  # fmt: skip
"""What may differ when a run is resumed: everything else would make it another experiment.

More epochs are only for schedules that do not depend on how many there are.
"""


def resumable(path: Path) -> Checkpoint:
    """The checkpoint at ``path``; raises ``CheckpointError`` where training cannot go on from it."""
    checkpoint = load_checkpoint(path)
    if checkpoint.format != FORMAT:
        raise CheckpointError(
            f"{path}: was written by cnncli {checkpoint.version} (format {checkpoint.format}), and training goes on "
            f"with format {FORMAT} only; finish the run with that version"
        )
    if checkpoint.training is None:
        cause = "holds the weights, not the state of their training; name last.pt or the run's folder"
        raise CheckpointError(f"{path}: {cause}")
    return checkpoint


def standing(epoch: int, batch: int) -> str:
    """Where a run goes on of which so many epochs are done, and so many batches of the next one."""
    return (
        f"in epoch {epoch + 1}, after {batch} {'batch' if batch == 1 else 'batches'}"
        if batch
        else f"after epoch {epoch}"
    )


@contextmanager
def offering_new_run(path: Path) -> Iterator[None]:
    """Add to a ``CheckpointError`` about ``path`` how a new run starts from the best weights of that run."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{error}{_new_run(path)}") from error


def _new_run(path: Path) -> str:
    """How a new run starts from the best weights, where the run at ``path`` still has them."""
    run = RunFolder(path.parent)
    try:
        best = load_checkpoint(run.best)
    except CheckpointError:
        return ""
    return f"; a new run starts from the weights of its best epoch with: {_start(path, best.config)}"


def _start(path: Path, config: Config) -> str:
    """The command for a new run of the same config from the weights of a run; of a fine-tuned one with its head."""
    key = "train.start_from" if config.finetune is None else "finetune.pretrained"
    start = f"{key}={weights_beside(path)}"
    return f"cnncli train {shell_word(RunFolder(path.parent).config)} {shell_word(start)}"


def as_resumed(checkpoint: Checkpoint, wanted: LoadedConfig) -> LoadedConfig:
    """``wanted`` with what the run has chosen by measuring; raises ``ConfigError`` where it is another experiment."""
    plugins = [Path(plugin) for plugin in wanted.config.plugins]
    own = restore_config(checkpoint, plugins=plugins).config
    chosen = replace(wanted, config=_as_chosen(own, as_begun(own, wanted)))
    free = {*RESUMABLE, *(f"dataset.{place}" for place in places_of(chosen.config.dataset))}
    if is_smooth(chosen.config.scheduler.name):
        free.remove("train.epochs")  # the schedule was laid out over the run's epochs
    faults = [
        wanted.document.fault(
            tuple(path.split(".")),
            f"is {theirs!r}, the run was trained with {ours!r}{_another(checkpoint, wanted, path, ours, theirs)}",
        )
        for path, ours, theirs in differences(own.model_dump(mode="json"), chosen.config.model_dump(mode="json"))
        if not any(path == key or path.startswith(f"{key}.") for key in free)
    ]
    if faults:
        restore(checkpoint)  # where the checkpoint contradicts itself, that is the more important news
        raise ConfigError(faults)
    return chosen


def _another(checkpoint: Checkpoint, wanted: LoadedConfig, key: str, ours: Any, theirs: Any) -> str:
    """What to do where ``key`` would make another experiment of a run, after what it is and was."""
    as_it_began = "" if _is_override(wanted, key) else f"go on as it began, with: {_without_config(checkpoint)}; or "
    if key != "train.epochs":
        return f"; {as_it_began}start a new run"
    more = theirs - ours if theirs > ours else theirs
    schedule = f", over which its {checkpoint.config.scheduler.name} schedule is laid out"
    advice = f"{as_it_began}train on in a new run with a schedule of its own"
    return f"{schedule}; {advice}: {_start(checkpoint.path, checkpoint.config)} train.epochs={more}"


def _is_override(wanted: LoadedConfig, key: str) -> bool:
    """Whether ``key`` is asked for in the command itself: going on without it is not what is wanted."""
    return wanted.document.origin(tuple(key.split("."))).given is not None


def _without_config(checkpoint: Checkpoint) -> str:
    """The command that goes on with the config of the run."""
    path = checkpoint.path
    return f"cnncli train --resume {shell_word(path.parent if path.name == LAST else path)}"


def _as_chosen(own: Config, wanted: Config) -> Config:
    """``wanted`` with the run's own choices where it leaves them open: they are not measured a second time."""
    precision = own.precision if wanted.precision == "auto" else wanted.precision
    compiled = own.compute.compile if wanted.compute.compile == "auto" else wanted.compute.compile
    compute = wanted.compute.model_copy(update={"compile": compiled})
    return wanted.model_copy(update={"precision": precision, "compute": compute})
