"""torch.compile, such that a run compiles its network twice: once for training, once for evaluation."""

from typing import Any

import torch
from torch import Tensor, nn

from cnncli.config.sections import Compiling, Config
from cnncli.core.errors import ConfigError, Fault


def check_graphs(config: Config, ranks: int) -> None:
    """Raise ``ConfigError`` where CUDA graphs would give wrong gradients, or several ranks exchange theirs.

    A graph writes the gradients of every batch to the same place, so that those of the batch before are lost
    (github.com/pytorch/pytorch/issues/169545).
    """
    if config.compute.compile == "cuda_graphs" and ranks > 1:
        raise ConfigError(Fault("", "compute.compile", "cuda_graphs is for one process; set it to on, or to off"))
    if config.compute.compile == "cuda_graphs" and config.train.accumulate > 1:
        cause = "cuda_graphs cannot add up the gradients of several batches; set it to on, or train.accumulate: 1"
        raise ConfigError(Fault("", "compute.compile", cause))


def compile_network(model: nn.Module, compiling: Compiling) -> None:
    """Compile ``model`` in place; the names of its weights stay as they are.

    The number of samples is not compiled in: the last batch of an epoch is smaller than the others, and batches of an
    evaluation are larger. Each number would be compiled for itself otherwise.
    """
    graphs = compiling == "cuda_graphs"
    if graphs:
        model.compile(dynamic=False, mode="reduce-overhead")
    else:
        model.compile(dynamic=False)
    compiled = model._compiled_call_impl
    assert compiled is not None

    def call(*inputs: Tensor, **named: Any) -> Tensor:
        for values in inputs:
            torch._dynamo.maybe_mark_dynamic(values, 0)
        if not graphs:
            plain: Tensor = compiled(*inputs, **named)
            return plain
        torch.compiler.cudagraph_mark_step_begin()
        outputs: Tensor = compiled(*inputs, **named)
        return outputs.clone()  # the next batch overwrites what a graph gives, and meters keep it for longer

    model._compiled_call_impl = call
