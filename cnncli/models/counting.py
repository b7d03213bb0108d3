"""What a forward pass costs, module by module: multiply-adds, what is kept for the backward pass, receptive fields.

It is counted in the operations that torch carries out, so that what a network does without a layer (attention, tied
weights, sums of branches) counts too. An operation belongs to the innermost module that is being called.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
_CONVOLUTIONS = {aten.convolution, aten._convolution}
_POOLS = {aten.max_pool2d_with_indices, aten.avg_pool2d, aten.max_pool1d, aten.avg_pool1d, aten.max_pool2d}
_MIXING = {aten.mean, aten.sum, aten.amax, aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d, aten.mm, aten.addmm,
           aten.bmm, aten.baddbmm, aten._softmax}  # fmt: skip
"""Operations after which a value may depend on all of the input, however its shape looks."""


@dataclass(frozen=True)
class Field:
    """How many input values a value depends on in each direction, and how far apart those of two neighbours lie."""

    size: tuple[int, ...] = ()
    step: tuple[int, ...] = ()

    @property
    def last(self) -> "Field":
        """That of the last axis alone."""
        return Field(self.size[-1:], self.step[-1:])

    def through(self, kernel: list[int], stride: list[int], dilation: list[int]) -> "Field":
        """After a window that slides over values with this field."""
        size, step = self.size or (1,) * len(kernel), self.step or (1,) * len(kernel)
        grown = (s + d * (k - 1) * j for s, k, d, j in zip(size, kernel, dilation, step, strict=True))
        return Field(tuple(grown), tuple(j * s for j, s in zip(step, stride, strict=True)))


@dataclass
class Cost:
    """What one module does itself; ``shape`` is that of its first output for one sample."""

    multiply_adds: int = 0
    kept: int = 0  # bytes, of two samples
    shape: tuple[int, ...] = ()
    receptive_field: tuple[int, ...] | None = None


@dataclass
class Costs:
    """The cost of every module, and the modules in the order in which their first call ended."""

    of: dict[nn.Module, Cost] = field(default_factory=lambda: defaultdict(Cost))
    order: list[nn.Module] = field(default_factory=list)


def measure(model: nn.Module, sample: Tensor) -> Costs:
    """Send ``sample`` ``[1, …]`` through in evaluation, then two of it in training; the network stays as it was."""
    costs, was_training = Costs(), model.training
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # one operation that nobody could look into
        model.eval()
        stack: list[nn.Module] = []
        with torch.no_grad(), _called(model, stack, costs, _first_output):
            counter = _Counter(stack, costs)
            _set_field(sample, Field())
            with counter:
                model(sample)
        _count_kept(model.train(), sample, costs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        model.train(was_training)
    return costs


@contextmanager
def _called(
    model: nn.Module, stack: list[nn.Module], costs: Costs, ended: Callable[[nn.Module, Costs, Any], None]
) -> Iterator[None]:
    """Keep ``stack`` the modules that are being called, the innermost last."""

    def begin(module: nn.Module, _inputs: Any) -> None:
        stack.append(module)

    def end(module: nn.Module, _inputs: Any, output: Any) -> None:
        stack.pop()
        ended(module, costs, output)

    hooks = []
    for module in model.modules():
        hooks += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _first_output(module: nn.Module, costs: Costs, output: Any) -> None:
    """What comes out of a module when it is called first; a recurrent one is counted by its formula, each time."""
    cost = costs.of[module]
    first = output[0] if isinstance(output, tuple) and output else output
    if isinstance(module, nn.RNNBase) and isinstance(first, Tensor):
        cost.multiply_adds += recurrent_multiply_adds(module, first)
    if module in costs.order:
        return
    costs.order.append(module)
    if isinstance(output, Tensor):
        cost.shape = tuple(output.shape[1:])
        found = _field(output)
        cost.receptive_field = found.size if found is not None and found.size else None


def recurrent_multiply_adds(layer: nn.RNNBase, output: Tensor) -> int:
    """Of RNN, LSTM and GRU, in all layers and directions: each gate sees the input and the hidden state of each step.

    ``output`` is what the layer gives, ``[B, T, …]`` or ``[T, B, …]``.
    """
    gates = {"LSTM": 4, "GRU": 3}.get(layer.mode, 1)
    directions = 2 if layer.bidirectional else 1
    hidden, state = layer.hidden_size, layer.proj_size or layer.hidden_size
    steps = output.shape[:-1].numel()  # times samples
    total = 0
    for number in range(layer.num_layers):
        inputs = layer.input_size if number == 0 else directions * state
        total += gates * hidden * (inputs + state) + layer.proj_size * hidden
    return steps * directions * total


class _Counter(TorchDispatchMode):
    """Counts multiply-adds and follows receptive fields."""

    def __init__(self, stack: list[nn.Module], costs: Costs) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stack, self.costs = stack, costs

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        known = packet in flop_registry or packet is aten._scaled_dot_product_flash_attention_for_cpu
        if not known and packet not in _POOLS:
            with self:
                inner = func.decompose(*args, **kwargs)
            if inner is not NotImplemented:
                return inner
        out = func(*args, **kwargs)
        if known and not any(isinstance(module, nn.RNNBase) for module in self.stack):
            self.costs.of[self.stack[-1]].multiply_adds += _multiply_adds(packet, args, kwargs, out)
        _follow(packet, args, out)
        return out


def _multiply_adds(packet: Any, args: Any, kwargs: Any, out: Any) -> int:
    """Of a matrix product, convolution or attention, whatever is masked in it."""
    if packet is aten._scaled_dot_product_flash_attention_for_cpu:
        query, key, value = (each.shape for each in args[:3])
        return int(query[:-1].numel() * key[-2] * (query[-1] + value[-1]))
    return int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2


def _follow(packet: Any, args: Any, out: Any) -> None:
    """Give the output its receptive field: the largest of the inputs', grown where a window slides over them."""
    first = out[0] if isinstance(out, tuple | list) and out else out
    if not isinstance(first, Tensor):
        return
    flat = [each for arg in args for each in (arg if isinstance(arg, tuple | list) else [arg])]
    inputs = [each for each in flat if isinstance(each, Tensor) and _field(each) is not None]
    if packet in (aten.unsqueeze, aten.squeeze) and inputs and {inputs[0].ndim, first.ndim} == {3, 4}:
        one = _field(inputs[0])  # pooling along one axis is pooling along two of which one is short
        if one is not None and one.size:
            _set_field(first, Field((1, *one.size), (1, *one.step)) if first.ndim == 4 else one.last)
        return
    if packet in _MIXING or not inputs or any(each.ndim != first.ndim for each in inputs):
        return
    fields = [found for each in inputs if (found := _field(each)) is not None]
    found = max(fields, key=lambda each: (each.size, each.step))
    if packet in _CONVOLUTIONS:
        if args[6]:  # transposed
            return
        found = found.through(list(args[1].shape[2:]), *(_wide(args[place], args[1].ndim - 2) for place in (3, 5)))
    elif packet in _POOLS:
        found = _pooled(found, packet, args, first.ndim - 2)
    elif "upsample" in str(packet):
        return
    for each in out if isinstance(out, tuple | list) else [out]:
        if isinstance(each, Tensor):
            _set_field(each, found)


def _pooled(found: Field, packet: Any, args: Any, axes: int) -> Field:
    kernel = _wide(args[1], axes)
    stride = _wide(args[2], axes) if len(args) > 2 and args[2] else kernel
    dilated = "max" in str(packet) and len(args) > 4
    return found.through(kernel, stride, _wide(args[4], axes) if dilated else [1] * axes)


def _wide(value: Any, axes: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values


_FIELD = "_cnncli_receptive_field"


def _field(tensor: Tensor) -> Field | None:
    return getattr(tensor, _FIELD, None)


def _set_field(tensor: Tensor, found: Field) -> None:
    setattr(tensor, _FIELD, found)


def _count_kept(model: nn.Module, sample: Tensor, costs: Costs) -> None:
    """The bytes that autograd keeps of two samples: each memory once, where it is kept first, and no weights."""
    own = {each.untyped_storage().data_ptr() for each in (*model.parameters(), *model.buffers())}
    before = {name: each.clone() for name, each in model.named_buffers()}
    stack: list[nn.Module] = []
    held = []  # so that no memory is used a second time

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and stack:
            own.add(storage.data_ptr())
            held.append(tensor)
            costs.of[stack[-1]].kept += storage.nbytes()
        return tensor

    try:
        with (
            torch.random.fork_rng(devices=[]),
            torch.enable_grad(),
            _called(model, stack, costs, lambda *_: None),
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        ):
            model(torch.cat([sample, sample]))
    finally:
        for name, each in model.named_buffers():  # the statistics of normalisation
            each.data.copy_(before[name])
