"""Optimizers that leave torch's compiler alone, whose import takes a second of every start and a hundred MiB.

torch wraps the methods of its optimizers lest a compiled function trace them, and the wrappers import
``torch._dynamo`` when they are first called. What cnncli compiles is the network, never its optimizer.
"""

from inspect import unwrap

import torch
from torch.optim import Optimizer


class Untraced(Optimizer):
    """An optimizer whose bookkeeping is not wrapped."""

    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)


def untraced(optimizer: type[Optimizer]) -> type[Optimizer]:
    """``optimizer``, one of torch's, with its own arguments and steps, but not wrapped.

    The wrapper of ``step`` turns gradients off unless the optimizer is to be differentiated, which no config can ask.
    """
    return type(optimizer.__name__, (Untraced, optimizer), {"step": torch.no_grad()(unwrap(optimizer.step))})
