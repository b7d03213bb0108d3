"""The pickle of a checkpoint without its tensors: what they would be is known before one of them is made."""

import io
import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

import torch

MAX_DEPTH = 50  # containers inside each other
MAX_VALUES = 1_000_000  # a container that stands in several places is counted in each
MAX_SHARED = 4  # how many times larger the tensors may be than what is stored: averaged weights share theirs
SMALL = 2**20  # bytes of tensors that are never too many
_END = object()

_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128,
}  # fmt: skip


class _Made:
    """What stands for a thing of torch's; a pickle cannot change it once it is made."""

    def __setstate__(self, state: Any) -> NoReturn:
        raise ValueError("it changes a tensor after it was made")


@dataclass(frozen=True)
class Stored(_Made):
    """A record of the zip: the numbers of one or more tensors."""

    dtype: torch.dtype
    numel: int


@dataclass(frozen=True)
class Outline(_Made):
    """A tensor that is not loaded."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """How much memory a copy of it takes."""
        return math.prod(self.shape) * self.dtype.itemsize


class _Dict(dict[Any, Any]):
    """Stands for ``OrderedDict`` and ``Counter``; the one attribute known is the versions of a network's modules."""

    def __setstate__(self, state: Any) -> None:
        if type(state) not in (dict, _Dict) or set(state) != {"_metadata"}:
            raise ValueError("a dict in it has attributes")


def _dict(content: Any = None) -> _Dict:
    if content is not None and type(content) is not dict:
        raise ValueError("a dict in it is made of something else")
    return _Dict(content or {})


def _outline(
    stored: Any, offset: int, shape: Any, stride: Any, requires_grad: Any, hooks: Any, metadata: Any = None
) -> Outline:
    """What torch makes a tensor from; raises ``ValueError`` unless all of it lies inside what is stored."""
    numbers = (offset, *shape, *stride)
    if type(stored) is not Stored or not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("a tensor in it has no size")
    if len(shape) != len(stride) or requires_grad is not False or hooks or metadata:
        raise ValueError("a tensor in it is more than its numbers")
    count = math.prod(shape)
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if count and (last >= stored.numel or count > stored.numel):
        raise ValueError(f"a tensor in it has {count:,} numbers, of which {stored.numel:,} are stored")
    return Outline(stored.dtype, tuple(shape))


_FOUND: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _dict,
    ("collections", "Counter"): _dict,
    ("torch._utils", "_rebuild_tensor_v2"): _outline,
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
}
ALLOWED = frozenset(_FOUND)
"""Module and name of all that a pickle may name."""


class _Reader(pickle.Unpickler):
    """Python's own, for which nothing exists but what stands above."""

    def __init__(self, content: bytes, sizes: dict[str, int]) -> None:
        super().__init__(io.BytesIO(content))
        self.sizes, self.seen = sizes, dict[str, Stored]()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _FOUND:
            raise ValueError(f"it holds more than plain values and tensors ({module}.{name})")
        return _FOUND[module, name]

    def persistent_load(self, given: Any) -> Stored:
        _, dtype, key, _, numel = given
        size = self.sizes.get(key)
        if type(dtype) is not torch.dtype or type(numel) is not int or size != numel * dtype.itemsize:
            raise ValueError(f"record {key} has {size} bytes, and a tensor is made of {numel} numbers from it")
        stored = self.seen.setdefault(key, Stored(dtype, numel))
        if stored != Stored(dtype, numel):
            raise ValueError(f"record {key} is read in two ways")
        return stored


def read_outline(content: bytes, sizes: dict[str, int]) -> tuple[Any, int]:
    """What a pickle describes, with an ``Outline`` for each tensor, and the bytes of all the ``sizes`` stored.

    Raises ``ValueError`` where a tensor needs more than is stored for it, and nearly anything for damaged bytes.
    """
    return _Reader(content, sizes).load(), sum(sizes.values())


def check_tree(tree: Any, stored: int) -> None:
    """Raise ``ValueError`` unless ``tree`` is made of plain values and not larger than the ``stored`` bytes allow.

    Lists that hold themselves, or the same list again and again, end here.
    """
    levels = [iter((tree,))]  # no list of all that is left to see: it could be long
    count = tensors = 0
    while levels:
        value = next(levels[-1], _END)
        if value is _END:
            levels.pop()
            continue
        count += 1
        tensors += value.nbytes if type(value) is Outline else 0
        if count > MAX_VALUES or len(levels) > MAX_DEPTH:
            raise ValueError("it has too many values, or too many inside each other")
        if tensors > MAX_SHARED * stored + SMALL:
            raise ValueError(f"its tensors have more than {tensors:,} bytes, of which {stored:,} are stored")
        levels.append(_inside(value))


def _inside(value: Any) -> Iterator[Any]:
    """What a value holds; raises ``ValueError`` for what a checkpoint never has."""
    kind = type(value)
    if kind is dict or kind is _Dict:
        if not all(type(key) in (str, int) for key in value):
            raise ValueError("a key in it is neither text nor a whole number")
        return chain(value, value.values())
    if kind is list or kind is tuple:
        return iter(value)
    if kind is str:
        value.encode()  # half of a character raises an error
    elif kind is int and not -(2**63) <= value < 2**63:
        raise ValueError("a whole number in it has more than 64 bits")
    elif kind not in (int, float, bool, type(None), Outline):
        raise ValueError(f"it holds more than plain values and tensors ({kind.__name__})")
    return iter(())
