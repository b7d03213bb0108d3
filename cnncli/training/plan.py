"""What is about to run, in words; and a run that is only tried."""

from pathlib import Path

from cnncli.compute.failures import explained, fewer_steps
from cnncli.config.checking import LoadedConfig
from cnncli.core.members import SPLITS
from cnncli.models.inspect import count_parameters
from cnncli.training.baselines import check_baselines, planned
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.display import Display
from cnncli.training.new_run import NewRun
from cnncli.training.resuming import as_resumed, resumable, standing

FEW = 50  # validation samples, below which the best epoch is told to be in doubt


def dry_run(loaded: LoadedConfig, new: NewRun, display: Display, resumed: Path | None = None) -> dict[str, str]:
    """Build everything, push one real batch through and back, write no run; the plan as plain values.

    With the checkpoint of a run to be ``resumed`` the plan is that of going on with it.
    """
    checkpoint = None if resumed is None else resumable(resumed)
    if checkpoint is not None:
        loaded = as_resumed(checkpoint, loaded)
    experiment = build_experiment(loaded, display.track, checkpoint, measure=False)
    check_baselines(loaded, experiment)
    with explained(fewer_steps(loaded.config.dataset.batch_size, experiment.config.precision)):
        inputs, targets = next(iter(experiment.loader("train", training=True).epoch(0)))
        with experiment.runtime.autocast():
            outputs = experiment.state.model.train()(inputs)
        loss = experiment.task.loss(outputs.float(), targets)
        loss.backward()
    where = {"writes to": str(new.runs_dir / loaded.config.name / (new.run_id or f"<time>{new.suffix}"))}
    if checkpoint is not None:
        assert checkpoint.training is not None
        after = standing(checkpoint.training.epoch, checkpoint.training.batch)
        where = {"goes on from": f"{checkpoint.path}, {after}", "writes to": str(checkpoint.path.parent)}
    return {
        **describe(experiment),
        "batch": f"inputs {list(inputs.shape)}, outputs {list(outputs.shape)}, loss {loss.item():.4f}",
        **where,
    }


def describe(experiment: Experiment) -> dict[str, str]:
    """What is about to run, for the header and the plan."""
    config, spec = experiment.config, experiment.data.spec
    sources = experiment.data.sources
    sizes = " + ".join(f"{len(sources[split]):,} {split}" for split in SPLITS if split in sources)
    counted = f" {spec.kind.samples}" if spec.kind.samples else ""
    learned = spec.preprocess.learned(spec.classes)
    learned = f", {learned}" if learned else ""
    batch = [config.dataset.batch_size, *spec.input_shape]
    epochs, steps = config.train.epochs, experiment.steps_per_epoch
    parameters = count_parameters(experiment.state.model)
    return {
        "device": experiment.runtime.description,
        "precision": config.precision + (f" ({experiment.reason})" if experiment.reason else ""),
        "compute": ", ".join(experiment.runtime.settings(experiment.state.model, experiment.state.optimizer)),
        "data": f"{config.dataset.name}: {sizes}{counted}{learned}; {experiment.where}",
        "input": f"[{spec.kind.axes}] = {batch}",
        "model": f"{config.model.name}: {parameters:,} parameters",
        **_start(experiment),
        "task": f"{config.task.name}, {config.loss.name} loss; best epoch by {_chosen_by(experiment)}",
        "optimizer": f"{config.optimizer.name}, lr {config.optimizer.args.get('lr')}, {config.scheduler.name} schedule",
        **({} if config.baselines == "none" else {"baselines": planned(experiment)}),
        "steps": f"{epochs} {'epoch' if epochs == 1 else 'epochs'} × {steps:,} = {epochs * steps:,}",
    }


def _chosen_by(experiment: Experiment) -> str:
    """What picks the best epoch, and on how many samples where they are few."""
    monitor, source = experiment.config.checkpoint.monitor, experiment.data.sources.get("val")
    if source is None or len(source) >= FEW or not monitor.startswith("val/"):
        return monitor
    return f"{monitor} (on {len(source)} samples, which are few)"


def _start(experiment: Experiment) -> dict[str, str]:
    """Where the weights come from, where they are not new, and what goes on learning."""
    config = experiment.config
    if config.finetune is not None:
        what = str(experiment.transfer) if experiment.transfer else "its weights come with the checkpoint"
        return {"start": f"{config.finetune.pretrained}: {what}", "learning": _learning(experiment)}
    return {} if config.train.start_from is None else {"start": f"the weights of {config.train.start_from}"}


def _learning(experiment: Experiment) -> str:
    """Which parameters learn, and at which rates."""
    assert experiment.strategy is not None
    groups = experiment.strategy.groups(float(experiment.config.optimizer.args["lr"]))
    count = sum(parameter.numel() for group in groups for parameter in group["params"])
    rates = [group["lr"] for group in groups]
    shown = f"{count:,} parameters ({experiment.strategy.settings.strategy}), lr {rates[0]:.3g}"
    shown += f" for the head, down to {min(rates):.3g}" if len(rates) > 1 else ""
    return shown + ("; features computed once" if experiment.data.embed is not None else "")
