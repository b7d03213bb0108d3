"""The only composer: a config becomes a run, and a run a result."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnncli.compute.failures import explained
from cnncli.compute.interrupt import StopSignal
from cnncli.compute.runtime import environment
from cnncli.config.checking import LoadedConfig
from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, Interrupted
from cnncli.core.spec import DataSpec, Series, Split, Text
from cnncli.models.inspect import count_parameters
from cnncli.optim.schedulers import SMOOTH
from cnncli.runs.checkpoint import load_checkpoint, load_weights
from cnncli.runs.plots import draw_curves, draw_result
from cnncli.runs.run_folder import RunFolder, create_run, find_run
from cnncli.runs.tracking import Tracker
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.features import whole
from cnncli.training.fit import Fit
from cnncli.training.pictures import GRID, training_samples
from cnncli.training.report import report_split

Result = dict[str, Any]

SAFE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
RESUMABLE = ("name", "device", "train.epochs", "checkpoint.every", "logging", "dataset.workers", "dataset.memory",
             "dataset.cache", "dataset.eval_batch_size", "compute.threads", "compute.keep_freed_memory")  # fmt: skip
"""What may differ when a run is resumed: everything else would make it another experiment.

More epochs are only for schedules that do not depend on how many there are.
"""


@dataclass(frozen=True)
class Place:
    """Where a new run is written."""

    runs_dir: Path
    run_id: str | None = None
    overwrite: bool = False


def prepare(
    path: Path | None,
    overrides: Sequence[str],
    name: str | None,
    runs_dir: Path,
    resuming: str | None,
    overwrite: bool,
) -> tuple[LoadedConfig, Place, tuple[RunFolder, Path] | None]:
    """What the command line of ``train`` means: the config, the place of a new run, or the run to go on with."""
    run_name, run_id = parse_name(name)
    named = [*overrides, f"name={json.dumps(run_name)}"] if run_name else overrides
    loaded = load_config(path, named) if path is not None else None
    if resuming is None:
        if loaded is None:
            raise ConfigError("no config given; name a YAML file, for example configs/digits.yaml")
        return loaded, new_place(runs_dir, run_id, overwrite), None
    found = find_run(resuming, runs_dir, loaded.config.name if loaded else run_name or None)
    if not found[0].config.is_file():
        load_checkpoint(found[1])  # a damaged file is the more important news
        raise ConfigError(f"{found[1]}: lies in no run folder; --resume needs the config.yaml beside it")
    return loaded or load_config(found[0].config, overrides), Place(runs_dir), found


def parse_name(name: str | None) -> tuple[str, str]:
    """``--name NAME/ID`` as name and id, empty where not given; raises ``ConfigError`` for what is no name."""
    if name is not None and not re.fullmatch(rf"{SAFE_NAME}(/{SAFE_NAME})?", name):
        raise ConfigError(f"--name '{name}': write NAME or NAME/ID of letters, digits, '.', '_' and '-'")
    run_name, _, run_id = (name or "").partition("/")
    return run_name, run_id


def new_place(runs_dir: Path, run_id: str, overwrite: bool) -> Place:
    """Where a new run goes; raises ``ConfigError`` when it should replace a run that is not named."""
    if overwrite and not run_id:
        raise ConfigError("--overwrite needs --name NAME/ID: a run without a fixed id never replaces another")
    return Place(runs_dir, run_id or None, overwrite)


def train(loaded: LoadedConfig, place: Place, display: Display) -> Result:
    """Train a config from its beginning; the result is also ``result.json`` in the run."""
    experiment = build_experiment(loaded, display.track)
    run = create_run(place.runs_dir, loaded.config.name, place.run_id, place.overwrite)
    return _run(experiment, run, display, None)


def resume(run: RunFolder, checkpoint: Path, wanted: LoadedConfig, display: Display) -> Result:
    """Go on with a run from one of its checkpoints, exactly as if it had never stopped.

    Raises ``ConfigError`` when ``wanted`` is another experiment than the checkpoint's own config.
    """
    saved = load_checkpoint(checkpoint)
    # runs from before the section had nothing of it but its defaults
    own = {"compute": wanted.config.compute.model_dump(mode="json") | {"compile": "off"}, **saved["config"]}
    wanted = replace(wanted, config=_as_chosen(own, wanted.config))
    _same_experiment(own, wanted)
    experiment = build_experiment(wanted, display.track, DataSpec.from_dict(saved["spec"]))
    return _run(experiment, run, display, checkpoint)


def dry_run(loaded: LoadedConfig, place: Place, display: Display) -> Result:
    """Build everything, push one real batch through and back, write no run; the plan as plain values."""
    experiment = build_experiment(loaded, display.track, measure=False)
    with explained():
        inputs, targets = next(iter(experiment.loader("train", training=True).epoch(0)))
        with experiment.runtime.autocast():
            outputs = experiment.state.model.train()(inputs)
        loss = experiment.task.loss(outputs.float(), targets)
        loss.backward()
    run_id = place.run_id or "<time>"
    return {
        **describe(experiment),
        "batch": f"inputs {list(inputs.shape)}, outputs {list(outputs.shape)}, loss {loss.item():.4f}",
        "writes to": str(place.runs_dir / loaded.config.name / run_id),
    }


def describe(experiment: Experiment) -> dict[str, str]:
    """What is about to run, for the header and the plan."""
    config, spec = experiment.config, experiment.data.spec
    sizes = " + ".join(f"{len(source):,} {split}" for split, source in experiment.data.sources.items())
    shown = {"pictures": "N, C, H, W", "rows": "N, F", "series": "N, T, F", "text": "N, T"}[spec.kind]
    classes = f", {len(spec.classes)} classes" if spec.classes else ""
    if isinstance(spec.preprocess, Series):
        classes = f", {', '.join(spec.preprocess.columns)} → {', '.join(spec.preprocess.targets)}"
    if isinstance(spec.preprocess, Text):
        sizes, classes = f"{sizes} blocks", f", {len(spec.preprocess.vocabulary)} characters in the vocabulary"
    batch = [config.dataset.batch_size, *spec.input_shape]
    epochs, steps = config.train.epochs, experiment.steps_per_epoch
    parameters = count_parameters(experiment.state.model)
    start = {}
    if config.finetune is not None:
        what = str(experiment.transfer) if experiment.transfer else "its weights come with the checkpoint"
        learning = _learning(experiment)
        start = {"start": f"{config.finetune.pretrained}: {what}", "learning": learning}
    return {
        "device": experiment.runtime.description,
        "precision": config.precision + (f" ({experiment.reason})" if experiment.reason else ""),
        "compute": ", ".join(experiment.runtime.settings(experiment.state.model, experiment.state.optimizer)),
        "data": f"{config.dataset.name}: {sizes}{classes}; {experiment.place}",
        "input": f"[{shown}] = {batch}",
        "model": f"{config.model.name}: {parameters:,} parameters",
        **start,
        "task": f"{config.task.name}, {config.loss.name} loss",
        "optimizer": f"{config.optimizer.name}, lr {config.optimizer.args.get('lr')}, {config.scheduler.name} schedule",
        "steps": f"{epochs} epochs × {steps:,} = {epochs * steps:,}",
    }


def _learning(experiment: Experiment) -> str:
    """Which parameters learn, and at which rates."""
    assert experiment.strategy is not None
    groups = experiment.strategy.groups(float(experiment.config.optimizer.args["lr"]))
    count = sum(parameter.numel() for group in groups for parameter in group["params"])
    rates = [group["lr"] for group in groups]
    shown = f"{count:,} parameters ({experiment.strategy.settings.strategy}), lr {rates[0]:.3g}"
    shown += f" for the head, down to {min(rates):.3g}" if len(rates) > 1 else ""
    return shown + ("; features computed once" if experiment.data.embed is not None else "")


def _run(experiment: Experiment, run: RunFolder, display: Display, checkpoint: Path | None) -> Result:
    with run.locked():
        fit = Fit(experiment, run, display)
        if checkpoint is not None:
            fit.restore(checkpoint)
            if fit.finished and run.result.is_file():
                display.line(f"{run.path} is finished; this is its result")
                finished: Result = json.loads(run.result.read_text())
                return finished
            display.line(f"resuming {run.path} behind epoch {fit.state.epoch}")
        run.write_config(experiment.config)
        run.write_json(run.environment, environment(experiment.runtime))
        display.header({**describe(experiment), "run": str(run.path)})
        tracker = Tracker(run, experiment.config, fit.record)
        try:
            if experiment.config.logging.samples and checkpoint is None and experiment.data.spec.kind == "pictures":
                _draw_samples(experiment, run, tracker)
            fit.run_to_end(tracker)
            result = _result(experiment, run, display)
            tracker.final(result["metrics"])
            if experiment.config.logging.pictures:
                draw_curves(tracker.lines, run.curves)
                draw_result(result, run.picture)
        finally:
            tracker.close()
        run.write_json(run.result, result)
        return result


def _result(experiment: Experiment, run: RunFolder, display: Display) -> Result:
    """The metrics of the best epoch, and the one look at the test split with its weights."""
    best = load_checkpoint(run.best)
    model = experiment.state.eval_model
    load_weights(whole(model), best["model"], run.best)
    experiment.task.decoding = best["decoding"]
    metrics: dict[str, dict[str, float]] = {}
    for key, value in best["metrics"].items():
        split, _, name = key.rpartition("/")
        if split and split != "baseline":
            metrics.setdefault(split, {"n": len(experiment.data.sources[_split(split)])})[name] = value
    result: Result = {
        "run_dir": str(run.path),
        "best": str(run.best),
        "last": str(run.last),
        "best_epoch": best["metrics"]["epoch"],
        "epochs": experiment.state.epoch,
        "metrics": metrics,
    }
    judged: Split = next(s for s in ("test", "val", "train") if s in experiment.data.sources)
    with StopSignal() as stop:
        report = report_split(model, experiment.data, judged, experiment.task, experiment.runtime, display, stop)
    if stop.signum is not None:
        raise Interrupted(f"stopped in the last evaluation; go on with: cnncli train --resume {run.path}", stop.signum)
    metrics[judged] = report.pop("metrics")
    return {**result, "split": judged, **report}


def _split(name: str) -> Split:
    splits: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}
    return splits[name]


def _draw_samples(experiment: Experiment, run: RunFolder, tracker: Tracker) -> None:
    """Nine samples of the first batch, from the very tensors that training sees, un-normalised."""
    image = training_samples(experiment.data, experiment.runtime.device, experiment.config.seed, GRID * GRID)
    image.save(run.samples)
    tracker.samples(image)


def _as_chosen(own: dict[str, Any], wanted: Config) -> Config:
    """``wanted`` with the run's own choices where it leaves them open: they are not measured a second time."""
    settled: dict[str, Any] = {}
    if wanted.precision == "auto":
        settled["precision"] = own["precision"]
    if wanted.compute.compile == "auto":
        settled["compute"] = wanted.compute.model_copy(update={"compile": own["compute"]["compile"]})
    return wanted.model_copy(update=settled)


def _same_experiment(own: dict[str, Any], wanted: LoadedConfig) -> None:
    free = set(RESUMABLE)
    if wanted.config.scheduler.name in SMOOTH:
        free.remove("train.epochs")  # the schedule was laid out over the run's epochs
    faults = [
        wanted.document.fault(
            tuple(path.split(".")), f"is {theirs!r}, the run was trained with {ours!r}; start a new run"
        )
        for path, ours, theirs in _differences(own, wanted.config.model_dump(mode="json"))
        if not any(path == key or path.startswith(f"{key}.") for key in free)
    ]
    if faults:
        raise ConfigError(faults)


def _differences(ours: Any, theirs: Any, path: Sequence[str] = ()) -> list[tuple[str, Any, Any]]:
    """Every value in which two configs differ, as ``(dotted path, ours, theirs)``."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = list(dict.fromkeys([*ours, *theirs]))
        return [d for key in keys for d in _differences(ours.get(key), theirs.get(key), (*path, key))]
    return [] if ours == theirs else [(".".join(path), ours, theirs)]
