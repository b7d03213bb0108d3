"""Checkpoint files: written whole or not at all, hashed, plain types only, loaded with ``weights_only=True``.

A file is a dict: ``format``, ``cnncli`` (version), ``config``, ``spec``, ``model`` (the weights to use), ``metrics``
(of its epoch), ``calibration`` (what was chosen on validation), ``training`` (what resuming needs, or None), perhaps
``members`` (which samples were in which split) and ``sha256`` over all of these. All of it is checked when it is read:
nobody else has to ask for types or ranges.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import pydantic.dataclasses
import torch
from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError
from torch import Tensor

from cnncli import __version__
from cnncli.config.sections import Config
from cnncli.core.checks import first_fault
from cnncli.core.errors import CheckpointError
from cnncli.core.files import write_atomically
from cnncli.core.members import Members
from cnncli.core.results import Values
from cnncli.core.spec import DataSpec
from cnncli.runs.archive import load_archive
from cnncli.runs.forms import not_finite
from cnncli.runs.kept_members import from_entry, to_entry

FORMAT = 2
_TYPED = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
_Count = Annotated[int, Strict(), Field(ge=0, lt=2**53)]
_Number = Annotated[int, Strict()] | Annotated[float, Strict()]
_Tensors = dict[str, Tensor]


@pydantic.dataclasses.dataclass(frozen=True, config=_TYPED)
class TrainingState:
    """What resuming needs besides the weights to use; each part in the form of its owner's ``state_dict``.

    ``weights`` are those being trained, where they are not the ones to use.
    """

    weights: _Tensors | None
    average: _Tensors | None
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    scaler: dict[str, Any] | None
    epoch: _Count
    batch: _Count
    global_step: _Count
    best: dict[str, Any]
    progress: dict[str, Any]
    meter: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds; ``training`` is None in those that are for use only, and in those of older formats."""

    config: Config
    spec: DataSpec
    weights: dict[str, Tensor]
    metrics: Values
    calibration: dict[str, Any]
    training: TrainingState | None = None
    members: Members | None = None  # None where the data never change, and in files of before
    path: Path = Path()
    format: int = FORMAT
    version: str = __version__


@pydantic.dataclasses.dataclass(frozen=True, config=_TYPED)
class _Content:
    """What a file holds besides its hash."""

    format: Annotated[int, Strict()]
    cnncli: str
    config: dict[str, Any]
    spec: dict[str, Any]
    model: Annotated[_Tensors, Field(min_length=1)]
    metrics: dict[str, _Number]
    calibration: dict[str, Any]
    training: TrainingState | None
    members: dict[str, Any] | None = None


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; raises ``StorageError``."""
    training = checkpoint.training
    content = {
        "format": FORMAT,
        "cnncli": __version__,
        "config": checkpoint.config.model_dump(mode="json"),
        "spec": checkpoint.spec.to_dict(),
        "model": dict(checkpoint.weights),
        "metrics": checkpoint.metrics,
        "calibration": checkpoint.calibration,
        "training": None if training is None else dict(vars(training)),
    }
    if checkpoint.members is not None:
        content["members"] = to_entry(checkpoint.members)
    content["sha256"] = digest(content)

    def write(file: BinaryIO) -> None:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's word for a full disk
            raise OSError(str(error).splitlines()[0]) from error

    write_atomically(path, write)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint to the CPU. Nothing in the file can run code.

    Raises ``CheckpointError`` naming the entry when it is missing, damaged, not one of cnncli's, or holds what no run
    writes. Whether it fits a network is known to those who build one.
    """
    content = _read(path)
    if content["format"] == 1:
        content = _from_format_1(content)
    try:
        typed = TypeAdapter(_Content).validate_python(content)
    except ValidationError as error:
        _refuse(path, first_fault(error, content), error)
    try:
        config = Config.model_validate_json(json.dumps(typed.config))
    except (ValidationError, TypeError, ValueError) as error:  # what is no plain value is no JSON
        _refuse(path, _named(error, typed.config, "config"), error)
    try:
        spec = DataSpec.from_dict(typed.spec)
    except (ValidationError, TypeError, ValueError) as error:
        _refuse(path, _named(error, typed.spec, "spec"), error)
    try:
        members = None if typed.members is None else from_entry(typed.members, spec)
    except (ValidationError, TypeError, ValueError) as error:
        _refuse(path, _named(error, typed.members or {}, "members"), error)
    if fault := _unfinished(typed):
        _refuse(path, fault)
    return Checkpoint(
        config,
        spec,
        dict(typed.model),
        typed.metrics,
        typed.calibration,
        typed.training,
        members,
        path,
        typed.format,
        typed.cnncli,
    )


def _named(error: Exception, values: dict[str, Any], entry: str) -> str:
    if isinstance(error, ValidationError):
        return first_fault(error, values, entry)
    return str(error) if str(error).startswith(entry) else f"{entry}: {error}"


def _unfinished(content: _Content) -> str | None:
    """What of a run's progress contradicts itself."""
    epoch = content.metrics.get("epoch", 0)
    if content.metrics and (epoch < 1 or not float(epoch).is_integer()):  # there are none before the first epoch
        return "metrics.epoch: is not the number of an epoch"
    if content.training is None:
        return None
    if content.training.epoch != epoch:
        return f"training.epoch: is {content.training.epoch}, the metrics are of epoch {epoch:.0f}"
    # weights are known to be finite where their network is: its masks may be infinite by design
    rest = {key: value for key, value in vars(content.training).items() if key not in ("weights", "average")}
    return not_finite(rest, "training")


def _refuse(path: Path, fault: str, error: Exception | None = None) -> NoReturn:
    raise CheckpointError(f"{path}: {fault}; {_others(path)}") from error


def _read(path: Path) -> dict[str, Any]:
    """The content of a file whose hash is right."""
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; name a file in it, for example {path / 'best.pt'}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are no checkpoints: they are refused below
            content = load_archive(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint; check the path") from None
    except (OSError, ValueError) as error:
        _refuse(path, f"cannot be read ({error})", error)
    if not isinstance(content, dict) or not {"format", "cnncli", "sha256"} <= set(content):
        raise CheckpointError(f"{path}: is not a checkpoint of cnncli's; name a best.pt or last.pt of a run")
    if type(content["format"]) is not int or content["format"] not in (1, FORMAT):
        raise CheckpointError(
            f"{path}: has format {content['format']} of cnncli {content['cnncli']}, "
            f"this is {__version__} with format {FORMAT}; use that version"
        )
    claimed = content.pop("sha256")
    if claimed != digest(content):
        _refuse(path, "is damaged (its hash does not match)")
    return content


def _from_format_1(content: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint of cnncli 0.1 in today's form: what was chosen had another name, numbers stood in the table.

    Its training state is left out: averages and the choice of the best epoch have changed since.
    """
    content = {**content, "training": None}
    if "decoding" in content:
        content["calibration"] = content.pop("decoding")
    spec = content.get("spec")
    table = spec.get("preprocess") if isinstance(spec, dict) else None
    if isinstance(spec, dict) and isinstance(table, dict) and table.get("kind") == "rows":
        table = dict(table)
        mean, std = table.pop("target_mean", None), table.pop("target_std", None)
        numbers = {"names": table.get("targets"), "mean": mean, "std": std} if mean or std else None
        content["spec"] = {**spec, "preprocess": table, "numbers": numbers}
    return content


def _others(path: Path) -> str:
    others = sorted(other.name for other in path.parent.glob("*.pt") if other != path)
    return f"beside it are {', '.join(others)}" if others else "there is no other checkpoint beside it"


def digest(content: dict[str, Any]) -> str:
    """SHA-256 over a file's keys, values and tensor bytes in order: a flipped bit anywhere changes it."""
    sha = hashlib.sha256()
    for part in _parts(content):
        sha.update(part)
    return sha.hexdigest()


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Tensor):
        yield f"{value.dtype}{tuple(value.shape)}".encode()
        if value.numel():  # an empty one may have a stride that no other view has
            yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    elif isinstance(value, dict):
        yield f"dict{len(value)}".encode()
        for key, item in value.items():
            yield repr(key).encode()
            yield from _parts(item)
    elif isinstance(value, list | tuple):
        yield f"list{len(value)}".encode()
        for item in value:
            yield from _parts(item)
    else:
        yield repr(value).encode()
