"""A GPU that is not there: what tensors of the CPU do is real, of those on the device only shape and type are known.

Operations on the device go to PyTorch's fake tensors, which refuse operands on two devices and note where the host
would wait for the device. Not shown: results, real gradients, kernels and their speed.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

PACKAGE = "cnncli"
_ASKING = {"_local_scalar_dense", "nonzero", "bincount", "masked_select", "_unique2", "unique_consecutive"}
_DOING = {"train_one_epoch": "step", "evaluate": "evaluation"}
_MEMORY = 80 * 2**30
_SAVE, _TO, _DEVICE = torch.save, Tensor.to, FakeTensor.device


class FakeDevice(TorchDispatchMode):
    """Runs operations as described above; ``waits`` counts the places at which the host waits, by what it was doing.

    That is a training "step", an "evaluation", or anything "else"; a place is a line of the package.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.fake = kind, FakeTensorMode(allow_non_fake_inputs=True)
        self.waits: dict[str, Counter[str]] = {doing: Counter() for doing in ("step", "evaluation", "else")}
        self.doubles: Counter[str] = Counter()
        self.operations, self.inside = 0, False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self.inside or self.kind == "cuda":
            return self._run(func, args, kwargs or {})
        self.inside = True
        try:
            return self._run(func, *tree_map(_as_cuda, (args, kwargs or {})))
        finally:
            self.inside = False

    def of(self, tensor: FakeTensor) -> torch.device:
        """What the package sees as the device of a fake tensor."""
        found = _DEVICE.fget(tensor)
        return torch.device(self.kind, 0) if found.type == "cuda" and not self.inside else found

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        leaves = tree_leaves((args, kwargs))
        there = [leaf for leaf in leaves if isinstance(leaf, FakeTensor)]
        named = [leaf for leaf in leaves if _is_on(leaf, "cuda")]
        if not there and not named:
            return func(*args, **kwargs)
        name = func.overloadpacket.__name__
        self.operations += 1
        if name == "_local_scalar_dense":
            self._wait(name)
            return _scalar(args[0])
        if name == "allclose":
            self._wait(name)
            return True
        if name in _ASKING or _blocks(name, args, kwargs):
            self._wait(name)
        if name == "index" and any(leaf.dtype == torch.bool for leaf in tree_leaves(args[1]) if leaf is not None):
            self._wait("index by a mask")
            return args[0]  # as if it chose all
        if name == "bincount":
            return self._zeros(args[2] if len(args) > 2 else kwargs.get("minlength", 0) or 1, args[0])
        if name == "_fused_sgd_":  # which has no fake kernel, and gives nothing back
            return None
        if name == "copy_" and not isinstance(args[0], FakeTensor):
            return args[0]
        with self.fake:
            args, kwargs = tree_map(self._as_fake, (args, kwargs))
            try:
                found = func(*args, **kwargs)
            except RuntimeError as error:
                raise RuntimeError(f"{_place()[1]}: {error}") from error
        for leaf in tree_leaves(found):
            if isinstance(leaf, FakeTensor) and leaf.device.type == "cuda" and leaf.dtype == torch.float64:
                self.doubles[f"{_place()[1]} {name}"] += 1
        return tree_map(_on_host, found)

    def _wait(self, operation: str) -> None:
        doing, place = _place()
        self.waits[doing][f"{place} {operation}"] += 1

    def _zeros(self, length: int, like: Tensor) -> Tensor:
        with self.fake:
            return torch.zeros(length, dtype=torch.int64, device=like.device)

    def _as_fake(self, value: Any) -> Any:
        """A tensor of the host without its values, which fake tensors would compute with if they are few."""
        if not isinstance(value, Tensor) or isinstance(value, FakeTensor):
            return value
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)


def _scalar(tensor: Tensor) -> float | int | bool:
    """What the host reads where nothing was computed."""
    return torch.ones((), dtype=tensor.dtype).item()


def _blocks(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a copy between host and device makes the host wait: one that may not be late, or of unpinned memory."""
    if name == "_to_copy":
        source, target = args[0], torch.device(kwargs.get("device") or args[0].device)
        waits = not kwargs.get("non_blocking") or (target.type != "cpu" and not _is_pinned(source))
    elif name == "copy_":
        source, target = args[1], args[0].device
        waits = not (args[2] if len(args) > 2 else kwargs.get("non_blocking"))
    else:
        return False
    return source.device.type != target.type and waits


def _on_host(value: Any) -> Any:
    """A result of the host is a real tensor, of zeros."""
    if isinstance(value, FakeTensor) and value.device.type == "cpu":
        return torch.zeros(value.shape, dtype=value.dtype)
    return value


def _place() -> tuple[str, str]:
    """What the run was doing, and ``file:line`` of the innermost line of the package."""
    doing, place = "else", "outside"
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if f"/{PACKAGE}/" in path and "site-packages" not in path and place == "outside":
            place = f"{path.rpartition(f'/{PACKAGE}/')[2]}:{frame.f_lineno}"
        if path.endswith("training/engine.py") and frame.f_code.co_name in _DOING:
            return _DOING[frame.f_code.co_name], place
        frame = frame.f_back  # type: ignore[assignment]
    return doing, place


def _backward(loss: Tensor, *_args: Any, **_kwargs: Any) -> None:
    """Gradients of zeros for every parameter that the loss depends on: the engine itself would ask the driver."""
    seen, left = set(), [loss.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            variable.grad = torch.zeros_like(variable) if variable.grad is None else variable.grad
        left += [previous for previous, _ in node.next_functions]


def _apply(self: nn.Module, function: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """``nn.Module._apply`` with new parameters in place of new data: data of another kind of tensor cannot be set."""
    for module in self.modules() if recurse else [self]:
        for name, parameter in module._parameters.items():
            if parameter is not None:
                with torch.no_grad():
                    moved = function(parameter)
                if moved is not parameter:
                    module._parameters[name] = nn.Parameter(moved, parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = function(buffer)
    return self


def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``Tensor.to`` for a Mac's GPU: what stands for it is a fake tensor of cuda."""
    args, kwargs = tree_map(_as_cuda, (args, kwargs))
    return _TO(self, *args, **kwargs)


def _as_cuda(value: Any) -> Any:
    """What PyTorch is told instead of a Mac's GPU, which only a PyTorch made for it has tensors of."""
    is_mps = str(value).startswith("mps") if isinstance(value, str) else _is_on(value, "mps")
    return torch.device("cuda", 0) if is_mps else value


def _is_on(value: Any, kind: str) -> bool:
    return isinstance(value, torch.device) and value.type == kind


def _recurrent(sequences: Tensor, state: Any, weights: Any, *options: Any) -> tuple[Any, ...]:
    """Shape, type and gradients of a recurrent layer: cuDNN's have no fake kernel."""
    states = state if isinstance(state, tuple) else (state,)
    width = states[0].shape[-1] * (2 if options[4] else 1)
    total = sum((weight.sum() for weight in weights), sequences.sum())
    if torch.is_autocast_enabled(sequences.device.type):
        total = total.to(torch.get_autocast_dtype(sequences.device.type))
    return (total.expand(*sequences.shape[:-1], width), *(part.to(total.dtype) + total for part in states))


def _is_pinned(tensor: Tensor) -> bool:
    return any(hasattr(each, "is_pinned_here") for each in (tensor, tensor._base))


def _pinned(tensor: Tensor, *_device: Any) -> Tensor:
    """A copy that knows that it is pinned: a copy of any other memory to the device is waited for."""
    copy = tensor.clone()
    copy.is_pinned_here = True  # type: ignore[attr-defined]
    return copy


def _save(content: Any, file: Any) -> None:
    """``torch.save`` of zeros for what lies on the device."""
    _SAVE(tree_map(lambda leaf: torch.zeros(leaf.shape, dtype=leaf.dtype) if isinstance(leaf, FakeTensor) else leaf,
                   content), file)  # fmt: skip


@contextlib.contextmanager
def fake_device(kind: str = "cuda") -> Iterator[FakeDevice]:
    """A device of that kind until the end of the block."""
    torch._C._ensureCUDADeviceGuardSet()
    torch._C._set_only_lift_cpu_tensors(True)
    device = FakeDevice(kind)
    stubs: list[tuple[Any, str, Any]] = [
        (torch.cuda, "_lazy_init", lambda: None),
        (torch.cuda, "is_available", lambda: kind == "cuda"),
        (torch.cuda, "device_count", lambda: int(kind == "cuda")),
        (torch.backends.mps, "is_available", lambda: kind == "mps"),
        (torch.cuda, "get_device_name", lambda *_: "a GPU that is not there"),
        (torch.cuda, "mem_get_info", lambda *_: (_MEMORY, _MEMORY)),
        (torch.cuda, "is_bf16_supported", lambda **_: True),
        (torch.cuda, "default_generators", (torch.Generator(),)),
        (torch.cuda, "synchronize", lambda *_: None),
        (torch.amp.autocast_mode, "_cuda_available", True),
        (Tensor, "backward", _backward),
        (nn.Module, "_apply", _apply),
        (torch, "save", _save),
        (Tensor, "pin_memory", _pinned),
        (torch.mps, "manual_seed", lambda _seed: None),
        (torch.mps, "synchronize", lambda: None),
        (nn.RNNBase, "flatten_parameters", lambda _self: None),
        *((torch._VF, cell, _recurrent) for cell in ("lstm", "gru", "rnn_tanh")),
    ]
    if kind == "mps":
        stubs += [(Tensor, "to", _to), (FakeTensor, "device", property(device.of))]
    with contextlib.ExitStack() as stack:
        for owner, name, stub in stubs:
            stack.enter_context(patch.object(owner, name, stub, create=True))
        stack.enter_context(device)
        try:
            yield device
        finally:
            torch._C._set_only_lift_cpu_tensors(False)
