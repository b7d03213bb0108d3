"""The members of a run as plain values and tensors, as checkpoints hold them: texts packed, everything bounded."""

import json
import zlib
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor

from cnncli.core.checks import require
from cnncli.core.members import Members, Span
from cnncli.core.spec import DataSpec

MAX_NAME = 4096  # bytes of a path
MAX_SPANS = 2**24  # bytes of all of them
_FIELDS = {
    "split": (torch.uint8,),
    "content": (torch.int64,),
    "names": (torch.uint8,),
    "spans": (torch.uint8,),
    "targets": (torch.int16, torch.int64, torch.float32, torch.float64),
}


def to_entry(members: Members) -> dict[str, Any]:
    """What is written into a checkpoint."""
    return {
        "by": members.by,
        "split": torch.tensor(members.split),
        "content": torch.tensor(members.content),
        "names": _packed(list(members.names)),
        "spans": _packed([asdict(span) for span in members.spans]),
        "targets": torch.tensor(members.targets),
    }


def from_entry(entry: dict[str, Any], spec: DataSpec) -> Members:
    """The inverse; raises ``ValueError`` naming what no run on such data writes."""
    require(set(entry) == {"by", *_FIELDS}, f"members: has {', '.join(map(str, entry))} instead of its entries")
    known_by = spec.kind.known_by
    require(entry["by"] in known_by, f"members.by: is not {' or '.join(known_by)}, by which such data are known")
    for name, dtypes in _FIELDS.items():
        value = entry[name]
        require(isinstance(value, Tensor) and value.dtype in dtypes, f"members.{name}: is no tensor of its type")
        require(value.ndim == 1 or (name == "targets" and value.ndim == 2), f"members.{name}: has another shape")
    require(bool(torch.isfinite(entry["targets"]).all()), "members.targets: holds what is no finite number")
    names = _unpacked(entry["names"], "names", max(len(entry["split"]), 1) * MAX_NAME)
    spans = _unpacked(entry["spans"], "spans", MAX_SPANS)
    members = Members(
        entry["by"],
        entry["split"].numpy(),
        entry["content"].numpy(),
        tuple(TypeAdapter(list[str]).validate_python(names, strict=True)),
        tuple(TypeAdapter(list[Span]).validate_json(json.dumps(spans), strict=True)),
        entry["targets"].numpy(),
    )
    members.check()
    return members


def _packed(values: list[Any]) -> Tensor:
    data = zlib.compress(json.dumps(values, ensure_ascii=True).encode())
    return torch.from_numpy(np.frombuffer(data, dtype=np.uint8).copy())


def _unpacked(packed: Tensor, name: str, most: int) -> Any:
    """The values in ``packed``, if they take no more than ``most`` bytes; raises ``ValueError``."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed.numpy().tobytes(), most + 2)
        require(unpacker.eof and not unpacker.unused_data, f"members.{name}: is longer than what it can hold")
        values = json.loads(data)
    except zlib.error as error:
        raise ValueError(f"members.{name}: cannot be unpacked") from error
    require(isinstance(values, list), f"members.{name}: is no list")
    return values
