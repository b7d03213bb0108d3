"""Optimizers that leave torch's compiler alone, whose import takes a second of every start and a hundred MiB.

torch wraps the methods of its optimizers lest a compiled function trace them, and the wrappers import
``torch._dynamo`` when they are first called. What cnncli compiles is the network, never its optimizer.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


def _unwrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    """What torch wrapped; ``method`` itself where a release wraps nothing."""
    inner: Callable[..., Any] = getattr(method, "__wrapped__", method)
    return inner


class Untraced(Optimizer):
    """An optimizer whose bookkeeping is not wrapped."""

    add_param_group = _unwrapped(Optimizer.add_param_group)
    zero_grad = _unwrapped(Optimizer.zero_grad)
    state_dict = _unwrapped(Optimizer.state_dict)
    load_state_dict = _unwrapped(Optimizer.load_state_dict)


def untraced(optimizer: type[Optimizer]) -> type[Optimizer]:
    """``optimizer``, one of torch's, with its own arguments and steps, but not wrapped.

    The wrapper of ``step`` turns gradients off unless the optimizer is to be differentiated, which no config can ask.
    """
    step = inspect.unwrap(optimizer.step)
    methods = {"__doc__": optimizer.__doc__, "__init__": optimizer.__init__, "step": torch.no_grad()(step)}
    return type(optimizer.__name__, (Untraced, optimizer), methods)
