"""Files that no run writes: more memory than their size, values without end, types that are no plain ones."""

import io
import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch

from tests.runs.alter import write


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


class _Takes:
    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (500_000_000,)


class _Makes:
    def __reduce__(self) -> tuple[Any, ...]:
        return torch.FloatTensor, (500_000_000,)


def _doubling() -> list[Any]:
    value: list[Any] = [0]
    for _ in range(40):
        value = [value, value]
    return value


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(200):
        value = [value]
    return value


def _with_attribute() -> OrderedDict[str, Any]:
    value = OrderedDict(a=1)
    value.extra = 5  # type: ignore[attr-defined]
    return value


# each stands for the metrics, and for one of the weights
VALUES: dict[str, Callable[[], Any]] = {
    "10¹² elements by stride 0": lambda: torch.zeros(()).expand(10**12),
    "10⁶ elements by stride 0": lambda: torch.zeros(1).expand(1000, 1000),
    "a list that doubles 2⁴⁰ times": _doubling, "a list that holds itself": _endless, "a deep list": _deep,
    "code": _Runs, "a large array of bytes": _Takes, "a large tensor from nothing": _Makes,
    "a set": lambda: {"a", "b"}, "bytes": lambda: b"abc", "a key that is a tuple": lambda: {(1, 2): 1.0},
    "a key that is a number": lambda: {1.5: 1.0}, "2⁷⁰": lambda: {"a": 2**70},
    "half a character": lambda: {"\ud800": 1.0}, "a parameter": lambda: torch.nn.Parameter(torch.ones(3)),
    "a tensor that learns": lambda: torch.ones(3).requires_grad_(),
    "a sparse tensor": lambda: torch.eye(3).to_sparse(), "a tensor without data": lambda: torch.ones(3, device="meta"),
    "a complex number": lambda: {"a": 1j}, "a type": lambda: torch.float32, "a size": lambda: torch.ones(3).shape,
    "a device": lambda: torch.device("cpu"), "a dict with an attribute": _with_attribute,
    "many empty lists": lambda: [[] for _ in range(600_000)],
}  # fmt: skip


def _value(make: Callable[[], Any]) -> Callable[[dict[str, Any], Path, Random], None]:
    def put(content: dict[str, Any], path: Path, random: Random) -> None:
        name = random.choice(list(content["model"]))
        inside = {"metrics": make()} if random.random() < 0.5 else {"model": {**content["model"], name: make()}}
        write({**content, "sha256": "0" * 64, **inside}, path, sealed=False)

    return put


def _bytes(change: Callable[[bytes, Random], bytes]) -> Callable[[dict[str, Any], Path, Random], None]:
    def put(content: dict[str, Any], path: Path, random: Random) -> None:
        write(content, path)
        path.write_bytes(change(path.read_bytes(), random))

    return put


def _flipped(whole: bytes, random: Random) -> bytes:
    """One bit of what is stored of a tensor, which torch does not notice."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        names = [name for name in archive.namelist() if "/data/" in name]
        stored = archive.read(max(names, key=lambda name: archive.getinfo(name).file_size))
    position = whole.index(stored) + random.randrange(len(stored))
    return whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]


def _packed(content: dict[str, Any], path: Path, random: Random) -> None:
    """The same records and one more, of which a thousandth is left."""
    write(content, path)
    with zipfile.ZipFile(path) as old:
        records = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, record in records.items():
            new.writestr(name, record)
        with new.open(f"{name.partition('/')[0]}/data/999", "w") as large:
            for _ in range(256):
                large.write(bytes(2**20))


FILES: dict[str, Callable[[dict[str, Any], Path, Random], None]] = {
    **{name: _value(make) for name, make in VALUES.items()},
    "cut off": _bytes(lambda whole, random: whole[: random.randrange(len(whole))]),
    "something behind it": _bytes(lambda whole, random: whole + b"PK" * 20),
    "something before it": _bytes(lambda whole, random: b"PK\x03\x04" + whole),
    "a flipped bit": _bytes(_flipped), "packed records": _packed,
    "text": _bytes(lambda whole, random: b"hello\n" * 100),
    "no hash": lambda content, path, random: write(content, path, sealed=False),
    "another hash": lambda content, path, random: write({**content, "sha256": "0" * 64}, path, sealed=False),
}  # fmt: skip
"""How each of them is written from a good content; all are harmful."""
