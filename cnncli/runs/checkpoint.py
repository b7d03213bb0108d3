"""Checkpoint files: written whole or not at all, hashed, plain types only, loaded with ``weights_only=True``.

A file is a dict: ``format``, ``cnncli`` (version), ``config``, ``spec``, ``model`` (the weights to use), ``metrics``
(of its epoch), ``calibration`` (what was chosen on validation), ``training`` (what resuming needs, or None) and
``sha256`` over all of these.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from pydantic import ValidationError
from torch import Tensor

from cnncli import __version__
from cnncli.config.sections import Config
from cnncli.core.errors import CheckpointError
from cnncli.core.files import write_atomically
from cnncli.core.results import Values
from cnncli.core.spec import DataSpec

FORMAT = 2
_KEYS = {"format", "cnncli", "config", "spec", "model", "metrics", "calibration", "training", "sha256"}


@dataclass(frozen=True)
class TrainingState:
    """What resuming needs besides the weights to use; each part in the form of its owner's ``state_dict``.

    ``weights`` are those being trained, where they are not the ones to use.
    """

    weights: dict[str, Tensor] | None
    average: dict[str, Any] | None
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    scaler: dict[str, Any] | None
    epoch: int
    batch: int
    global_step: int
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
    path: Path = Path()
    format: int = FORMAT
    version: str = __version__


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; raises ``StorageError``."""
    training = checkpoint.training
    content = {
        "format": FORMAT,
        "cnncli": __version__,
        "config": checkpoint.config.model_dump(mode="json"),
        "spec": checkpoint.spec.to_dict(),
        "model": checkpoint.weights,
        "metrics": checkpoint.metrics,
        "calibration": checkpoint.calibration,
        "training": None if training is None else dict(vars(training)),
    }
    content["sha256"] = digest(content)

    def write(file: BinaryIO) -> None:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's word for a full disk
            raise OSError(str(error).splitlines()[0]) from error

    write_atomically(path, write)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint to the CPU. Nothing in the file can run code.

    Raises ``CheckpointError`` when it is missing, damaged, or not one of cnncli's.
    """
    content = _read(path)
    if content["format"] == 1:
        content = _from_format_1(content)
    try:
        return Checkpoint(
            Config.model_validate_json(json.dumps(content["config"])),
            DataSpec.from_dict(content["spec"]),
            content["model"],
            content["metrics"],
            content["calibration"],
            None if content["training"] is None else TrainingState(**content["training"]),
            path,
            content["format"],
            content["cnncli"],
        )
    except (ValidationError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: is not a checkpoint of cnncli's ({error}); {_others(path)}") from error


def _read(path: Path) -> dict[str, Any]:
    """The content of a file whose hash is right."""
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; name a file in it, for example {path / 'best.pt'}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are no checkpoints: they are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint; check the path") from None
    except Exception as error:  # damaged bytes make torch's readers raise nearly anything, IndexError among them
        cause = str(error).strip().split("\n", 1)[0] or type(error).__name__
        if "weights_only" in cause:  # torch's advice to load it with a pickle that can run code is not ours
            cause = "is not a file of torch.save, or holds more than tensors"
        raise CheckpointError(f"{path}: cannot be read ({cause}); {_others(path)}") from error
    known = _KEYS if isinstance(content, dict) and content.get("format") != 1 else _KEYS - {"calibration"}
    if not isinstance(content, dict) or not set(content) >= known:
        raise CheckpointError(f"{path}: is not a checkpoint of cnncli's; name a best.pt or last.pt of a run")
    if content["format"] not in (1, FORMAT):
        raise CheckpointError(
            f"{path}: has format {content['format']} of cnncli {content['cnncli']}, "
            f"this is {__version__} with format {FORMAT}; use that version"
        )
    claimed = content.pop("sha256")
    if claimed != digest(content):
        raise CheckpointError(f"{path}: is damaged (its hash does not match); {_others(path)}")
    return content


def _from_format_1(content: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint of cnncli 0.1 in today's form: what was chosen had another name, numbers stood in the table.

    Its training state is left out: averages and the choice of the best epoch have changed since.
    """
    spec = dict(content["spec"])
    if spec["preprocess"]["kind"] == "rows":
        table = dict(spec["preprocess"])
        mean, std = table.pop("target_mean"), table.pop("target_std")
        spec["preprocess"] = table
        if mean:
            spec["numbers"] = {"names": table["targets"], "mean": mean, "std": std}
    return {**content, "spec": spec, "calibration": content["decoding"], "training": None}


def _others(path: Path) -> str:
    others = sorted(other.name for other in path.parent.glob("*.pt") if other != path)
    return f"beside it are {', '.join(others)}" if others else "there is no other checkpoint beside it"


def digest(content: dict[str, Any]) -> str:
    """SHA-256 over keys, values and tensor bytes in order: a flipped bit anywhere changes it."""
    sha = hashlib.sha256()
    for part in _parts(content):
        sha.update(part)
    return sha.hexdigest()


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Tensor):
        yield f"{value.dtype}{tuple(value.shape)}".encode()
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
