"""What goes to worker processes, and what comes back from them.

What a worker has read goes to the main process through shared memory, and where that has no room through a pipe,
which is slower.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from cnncli.core.notices import notice
from cnncli.core.plugins import LoadedPlugins

SHARED_MEMORY = "/dev/shm"


class _Sent(NamedTuple):
    """Tensors on their way through a pipe: in place of each its bytes, type, shape and strides."""

    content: Any
    tensors: list[tuple[bytes, torch.dtype, tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True)
class _Place:
    """Stands for a tensor of ``_Sent``."""

    number: int


class Sending(Dataset[Any]):
    """What ``dataset`` gives, in a worker already in shared memory, or as bytes where that has no room.

    Left to itself a worker moves it there in a thread of its own; what fails in that is lost, and the main process
    would wait for it for ever.
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __reduce__(self) -> tuple[Any, tuple[LoadedPlugins, Dataset[Any]]]:
        """On its way to a worker that is not forked: first the plug-ins, which a transform of theirs needs."""
        return _sending, (LoadedPlugins(), self.dataset)

    def __getitem__(self, key: Any) -> Any:
        read = self.dataset[key]
        if get_worker_info() is None:
            return read
        try:
            return _mapped(read, lambda tensor: tensor.share_memory_())
        except (RuntimeError, OSError):  # torch's word for a full /dev/shm, and for too many open files
            sent: list[Any] = []
            return _Sent(_mapped(read, lambda tensor: _put_aside(tensor, sent)), sent)


def _sending(_plugins: LoadedPlugins, dataset: Dataset[Any]) -> Sending:
    return Sending(dataset)


def _put_aside(tensor: Tensor, sent: list[Any]) -> _Place:
    if tensor.numel() != tensor.untyped_storage().nbytes() // tensor.element_size():
        tensor = tensor.contiguous().clone()
    flat = tensor.as_strided((tensor.numel(),), (1,), 0)  # in the order of memory, whatever the strides are
    sent.append((flat.numpy().tobytes(), tensor.dtype, tuple(tensor.shape), tensor.stride()))
    return _Place(len(sent) - 1)


def received(read: Any) -> Any:
    """What a worker read, with tensors again."""
    if not isinstance(read, _Sent):
        return read
    notice(
        "shared_memory",
        f"{SHARED_MEMORY} has no room for what the workers read, which therefore goes through pipes (slower); enlarge "
        "it (docker run --shm-size 1g), or use fewer workers",
    )
    return _mapped(read.content, lambda place: _taken(*read.tensors[place.number]))


def _taken(content: bytes, dtype: torch.dtype, shape: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    if not content:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(content), dtype=dtype).as_strided(shape, stride)


def _mapped(read: Any, change: Any) -> Any:
    """``read`` with every tensor (or what stands for one) in its tuples changed."""
    if isinstance(read, Tensor | _Place):
        return change(read)
    if isinstance(read, tuple):
        parts = [_mapped(part, change) for part in read]
        return type(read)(*parts) if hasattr(read, "_fields") else tuple(parts)
    return read
