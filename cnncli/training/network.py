"""Networks: built from a config, or rebuilt from a checkpoint."""

import json

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from cnncli.config.sections import Config
from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.core.registry import models, tasks
from cnncli.core.spec import DataSpec
from cnncli.runs.checkpoint import Checkpoint
from cnncli.tasks.protocol import Task


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
    name = config.model.name
    try:
        model: nn.Module = models.build(name, spec, **config.model.args)
        model.eval()
        with torch.no_grad():
            outputs = model(example_inputs(spec))
    except RuntimeError as error:
        cause, shape = str(error).splitlines()[0], "×".join(map(str, spec.input_shape))
        raise ConfigError(f"{name} cannot take samples of {shape} ({cause}); {spec.kind.advice}") from error
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != (2, *spec.outputs):
        given = tuple(outputs.shape[1:]) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ConfigError(f"{name} gives {given} for one sample, the data want {spec.outputs}; use another model")
    return model.train()


def restore(checkpoint: Checkpoint, config: Config | None = None) -> nn.Module:
    """The network of a checkpoint with its weights, on the CPU, in evaluation mode: whoever needs one calls this.

    ``config`` is the checkpoint's own with what was set anew. Raises ``CheckpointError`` where it cannot be rebuilt.
    """
    try:
        model = build_model(config or checkpoint.config, checkpoint.spec)
    except ConfigError as error:
        raise CheckpointError(f"{checkpoint.path}: its network cannot be rebuilt ({error})") from error
    load_weights(model, checkpoint.weights, checkpoint)
    return model.eval()


def load_weights(model: nn.Module, weights: dict[str, Tensor], checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights into ``model``; raises ``CheckpointError`` naming what does not fit."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        causes = [line.strip() for line in str(error).splitlines()[1:3]]
        raise CheckpointError(f"{checkpoint.path}: its weights do not fit this network ({' '.join(causes)})") from error


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
    try:
        calibration = TypeAdapter(task.calibration_type).validate_json(json.dumps(checkpoint.calibration))
        task.use(calibration.for_views() if views else calibration)
    except ValueError as error:  # pydantic's is one
        cause = " ".join(str(error).split())
        raise CheckpointError(f"{checkpoint.path}: its calibration does not fit its task ({cause})") from error
