"""The only composer: a config becomes a run, and a run a result."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cnncli.compute.failures import explained
from cnncli.compute.interrupt import StopSignal
from cnncli.compute.ranks import join
from cnncli.compute.runtime import environment
from cnncli.config.checking import LoadedConfig
from cnncli.config.yaml_source import yaml_text
from cnncli.core.errors import ConfigError, Interrupted
from cnncli.core.printable import shell_word
from cnncli.core.results import SplitReport, Values
from cnncli.core.spec import Split
from cnncli.runs.checkpoint import Checkpoint, load_checkpoint
from cnncli.runs.curves import Curves, draw_curves
from cnncli.runs.ending import keeping_end
from cnncli.runs.history import Record
from cnncli.runs.reading import tried_in
from cnncli.runs.references import find_resumable
from cnncli.runs.result_picture import draw_result
from cnncli.runs.results import Monitored, RunResult, read_result
from cnncli.runs.run_folder import RunFolder, create_run, marked_run, now
from cnncli.runs.seed_sets import write_seed_set
from cnncli.runs.test_looks import count_look, read_looks
from cnncli.runs.tracking import Tracker
from cnncli.training.baselines import check_baselines
from cnncli.training.board import show_start
from cnncli.training.board_result import show_result
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.configs import ConfigSource, load_config
from cnncli.training.display import Display
from cnncli.training.features import whole
from cnncli.training.fit import Fit
from cnncli.training.keep_outputs import KeptOutputs
from cnncli.training.network import load_weights, use_calibration
from cnncli.training.new_run import NewRun, new_run, parse_name
from cnncli.training.pictures import SHOWN, are_pictures, mistaken_pictures, training_samples
from cnncli.training.plan import describe
from cnncli.training.report import report_split
from cnncli.training.resuming import as_resumed, offering_new_run, resumable, standing

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def prepare(
    source: ConfigSource | None,
    overrides: Sequence[str],
    name: str | None,
    runs_dir: Path,
    resuming: str | None,
    overwrite: bool,
) -> tuple[LoadedConfig, NewRun, tuple[RunFolder, Path] | None]:
    """What ``train`` is asked for: the config, where a new run goes, or the run to go on with."""
    run_name, run_id = parse_name(name)
    named = [*overrides, f"name={yaml_text(run_name)}"] if run_name else overrides
    loaded = load_config(source, named, runs_dir=runs_dir) if source is not None else None
    if resuming is None:
        if loaded is None:
            raise ConfigError("no config given; name a YAML file, or one that comes with cnncli, for example digits")
        return loaded, new_run(runs_dir, run_id, overwrite, overrides), None
    path = find_resumable(resuming, runs_dir, loaded.config.name if loaded else run_name or None)
    run = RunFolder(path.parent)
    if not run.config.is_file():
        load_checkpoint(path)  # a damaged file is the more important news
        raise ConfigError(f"{path}: lies in no run folder; --resume needs the config.yaml beside it")
    return loaded or load_config(run.config, overrides, runs_dir=runs_dir), NewRun(runs_dir), (run, path)


@explained()
def train(loaded: LoadedConfig, new: NewRun, display: Display) -> RunResult:
    """Train a config from its beginning; the result is also ``result.json`` in the run.

    A launch of several ranks that is begun again after one has died goes on with the run that it had begun.
    """
    ranks, name = join(), loaded.config.name
    place = ranks.place
    begun = ranks.from_zero(lambda: marked_run(new.runs_dir / name, place.launch)) if place.again else None
    if begun is not None and ranks.from_zero(begun.last.is_file):
        return resume(begun, begun.last, loaded, display)
    experiment = build_experiment(loaded, display.track)
    check_baselines(loaded, experiment)

    def create() -> RunFolder:
        run_id, overwrite = (new.run_id, new.overwrite) if begun is None else (begun.path.name, True)
        run = create_run(new.runs_dir, name, run_id, overwrite, f"{new.stamp or now()}{new.suffix}")
        run.mark(place.launch)
        if new.seeds is not None:
            write_seed_set(run.path, new.seeds)
        return run

    return _run(experiment, ranks.from_zero(create), display, None)


@explained()
def resume(run: RunFolder, path: Path, wanted: LoadedConfig, display: Display) -> RunResult:
    """Go on with a run from one of its checkpoints, exactly as if it had never stopped.

    Raises ``ConfigError`` when ``wanted`` is another experiment than the checkpoint's own config, ``CheckpointError``
    when it does not hold the state of its training.
    """
    ranks = join()
    if ranks.place.again and ranks.from_zero(lambda: run.is_marked(ranks.place.launch)):
        path = run.last  # of this launch itself, whatever checkpoint it went on from at first
    with offering_new_run(path):
        checkpoint = ranks.from_zero(lambda: resumable(path))
        experiment = build_experiment(as_resumed(checkpoint, wanted), display.track, checkpoint)
    check_baselines(wanted, experiment)
    return _run(experiment, run, display, checkpoint)


def _run(experiment: Experiment, run: RunFolder, display: Display, checkpoint: Checkpoint | None) -> RunResult:
    """Train to the end; of several ranks the first one writes."""
    ranks = experiment.runtime.ranks
    with run.locked() if ranks.is_zero else nullcontext():
        fit, outputs = Fit(experiment, run, display), KeptOutputs(experiment, run, display)
        if checkpoint is not None:
            with offering_new_run(checkpoint.path):
                fit.restore(checkpoint)
            if fit.finished and (result := ranks.from_zero(lambda: _known_result(run))) is not None:
                display.line(f"{run.path} is finished; this is its result")
                if outputs.lacking:  # the run was stopped before they were written
                    _use_best(experiment, run)
                    outputs.write()
                return result
            display.line(f"resuming {run.path} {standing(fit.state.epoch, fit.state.batch)}")
            if ranks.is_zero and ranks.count > 1:  # what a launch goes on from that is begun again
                fit.keep_last()
                run.mark(ranks.place.launch)
        if not ranks.is_zero:
            fit.run_to_end(None)
            result = _result(experiment, run, fit, outputs, display)
            outputs.write()
        else:
            with keeping_end(run.path):
                result = _written(experiment, run, fit, outputs, display, new=checkpoint is None)
        ranks.wait()  # nobody ends before everything is written
        return result


def _known_result(run: RunFolder) -> RunResult | None:
    """The result that is written down, with the looks at the test split until now."""
    if not run.report.is_file():
        return None
    result = read_result(run.report)
    return replace(result, test_looks=read_looks(run) or result.test_looks)


def _written(
    experiment: Experiment, run: RunFolder, fit: Fit, outputs: KeptOutputs, display: Display, new: bool
) -> RunResult:
    """Train to the end, and write everything down."""
    run.write_config(experiment.config)
    run.write_json(run.environment, environment(experiment.runtime))
    display.header({**describe(experiment), "run": str(run.path)})
    tracker = Tracker(run, experiment.config, fit.record, fit.state.global_step)
    try:
        if new and _has_samples(experiment):
            drawn(run.samples, display, lambda: _draw_samples(experiment, run, tracker))
        show_start(experiment, tracker)
        fit.run_to_end(tracker)
        result = _result(experiment, run, fit, outputs, display)
        run.write_json(run.result, result.to_json())
        run.write_json(run.report, result.to_report())
        tracker.final(result.best_epoch, result.metrics, result.report.headline, result.report.baselines[0].metrics)
        outputs.write()
        show_result(experiment, run, tracker, result.best_epoch)
    finally:
        tracker.close()
    if experiment.config.logging.pictures:
        drawn(run.curves, display, lambda: draw_curves(_curves(experiment, fit, result, tracker.lines), run.curves))
        drawn(run.picture, display, lambda: _draw_result(experiment, result.report, run.picture))
    return result


def _use_best(experiment: Experiment, run: RunFolder) -> Checkpoint:
    """Put the best weights into the network, and what was chosen with them into the task."""
    best = experiment.runtime.ranks.from_zero(lambda: load_checkpoint(run.best))
    load_weights(whole(experiment.state.eval_model), best.weights, best)
    use_calibration(experiment.task, best)
    return best


def _result(experiment: Experiment, run: RunFolder, fit: Fit, outputs: KeptOutputs, display: Display) -> RunResult:
    """The metrics of the best epoch, and the one look at the test split with its weights, recorded and counted."""
    best = _use_best(experiment, run)
    ranks, sources = experiment.runtime.ranks, experiment.data.sources
    judged = next(split for split in ("test", "val", "train") if split in sources)
    report = _judge(experiment, run, judged, outputs, display)
    report = report.beside(ranks.from_zero(lambda: fit.comparison.on(judged)))
    counted = ranks.from_zero(lambda: count_look(run.best, "train", display.warn)) if judged == "test" else None
    metrics: dict[str, Values] = {split: of_split(best.metrics, split) for split in SPLITS if split in sources}
    metrics = {split: values for split, values in metrics.items() if values} | {judged: report.metrics}
    value, config = fit.best.value, experiment.config
    assert value is not None
    return RunResult(
        run_dir=str(run.path),
        best=str(run.best),
        last=str(run.last),
        best_epoch=int(best.metrics["epoch"]),
        epochs=experiment.state.epoch,
        monitored=Monitored(config.checkpoint.monitor, experiment.mode, value),
        metrics=metrics,
        samples={split: len(sources[split]) for split in SPLITS if split in metrics},
        report=report,
        test_looks=counted,
    )


def _judge(experiment: Experiment, run: RunFolder, split: Split, outputs: KeptOutputs, display: Display) -> SplitReport:
    model, data, task = experiment.state.eval_model, experiment.data, experiment.task
    with StopSignal() as stop:
        report = report_split(model, data, split, task, experiment.runtime, display, stop, outputs.judging(split))
    if report is None:
        assert stop.signum is not None
        told = f"stopped in the last evaluation; go on with: cnncli train --resume {shell_word(run.path)}"
        raise Interrupted(told, stop.signum, str(run.path))
    return report


def of_split(record: Values, split: str) -> Values:
    """The metrics of one split in the record of an epoch."""
    return {key.removeprefix(f"{split}/"): value for key, value in record.items() if key.startswith(f"{split}/")}


def _has_samples(experiment: Experiment) -> bool:
    return experiment.config.logging.samples and are_pictures(experiment.data)


def _draw_samples(experiment: Experiment, run: RunFolder, tracker: Tracker) -> None:
    """Nine samples of the first batch, from the very tensors that training sees, un-normalised."""
    image = training_samples(experiment.data, experiment.runtime.device, experiment.config.seed, SHOWN)
    image.save(run.samples)
    tracker.show("samples", lambda board: board.image("train_pictures/samples", np.asarray(image), 0))


def _curves(experiment: Experiment, fit: Fit, result: RunResult, history: list[Record]) -> Curves:
    monitored = result.monitored.metric.rpartition("/")[2]
    shown = result.report.headline if monitored == "loss" else monitored
    tried = tried_in(experiment.config.model_dump(mode="json"))
    return Curves(history, result.best_epoch, shown, fit.state.losses.records(), tried, result.report.simple_loss)


def _draw_result(experiment: Experiment, report: SplitReport, path: Path) -> None:
    draw_result(report, path, mistaken_pictures(experiment.data, report))


def drawn(path: Path, display: Display, draw: Callable[[], Any]) -> None:
    """Draw a picture; one that cannot be drawn is a warning."""
    try:
        draw()
    except Exception as error:  # a drawing library can raise anything, and no run is lost for a picture
        cause = str(error).split("\n", 1)[0] or type(error).__name__
        display.warn(f"{path} cannot be drawn ({cause})")
