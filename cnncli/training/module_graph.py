"""What a network computes, as a graph: noted while it answers to an example, whatever Python stands in it.

torch.jit.trace, which TensorBoard's writer uses, is deprecated, and torch.export refuses networks that this shows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from cnncli.runs.tensorboard import Node

MOST_NODES = 5000  # more are no picture that a browser draws


class _Recorder(TorchFunctionMode):
    """Notes each operation that gives a tensor as a node in the module that it stands in."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.inside = [""]  # of the network itself: a box around all would have to be opened first
        self._makers: dict[int, str] = {}
        self._alive: list[Any] = []  # a tensor that is gone would leave its number to another
        self._counts: Counter[str] = Counter()
        owned: list[tuple[str, Tensor]] = [*network.named_parameters(), *network.named_buffers()]
        self._owned = {id(tensor): (name, tensor) for name, tensor in owned}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        if made and len(self.nodes) < MOST_NODES:
            given = [leaf for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor)]
            sources = [source for tensor in given if (source := self._source(tensor)) is not None]
            self.add(func.__name__.strip("_"), sources, made)
        return found

    def add(self, operation: str, sources: Sequence[str], made: Sequence[Tensor]) -> str:
        """A node for what made these tensors."""
        name = self._unused(f"{self.inside[-1]}{operation}")
        self.nodes.append(Node(name, operation, tuple(dict.fromkeys(sources)), tuple(made[0].shape)))
        for tensor in made:
            self._makers[id(tensor)] = name
            self._alive.append(tensor)
        return name

    def _source(self, tensor: Tensor) -> str | None:
        """The node that a tensor comes from; of a weight, one beside the operation that uses it; None of a constant."""
        if id(tensor) in self._makers or id(tensor) not in self._owned:
            return self._makers.get(id(tensor))
        path, owned = self._owned[id(tensor)]
        return self.add(path.rpartition(".")[2], [], [owned])

    def _unused(self, name: str) -> str:
        self._counts[name] += 1
        return name if self._counts[name] == 1 else f"{name}_{self._counts[name] - 1}"


def module_graph(network: nn.Module, example: Tensor) -> list[Node]:
    """The operations of ``network`` for an ``example`` ``[B, ...]``, in evaluation mode, grouped by its modules."""
    recorder = _Recorder(network)
    with observed(network), _scopes(network, recorder):
        recorder.add("input", [], [example])
        with recorder:
            answer = network(example)
        recorder.add("output", [recorder._makers[id(answer)]] if id(answer) in recorder._makers else [], [answer])
    return recorder.nodes


@contextmanager
def _scopes(network: nn.Module, recorder: _Recorder) -> Iterator[None]:
    """Tell ``recorder`` which module is at work."""
    handles = []

    def entering(name: str) -> Callable[..., None]:
        return lambda *_: recorder.inside.append(f"{recorder.inside[-1]}{name}/")

    for path, module in network.named_modules():
        if path:
            name = f"{type(module).__name__}[{path.rpartition('.')[2]}]"
            handles.append(module.register_forward_pre_hook(entering(name)))
            handles.append(module.register_forward_hook(lambda *_: recorder.inside.pop() and None, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def observed(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, each operation by itself even where the network is compiled."""
    training = [module for module in network.modules() if module.training]
    compiled = any(module._compiled_call_impl is not None for module in network.modules())
    network.eval()
    try:  # asking for the compiler takes seconds where nothing is compiled
        with torch.inference_mode(), torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    finally:
        for module in training:
            module.training = True
