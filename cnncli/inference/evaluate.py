"""A checkpoint judged on a split of its data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cnncli.compute.interrupt import StopSignal
from cnncli.compute.runtime import make_runtime
from cnncli.config.sections import Config, TaskConfig
from cnncli.core.errors import CheckpointError, ConfigError, Interrupted, did_you_mean
from cnncli.core.spec import DataSpec, Split
from cnncli.inference.tta import averaged
from cnncli.runs.checkpoint import load_checkpoint, load_weights
from cnncli.training.build import build_model, build_task, open_data
from cnncli.training.configs import restore_config
from cnncli.training.display import Display
from cnncli.training.report import report_split

EVAL_OVERRIDES = ("dataset.", "device=", "precision=", "compute.", "task.threshold=")
# other splits than those of the training would call training samples validation
SPLIT_KEYS = ("dataset.val_fraction", "dataset.split_seed", "dataset.test_fraction")


@dataclass(frozen=True)
class Trained:
    """A network as its checkpoint describes it: config, data spec, and the module with its weights."""

    path: Path
    config: Config
    spec: DataSpec
    model: nn.Module
    metrics: dict[str, float]
    decoding: dict[str, Any]
    trained_task: TaskConfig


def load_trained(path: Path, overrides: Sequence[str] = (), plugins: Sequence[Path] = ()) -> Trained:
    """Rebuild the network of a checkpoint (or of a run folder's best.pt), on the CPU, in evaluation mode.

    Plug-ins run only when the caller names them: a checkpoint cannot make a program run a file. Raises
    ``CheckpointError`` when the file is damaged or its network cannot be rebuilt.
    """
    path = path / "best.pt" if path.is_dir() else path
    checkpoint = load_checkpoint(path)
    wrong = [text for text in overrides if not text.startswith(EVAL_OVERRIDES) or text.startswith(SPLIT_KEYS)]
    if wrong:
        raise ConfigError(
            f"'{wrong[0]}' cannot change a trained network; "
            "only dataset.… (but for the splits), task.threshold, device, precision and compute.… can be set"
        )
    chosen = checkpoint["config"]["task"].get("choose") is not None
    if chosen and any(text.startswith("task.threshold=") for text in overrides):
        overrides = ["task.choose=null", *overrides]  # what is named takes the place of what was chosen
    try:
        # a checkpoint from a machine with a GPU is evaluated on what is here
        config = restore_config(checkpoint["config"], ["device=auto", *overrides], plugins).config
    except ConfigError as error:
        needed = ", ".join(checkpoint["config"]["plugins"])
        if not needed or plugins:
            raise
        hint = f"it was trained with the plug-in {needed}; name it with --plugin"
        raise CheckpointError(f"{path}: {error}; {hint}") from error
    spec = DataSpec.from_dict(checkpoint["spec"])
    model = build_model(config, spec)
    load_weights(model, checkpoint["model"], path)
    trained_task = TaskConfig.model_validate(checkpoint["config"]["task"])
    return Trained(path, config, spec, model.eval(), checkpoint["metrics"], checkpoint["decoding"], trained_task)


def evaluate_checkpoint(trained: Trained, split: Split, display: Display, tta: bool = False) -> dict[str, Any]:
    """Metrics, details of each class and the baseline of a trained network on one split of its data.

    With ``tta`` every picture is judged by several views of it; the temperature of its probabilities is left out then.
    """
    config = trained.config
    runtime = make_runtime(config.device, config.precision, config.seed, config.compute)
    data = open_data(config, display.track, trained.spec)
    task = build_task(config, data.spec, data.sources["train"].targets, runtime.device)
    if config.task == trained.trained_task:  # a threshold that was named anew takes the place of the stored one
        task.decoding = trained.decoding
    model = runtime.place(trained.model)
    if tta:
        model = averaged(model, trained.spec)
        task.decoding = {key: value for key, value in task.decoding.items() if key != "temperature"}
    with StopSignal() as stop:
        report = report_split(model, data, split, task, runtime, display, stop)
    if stop.signum is not None:
        raise Interrupted("stopped before the evaluation was done", stop.signum)
    metrics = {split: report.pop("metrics")}
    about = {"checkpoint": str(trained.path), "split": split, **({"tta": True} if tta else {})}
    return {**about, "metrics": metrics, **report}


def parse_split(text: str) -> Split:
    """The split called ``text``; raises ``ConfigError`` for any other word."""
    splits: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}
    if text not in splits:
        raise ConfigError(f"--split {text}: {did_you_mean(text, list(splits))}")
    return splits[text]
