"""From a checked config to the parts of an experiment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

from cnncli.compute.compiling import check_graphs, compile_network
from cnncli.compute.failures import explained, fewer_steps
from cnncli.compute.machine import give_freed_memory_back
from cnncli.compute.ranks import join
from cnncli.compute.runtime import Runtime, make_runtime
from cnncli.compute.scaling import GradientScale
from cnncli.config.checking import LoadedConfig
from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, DataError, Fault, SamplesGone, did_you_mean
from cnncli.core.registry import losses, tasks, transforms
from cnncli.core.spec import DataSpec, Split
from cnncli.data import DataBundle, build_data
from cnncli.data.contract import Remembered, Track
from cnncli.data.loaders import Loader
from cnncli.data.places import where_to_set
from cnncli.data.splits import can_be_carved
from cnncli.models.pretrained import Transfer
from cnncli.models.whitening import fit_whitening, samples_needed, whitens
from cnncli.optim.averaging import WeightAverage
from cnncli.optim.optimizers import build_optimizer
from cnncli.optim.schedulers import Schedule, build_schedule
from cnncli.runs.checkpoint import Checkpoint, load_checkpoint
from cnncli.runs.references import find_checkpoint
from cnncli.runs.run_folder import weights_beside
from cnncli.tasks.protocol import Task
from cnncli.training.choose import Choice, Trial, choose
from cnncli.training.engine import TrainState
from cnncli.training.features import Extractor, HeadOnFeatures
from cnncli.training.finetune import Strategy, find_weights, load_pretrained
from cnncli.training.loading import loader_of
from cnncli.training.network import build_model, build_task, example_inputs, load_weights, restore, task_class
from cnncli.training.repeatable import settle_order
from cnncli.training.sizes import naming_size
from cnncli.training.together import share


@dataclass
class Experiment:
    """Everything that training moves, put together from one config."""

    config: Config
    runtime: Runtime
    data: DataBundle
    task: Task
    state: TrainState
    mode: Literal["max", "min"]
    strategy: Strategy | None = None
    transfer: Transfer | None = None
    reason: str = ""  # of what was chosen by measuring

    @property
    def batches_per_epoch(self) -> int:
        """Batches of one epoch."""
        return len(self._plain_loader())

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch."""
        return -(-self.batches_per_epoch // self.config.train.accumulate)

    @property
    def where(self) -> str:
        """Where the training samples lie."""
        return self._plain_loader().where

    def _plain_loader(self) -> Loader:
        """The batches of training as the network gets them, whether or not it learns from features."""
        return self.data.loader("train", self.runtime.device, training=True, seed=self.config.seed, embedded=False)

    def loader(self, split: Split, *, training: bool = False) -> Loader:
        """The batches of ``split`` on the run's device."""
        return loader_of(self.data, split, self.runtime.device, training=training, seed=self.config.seed)


def build_experiment(
    loaded: LoadedConfig, track: Track, resumed: Checkpoint | None = None, measure: bool = True,
    narrow: Callable[[DataBundle], DataBundle] = lambda data: data,
) -> Experiment:  # fmt: skip
    """Open the data and build every part; raises ``ConfigError`` with file, line and key where a part refuses.

    Preprocessing and weights of a ``resumed`` run are kept. Trials choose if it may ``measure``; ``narrow`` thins data.
    """
    config, ranks = loaded.config, join()
    with blaming(loaded, "device"):
        check_graphs(config, ranks.count)
        runtime = make_runtime(config.device, config.precision, config.seed, config.compute, ranks)
    restored = None if resumed is None else restore(resumed, config)  # before the data: its faults are not theirs
    with blaming(loaded, "dataset"), ranks.zero_first():
        data = narrow(_data(config, track, resumed))
        share(data, runtime)
    with blaming(loaded, "checkpoint.monitor"):
        mode = _monitor_mode(config, data)
    model, strategy, transfer = _network(loaded, data.spec, runtime, restored)
    with blaming(loaded, "loss"):
        task = _fitted_task(config, data, runtime)
    with blaming(loaded, "optimizer"):
        optimizer = _optimizer(config, model, strategy, data.spec)
    with blaming(loaded, "dataset"), explained(fewer_steps(config.dataset.batch_size, config.precision)):
        # not embedded: features are computed when they are first asked for, with the weights of then
        loader = loader_of(data, "train", runtime.device, training=True, seed=config.seed, embedded=False)
        if resumed is None and config.finetune is None and whitens(model):
            fit_whitening(model, _first_inputs(loader, samples_needed(data.spec.input_shape)))
        ranks.alike(model)
        settle_order(model, task, loader, runtime)
        choice = ranks.from_zero(lambda: choose(Trial(config, data.spec, model, task, loader, runtime), measure))
    config = settled(config, choice)
    runtime = replace(runtime, precision=config.precision, compute=config.compute)
    if strategy is not None:
        model = _on_features(model, strategy, data, runtime, config)
    with blaming(loaded, "scheduler"):
        steps = -(-len(loader) // config.train.accumulate)
        schedule = build_schedule(config.scheduler, optimizer, config.train.epochs, steps, mode)
    state = _state(config, model, optimizer, schedule, runtime)
    return Experiment(config, runtime, data, task, state, mode, strategy, transfer, choice.reason)


def _data(config: Config, track: Track, resumed: Checkpoint | None) -> DataBundle:
    """The data, those of a ``resumed`` run as it knew them; raises ``DataError`` where some of training are gone."""
    if resumed is None:
        find_weights(config)  # before pictures are decoded for a network that cannot begin
        return open_data(config, track)
    anew = f"start a new run from its weights: train.start_from={weights_beside(resumed.path)}"
    try:
        data = open_data(config, track, resumed.spec, as_remembered(resumed))
    except SamplesGone as error:
        raise DataError(f"{error}; {where_to_set(config.dataset)}, or {anew}") from error
    known = 0 if resumed.members is None else len(resumed.members.learned)
    if gone := known - min(len(data.sources["train"]) + data.unused, known):
        cause = f"{gone:,} of the run's {known:,} training samples are gone"
        raise DataError(f"{config.dataset.name}: {cause}; put them back, or {anew}")
    return data


def as_remembered(checkpoint: Checkpoint, elsewhere: bool = False) -> Remembered | None:
    """The splits that a checkpoint remembers; None where it has none."""
    return None if checkpoint.members is None else Remembered(checkpoint.members, elsewhere)


def _network(
    loaded: LoadedConfig, spec: DataSpec, runtime: Runtime, restored: nn.Module | None
) -> tuple[nn.Module, Strategy | None, Transfer | None]:
    """The network on its device: ``restored`` from a run, new, or with the weights that fine-tuning begins with."""
    config = loaded.config
    runtime.seed_weights()
    with blaming(loaded, "model"):
        model = build_model(config, spec) if restored is None else restored.train()
    with blaming(loaded, "train.start_from"):
        if restored is None and config.train.start_from is not None:
            _start_from(model, config, spec)
    with blaming(loaded, "finetune"), runtime.ranks.zero_first():
        strategy, transfer = _fine_tuning(model, config, spec, pretrained=restored is None)
    return runtime.place(model), strategy, transfer


def _start_from(model: nn.Module, config: Config, spec: DataSpec) -> None:
    """Put all weights of another run of the same network into ``model``; raises ``CheckpointError``."""
    assert config.train.start_from is not None
    checkpoint = load_checkpoint(find_checkpoint(config.train.start_from))
    weights = restore(checkpoint).state_dict()
    naming_size(lambda own: load_weights(own, weights, checkpoint), model, checkpoint, config, spec)


def _fitted_task(config: Config, data: DataBundle, runtime: Runtime) -> Task:
    task = build_task(config, data.spec, runtime.device)
    task.fit(data.sources["train"].targets)
    _check_mixing(config)
    if task.needs_validation and "val" not in data.sources:
        raise ConfigError(Fault("", "task", f"what it chooses needs validation data; {_how_to_validate(config, data)}"))
    return task


def _optimizer(config: Config, model: nn.Module, strategy: Strategy | None, spec: DataSpec) -> Optimizer:
    if config.precision == "fp16" and config.optimizer.name == "lbfgs":
        raise ConfigError("lbfgs asks for the loss several times a step, which fp16 cannot; use fp32 or bf16")
    groups = strategy.groups(float(config.optimizer.args["lr"])) if strategy else None
    gradual = strategy is not None and strategy.settings.strategy == "gradual"
    example = example_inputs(spec, next(model.parameters()).device)
    return build_optimizer(config.optimizer, model, example, groups, together=not gradual)


def _state(config: Config, model: nn.Module, optimizer: Optimizer, schedule: Schedule, runtime: Runtime) -> TrainState:
    average = WeightAverage(model, config.train.ema_decay) if config.train.ema_decay else None
    scaler = GradientScale(runtime.device) if config.precision == "fp16" else None
    compiling = config.compute.compile
    if compiling == "on" or compiling == "cuda_graphs":
        compile_network(model, compiling)
    return TrainState(model, optimizer, schedule, average, scaler)


def settled(config: Config, choice: Choice) -> Config:
    """The config with what ``auto`` stood for: the run is written down as it was."""
    compute = config.compute.model_copy(update={"compile": choice.compiling})
    return config.model_copy(update={"precision": choice.precision, "compute": compute})


def _first_inputs(loader: Loader, count: int) -> torch.Tensor:
    """About ``count`` samples of the training part as the network gets them."""
    found: list[torch.Tensor] = []
    for inputs, _ in loader.epoch(0):
        found.append(inputs)
        if sum(map(len, found)) >= count:
            break
    return torch.cat(found)[:count]


def _fine_tuning(
    model: nn.Module, config: Config, spec: DataSpec, pretrained: bool
) -> tuple[Strategy | None, Transfer | None]:
    """What fine-tuning adds: the weights it starts from, and the plan of what learns."""
    if config.finetune is None:
        return None, None
    settings = config.finetune
    if settings.strategy == "gradual" and settings.head_epochs > config.train.epochs:
        cause = f"{settings.head_epochs} of {config.train.epochs} epochs: the rest never learns; lower it, or use head"
        raise ConfigError(Fault("", "finetune.head_epochs", cause))
    found = load_pretrained(model, config, spec) if pretrained else None
    return Strategy(config.finetune, model, spec.num_outputs), found


def _on_features(model: nn.Module, strategy: Strategy, data: DataBundle, runtime: Runtime, config: Config) -> nn.Module:
    """``model``, or where only its head learns from pictures that never change, its head on kept features."""
    settings = strategy.settings
    if settings.strategy != "head" or not settings.cache_features or config.dataset.augment:
        return model
    extractor = Extractor(model, strategy.head_name, runtime)
    if not extractor.suffices(example_inputs(data.spec, runtime.device)):
        return model
    data.embed = extractor
    return HeadOnFeatures(model, strategy.head_name)


def _check_mixing(config: Config) -> None:
    """Raise ``ConfigError`` where mixed samples are asked for and the task or loss cannot take them."""
    mixing = [t.name for t in config.dataset.augment if "batches" in transforms.get(t.name).traits]
    takes = "mixes" in tasks.get(config.task.name).traits
    if mixing and (not takes or "class_numbers_only" in losses.get(config.loss.name).traits):
        cause = f"{mixing[0]} gives every sample shares of classes, which {config.task.name} with {config.loss.name} "
        raise ConfigError(Fault("", "dataset.augment", f"{cause}cannot take; use classification with cross_entropy"))


def open_data(
    config: Config, track: Track, spec: DataSpec | None = None, remembered: Remembered | None = None
) -> DataBundle:
    """The data of the config as its task wants them; of a checkpoint its preprocessing and its splits are used."""
    task = task_class(config)
    data = build_data(config.dataset, track, spec, task.wants, remembered)
    if task.output_shape is not None:
        data.spec = replace(data.spec, output_shape=task.output_shape)
    give_freed_memory_back()
    return data


def _how_to_validate(config: Config, data: DataBundle) -> str:
    """What gives validation data, as far as there are enough samples for them."""
    source = data.sources["train"]
    if data.spec.kind.only is not None or can_be_carved(source.targets):
        return "set dataset.val_fraction above 0"
    if config.dataset.args.get("test_fraction"):
        return "set dataset.test_fraction: 0 and dataset.val_fraction above 0"
    return "add more, of which some can be split off"


def _monitor_mode(config: Config, data: DataBundle) -> Literal["max", "min"]:
    monitor = config.checkpoint.monitor
    split, _, metric = monitor.partition("/")
    task = task_class(config)
    known = [f"train/{name}" for name in task.train_metrics]
    if "val" in data.sources:
        known += [f"val/{name}" for name in task.metrics]
    elif split == "val":
        advice = f"{_how_to_validate(config, data)}, or set checkpoint.monitor: train/loss"
        raise ConfigError(f"'{monitor}' needs validation data; {advice}")
    if monitor not in known:
        raise ConfigError(f"there is no metric '{monitor}'; {did_you_mean(monitor, known)}")
    if config.checkpoint.mode != "auto":
        return config.checkpoint.mode
    return "min" if metric in task.lower_is_better else "max"


@contextmanager
def blaming(loaded: LoadedConfig, key: str) -> Iterator[None]:
    """Add ``key`` and its line to errors that name neither."""
    try:
        yield
    except ConfigError as error:
        named = [fault if fault.key or fault.where else Fault("", key, fault.cause) for fault in error.faults]
        raise loaded.located(ConfigError(named)) from error
