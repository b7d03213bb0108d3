"""From a checked config to the parts of an experiment."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

from cnncli.compute.failures import explained
from cnncli.compute.runtime import Runtime, make_runtime
from cnncli.config.checking import LoadedConfig
from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, Fault, did_you_mean
from cnncli.core.registry import models, tasks
from cnncli.core.spec import DataSpec, Split
from cnncli.data import DataBundle, build_data
from cnncli.data.contract import Track
from cnncli.data.loaders import Loader
from cnncli.data.transforms import BATCH_TRANSFORMS
from cnncli.models.pretrained import Transfer
from cnncli.models.whitening import fit_whitening, samples_needed, whitens
from cnncli.optim.averaging import WeightAverage
from cnncli.optim.optimizers import build_optimizer
from cnncli.optim.schedulers import Schedule, build_schedule
from cnncli.tasks.losses import CLASS_NUMBERS_ONLY
from cnncli.tasks.protocol import Task
from cnncli.training.choose import Choice, Trial, choose
from cnncli.training.engine import TrainState
from cnncli.training.features import Extractor, HeadOnFeatures
from cnncli.training.finetune import Strategy, load_pretrained


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
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch."""
        loader = self.data.loader("train", self.runtime.device, training=True, seed=self.config.seed, embedded=False)
        return -(-len(loader) // self.config.train.accumulate)

    @property
    def place(self) -> str:
        """Where the training samples lie."""
        loader = self.data.loader("train", self.runtime.device, training=True, seed=self.config.seed, embedded=False)
        return loader.place

    def loader(self, split: Split, *, training: bool = False) -> Loader:
        """The batches of ``split`` on the run's device."""
        return self.data.loader(split, self.runtime.device, training=training, seed=self.config.seed)


def build_experiment(
    loaded: LoadedConfig, track: Track, resumed: DataSpec | None = None, measure: bool = True
) -> Experiment:
    """Open the data and build every part; raises ``ConfigError`` with file, line and key where a part refuses.

    With the spec of a ``resumed`` run its preprocessing is used, and no weights are loaded or computed: the run's own
    will take their place. Unless it may ``measure``, nothing is chosen by a trial.
    """
    config = loaded.config
    with blaming(loaded, "device"):
        runtime = make_runtime(config.device, config.precision, config.seed, config.compute)
    with blaming(loaded, "dataset"):
        data = open_data(config, track, resumed)
    with blaming(loaded, "checkpoint.monitor"):
        mode = _monitor_mode(config, "val" in data.sources)
    runtime.seed_weights()
    with blaming(loaded, "model"):
        model = build_model(config, data.spec)
    with blaming(loaded, "finetune"):
        strategy, transfer = _start_from(model, config, data.spec, pretrained=resumed is None)
    model = runtime.place(model)
    with blaming(loaded, "loss"):
        task = build_task(config, data.spec, data.sources["train"].targets, runtime.device)
        _check_mixing(config)
    if task.needs_validation and "val" not in data.sources:
        raise loaded.located(
            ConfigError(Fault("", "task", "what it chooses needs validation data; set dataset.val_fraction above 0"))
        )
    with blaming(loaded, "optimizer"):
        optimizer = _optimizer(config, model, strategy, data.spec)
    with blaming(loaded, "dataset"), explained():
        # not embedded: features are computed when they are first asked for, with the weights of then
        loader = data.loader("train", runtime.device, training=True, seed=config.seed, embedded=False)
        if resumed is None and config.finetune is None and whitens(model):
            fit_whitening(model, _first_inputs(loader, samples_needed(data.spec.input_shape)))
        choice = choose(Trial(config, data.spec, model, task, loader, runtime), measure)
    config = settled(config, choice)
    runtime = replace(runtime, precision=config.precision, compute=config.compute)
    if strategy is not None:
        model = _on_features(model, strategy, data, runtime, config)
    with blaming(loaded, "scheduler"):
        steps = -(-len(loader) // config.train.accumulate)
        schedule = build_schedule(config.scheduler, optimizer, config.train.epochs, steps, mode)
    state = _state(config, model, optimizer, schedule, runtime)
    return Experiment(config, runtime, data, task, state, mode, strategy, transfer, choice.reason)


def _optimizer(config: Config, model: nn.Module, strategy: Strategy | None, spec: DataSpec) -> Optimizer:
    if config.precision == "fp16" and config.optimizer.name == "lbfgs":
        raise ConfigError("lbfgs asks for the loss several times a step, which fp16 cannot; use fp32 or bf16")
    groups = strategy.groups(float(config.optimizer.args["lr"])) if strategy else None
    gradual = strategy is not None and strategy.settings.strategy == "gradual"
    device = next(model.parameters()).device
    example = torch.zeros(2, *spec.input_shape, dtype=input_type(spec), device=device)
    return build_optimizer(config.optimizer, model, example, groups, together=not gradual)


def _state(config: Config, model: nn.Module, optimizer: Optimizer, schedule: Schedule, runtime: Runtime) -> TrainState:
    average = WeightAverage(model, config.train.ema_decay) if config.train.ema_decay else None
    scaler = torch.amp.GradScaler(runtime.device.type) if config.precision == "fp16" else None
    if config.compute.compile == "on":
        model.compile(dynamic=False)  # in place: the names of the weights stay as they are
    return TrainState(model, optimizer, schedule, average, scaler)


def settled(config: Config, choice: Choice) -> Config:
    """The config with what ``auto`` stood for: the run is written down as it was."""
    compute = config.compute.model_copy(update={"compile": "on" if choice.compiled else "off"})
    return config.model_copy(update={"precision": choice.precision, "compute": compute})


def _first_inputs(loader: Loader, count: int) -> torch.Tensor:
    """About ``count`` samples of the training part as the network gets them."""
    found: list[torch.Tensor] = []
    for inputs, _ in loader.epoch(0):
        found.append(inputs)
        if sum(map(len, found)) >= count:
            break
    return torch.cat(found)[:count]


def _start_from(
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
    example = torch.zeros(2, *data.spec.input_shape, dtype=input_type(data.spec), device=runtime.device)
    if not extractor.suffices(example):
        return model
    data.embed = extractor
    return HeadOnFeatures(model, strategy.head_name)


def _check_mixing(config: Config) -> None:
    """Raise ``ConfigError`` where mixed samples are asked for and the task or loss cannot take them."""
    mixing = [t.name for t in config.dataset.augment if t.name in BATCH_TRANSFORMS]
    if mixing and (config.task.name != "classification" or config.loss.name in CLASS_NUMBERS_ONLY):
        cause = f"{mixing[0]} gives every sample shares of classes, which {config.task.name} with {config.loss.name} "
        raise ConfigError(Fault("", "dataset.augment", f"{cause}cannot take; use classification with cross_entropy"))


def open_data(config: Config, track: Track, spec: DataSpec | None = None) -> DataBundle:
    """The data of the config as its task wants them; with the ``spec`` of a checkpoint its preprocessing is used."""
    task = _task_class(config)
    data = build_data(config.dataset, track, spec, task.wants)
    if task.output_shape is not None:
        data.spec = replace(data.spec, output_shape=task.output_shape)
    return data


def build_model(config: Config, spec: DataSpec) -> nn.Module:
    """The network of the config for data of ``spec``, on the CPU.

    Raises ``ConfigError`` when it cannot take such samples or does not give one value for each output.
    """
    name = config.model.name
    shape = "×".join(map(str, spec.input_shape))
    try:
        model: nn.Module = models.build(name, spec, **config.model.args)
        model.eval()
        with torch.no_grad():
            outputs = model(torch.zeros(2, *spec.input_shape, dtype=input_type(spec)))
    except RuntimeError as error:
        cause = str(error).splitlines()[0]
        advice = "use larger pictures or another model" if spec.kind == "pictures" else "use another model"
        raise ConfigError(f"{name} cannot take samples of {shape} ({cause}); {advice}") from error
    if not isinstance(outputs, torch.Tensor) or tuple(outputs.shape) != (2, *spec.outputs):
        given = tuple(outputs.shape[1:]) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise ConfigError(f"{name} gives {given} for one sample, the data want {spec.outputs}; use another model")
    return model.train()


def input_type(spec: DataSpec) -> torch.dtype:
    """Characters are ids, everything else is a float by the time it reaches the network."""
    return torch.long if spec.kind == "text" else torch.float32


def build_task(config: Config, spec: DataSpec, train_targets: torch.Tensor, device: torch.device) -> Task:
    """The task of the config; the targets of the training part are for class weights and baselines."""
    task: Task = tasks.build(config.task.name, spec, config.loss, train_targets, device, **config.task.args)
    return task


def _task_class(config: Config) -> type[Task]:
    task: type[Task] = tasks.get(config.task.name).factory  # type: ignore[assignment]
    return task


def _monitor_mode(config: Config, has_val: bool) -> Literal["max", "min"]:
    monitor = config.checkpoint.monitor
    split, _, metric = monitor.partition("/")
    task = _task_class(config)
    known = [f"train/{name}" for name in task.train_metrics]
    if has_val:
        known += [f"val/{name}" for name in task.metrics]
    elif split == "val":
        raise ConfigError(f"'{monitor}' needs validation data; set dataset.val_fraction above 0, or monitor train/loss")
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
