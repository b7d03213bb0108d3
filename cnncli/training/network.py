"""Networks: built from a config, or rebuilt from a checkpoint."""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from math import prod

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from cnncli.config.sections import COMPONENT_SECTIONS, Config
from cnncli.core.checks import first_fault
from cnncli.core.errors import CheckpointError, ConfigError, DoesNotFit
from cnncli.core.registry import REGISTRIES, explain, losses, models, tasks
from cnncli.core.spec import DataSpec
from cnncli.data.agreement import disagreement
from cnncli.runs.checkpoint import Checkpoint
from cnncli.runs.forms import is_finite, unlike
from cnncli.tasks.protocol import Task
from cnncli.training.bounded import no_larger_than
from cnncli.training.smallest import size_fault

_COUNTS = ("running_var", "num_batches_tracked", "n_averaged")  # never below zero
TRIED = 16  # the largest sample that a checkpoint's network is tried on has an evaluation batch's values by this


def example_inputs(spec: DataSpec, device: torch.device | None = None) -> Tensor:
    """Two samples of zeros as the network gets them, ``[2, *input_shape]``."""
    return torch.zeros(2, *spec.input_shape, dtype=input_type(spec), device=device)


def input_type(spec: DataSpec) -> torch.dtype:
    """Characters are ids, everything else is a float by the time it reaches the network."""
    dtype: torch.dtype = getattr(torch, spec.kind.dtype)
    return dtype


def build_model(config: Config, spec: DataSpec) -> nn.Module:
    """The network of the config for data of ``spec``, on the CPU.

    Raises ``ConfigError`` when it cannot take such samples or does not give one value for each output.
    """
    try:
        with _fitting(config, spec):
            model: nn.Module = models.build(config.model.name, spec, **config.model.args)
            _try(model, config, spec)
    except DoesNotFit as error:
        raise (size_fault(config, spec) or error) from error
    return model.train()


@contextmanager
def _fitting(config: Config, spec: DataSpec) -> Iterator[None]:
    """Turn torch's errors inside about shapes into ``DoesNotFit``."""
    try:
        yield
    except RuntimeError as error:
        cause, shape = str(error).splitlines()[0], "×".join(map(str, spec.input_shape))
        raise DoesNotFit(f"{config.model.name} cannot take samples of {shape} ({cause}); {spec.kind.advice}") from error


@torch.no_grad()
def _try(model: nn.Module, config: Config, spec: DataSpec) -> None:
    """Push two samples through; raises ``ConfigError`` unless the answers have the shape that the data want."""
    outputs = model.eval()(example_inputs(spec))
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != (2, *spec.outputs):
        given = tuple(outputs.shape[1:]) if isinstance(outputs, Tensor) else type(outputs).__name__
        cause = f"{config.model.name} gives {given} for one sample, the data want {spec.outputs}"
        raise ConfigError(f"{cause}; use another model")


def restore(checkpoint: Checkpoint, config: Config | None = None) -> nn.Module:
    """The network of a checkpoint with its weights, on the CPU, in evaluation mode: whoever needs one calls this.

    ``config`` is the checkpoint's own with what was set anew. Raises ``CheckpointError`` where the parts of the
    checkpoint do not go together.
    """
    spec, config = checkpoint.spec, config or checkpoint.config
    check_parts(checkpoint)
    try:
        with _fitting(config, spec), no_larger_than(checkpoint.weights):
            model: nn.Module = models.build(config.model.name, spec, **config.model.args)
            load_weights(model, checkpoint.weights, checkpoint)
            if prod(spec.input_shape) <= spec.kind.eval_values // TRIED:
                _try(model, config, spec)
    except ConfigError as error:
        raise CheckpointError(f"{checkpoint.path}: its network cannot be rebuilt ({error})") from error
    return model.eval()


def check_parts(checkpoint: Checkpoint) -> None:
    """Raise ``CheckpointError`` unless config, spec and calibration of a checkpoint go together."""
    config, spec, path = checkpoint.config, checkpoint.spec, checkpoint.path
    try:
        _check_components(config)
        if fault := disagreement(config.dataset, spec):
            raise CheckpointError(f"{path}: {fault}; name another checkpoint")
        if config.task.name not in tasks or config.loss.name not in losses:  # of a plug-in that is not needed here
            return
        task = build_task(config, spec, torch.device("cpu"))
    except ConfigError as error:
        raise CheckpointError(f"{path}: its config cannot be used ({error})") from error
    offered = {"classes": bool(spec.classes), "numbers": spec.numbers is not None}
    offered |= {only: spec.kind.only == only for only in ("windows", "characters")}
    if not offered.get(task.wants, True):
        raise CheckpointError(f"{path}: config.task: {config.task.name} learns {task.wants}, of which spec has none")
    if spec.classes and spec.output_shape != (task.output_shape or ()):
        raise CheckpointError(f"{path}: spec.output_shape: is {spec.output_shape}, not {task.output_shape or ()}")
    use_calibration(task, checkpoint)


def _check_components(config: Config) -> None:
    """Raise ``ConfigError`` for names and arguments that are not known, but for those of plug-ins that are not here."""
    named = [(section, kind, getattr(config, section)) for section, kind in COMPONENT_SECTIONS.items()]
    named += [(f"dataset.augment.{i}", "transforms", t) for i, t in enumerate(config.dataset.augment)]
    for section, kind, component in named:
        if component.name not in REGISTRIES[kind] and config.plugins and section != "model":
            continue
        entry = REGISTRIES[kind].get(component.name)
        try:
            entry.check(component.args)
        except ValidationError as error:
            raise ConfigError(f"config.{section}: {component.name}: {explain(error, entry.arguments)}") from error


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], checkpoint: Checkpoint, entry: str = "model") -> None:
    """Put weights of a checkpoint into ``model``; raises ``CheckpointError`` naming the first that does not fit."""
    own: dict[str, Tensor] = model.state_dict()
    if fault := weights_fault(dict(weights), own, entry):
        raise CheckpointError(f"{checkpoint.path}: {fault}; name a checkpoint of this very network")
    fitting = OrderedDict(weights)
    fitting._metadata = own._metadata  # type: ignore[attr-defined]  # versions of modules: those of the network
    model.load_state_dict(fitting)


def weights_fault(weights: dict[str, Tensor] | None, own: dict[str, Tensor] | None, entry: str) -> str | None:
    """The first of the weights that is not of a network with its ``own``, or that no training leaves behind."""
    if fault := unlike(weights, own, entry):
        return fault
    for name, values in (weights or {}).items():
        if (
            not is_finite(values) and own is not None and not torch.equal(values, own[name].cpu())
        ):  # a mask is infinite by design
            return f"{entry}.{name}: holds numbers that are infinite or NaN"
        if name.endswith(_COUNTS) and bool((values < 0).any()):
            return f"{entry}.{name}: holds numbers below zero"
    return None


def build_task(config: Config, spec: DataSpec, device: torch.device) -> Task:
    """The task of the config; before it is trained or compared with baselines it must ``fit`` the training targets."""
    task: Task = tasks.build(config.task.name, spec, config.loss, device, **config.task.args)
    return task


def task_class(config: Config) -> type[Task]:
    """The class of the config's task."""
    task: type[Task] = tasks.get(config.task.name).factory  # type: ignore[assignment]
    return task


def use_calibration(task: Task, checkpoint: Checkpoint, views: bool = False) -> None:
    """Let ``task`` answer with what a checkpoint's run chose on validation; ``views``: for means over several views.

    Raises ``CheckpointError`` where it is not what the task chooses.
    """
    known = [field.name for field in fields(task.calibration_type)]
    try:
        if checkpoint.calibration and (lacking := [name for name in known if name not in checkpoint.calibration]):
            raise ValueError(f"{lacking[0]}: is missing")  # what was chosen is written as a whole
        calibration = TypeAdapter(task.calibration_type).validate_json(json.dumps(checkpoint.calibration))
        task.use(calibration.for_views() if views else calibration)
    except (ValueError, TypeError) as error:  # what is no plain value is no JSON
        fault = f"calibration.{error}"
        if isinstance(error, ValidationError):
            fault = first_fault(error, checkpoint.calibration, "calibration")
        raise CheckpointError(f"{checkpoint.path}: {fault}; name a checkpoint of this task") from error
