"""Checkpoint files: written whole or not at all, hashed, plain types only, loaded with ``weights_only=True``.

A checkpoint is a dict: ``format``, ``cnncli`` (version), ``config``, ``spec``, ``model`` (the weights to use),
``metrics`` (of its epoch), ``training`` (everything that resuming needs) and ``sha256`` over all of these.
"""

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from cnncli import __version__
from cnncli.core.errors import CheckpointError
from cnncli.core.files import write_atomically

FORMAT = 1
_KEYS = {"format", "cnncli", "config", "spec", "model", "metrics", "training", "sha256"}


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write ``config``, ``spec``, ``model``, ``metrics`` and ``training``; raises ``StorageError``."""
    checkpoint = {"format": FORMAT, "cnncli": __version__, **content}
    checkpoint["sha256"] = _digest(checkpoint)

    def write(file: BinaryIO) -> None:
        try:
            torch.save(checkpoint, file)
        except RuntimeError as error:  # torch's word for a full disk
            raise OSError(str(error).splitlines()[0]) from error

    write_atomically(path, write)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU. Nothing in the file can run code.

    Raises ``CheckpointError`` when it is missing, damaged, or not one of cnncli's.
    """
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; name a file in it, for example {path / 'best.pt'}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are no checkpoints: they are refused below
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint; check the path") from None
    except Exception as error:  # damaged bytes make torch's readers raise nearly anything, IndexError among them
        cause = str(error).strip().split("\n", 1)[0] or type(error).__name__
        if "weights_only" in cause:  # torch's advice to load it with a pickle that can run code is not ours
            cause = "is not a file of torch.save, or holds more than tensors"
        raise CheckpointError(f"{path}: cannot be read ({cause}); {_others(path)}") from error
    if not isinstance(checkpoint, dict) or not set(checkpoint) >= _KEYS:
        raise CheckpointError(f"{path}: is not a checkpoint of cnncli's; name a best.pt or last.pt of a run")
    if checkpoint["format"] != FORMAT:
        raise CheckpointError(
            f"{path}: has format {checkpoint['format']} of cnncli {checkpoint['cnncli']}, "
            f"this is {__version__} with format {FORMAT}; use that version"
        )
    claimed = checkpoint.pop("sha256")
    if claimed != _digest(checkpoint):
        raise CheckpointError(f"{path}: is damaged (its hash does not match); {_others(path)}")
    return checkpoint


def load_weights(model: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Put a checkpoint's weights into ``model``; raises ``CheckpointError`` naming what does not fit."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        causes = [line.strip() for line in str(error).splitlines()[1:3]]
        raise CheckpointError(f"{path}: its weights do not fit this network ({' '.join(causes)})") from error


def _others(path: Path) -> str:
    others = sorted(other.name for other in path.parent.glob("*.pt") if other != path)
    return f"beside it are {', '.join(others)}" if others else "there is no other checkpoint beside it"


def _digest(content: dict[str, Any]) -> str:
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
