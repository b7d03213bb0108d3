"""Published weights: the file in torch's hub cache, downloaded once; where that fails, what to place where."""

import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import torch

from cnncli.core.errors import StorageError

SILENCE = 20.0  # seconds after which a server that says nothing is given up
NAMED = 5  # so many files in a message
_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors", ".npz")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # what timm's files are called at Hugging Face


def fetch(urls: Sequence[str], name: str = "") -> Path:
    """The file of the first of the ``urls`` that is there, from torch's hub cache or downloaded to it.

    It is kept under its own name or, with the suffix of its address, as ``name``, and checked against a hash in its
    name. Raises ``StorageError``; no half of a file is left.
    """
    files = [_place(url, name) for url in urls]
    if kept := next((file for file in files if file.is_file()), None):
        return kept
    for number, (url, file) in enumerate(zip(urls, files, strict=True)):
        stamp = re.search(r"-([a-f0-9]{8,})\.", file.name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with _given_up_after(SILENCE):
                # torch's own downloader writes beside the file, checks the hash, and renames
                torch.hub.download_url_to_file(
                    url, str(file), hash_prefix=stamp[1] if stamp else None, progress=sys.stderr.isatty()
                )
            return file
        except (OSError, HTTPException, RuntimeError) as error:
            if isinstance(error, HTTPError) and error.code == 404 and number + 1 < len(urls):
                continue  # this network has a file of the other name
            # where nobody answers the first address is as good as any
            raise StorageError(_what_to_place(urls[0], files[0], error)) from error
    raise AssertionError("the last of the addresses returns or raises")


def timm_file(about: Any) -> Path:
    """The file with the weights that timm's ``about`` (its ``PretrainedCfg``) names; raises ``StorageError``.

    It is asked for directly: huggingface_hub would try again for more than a minute where there is no network.
    """
    hub, name = str(about.hf_hub_id or ""), f"timm-{about.architecture}{'.' if about.tag else ''}{about.tag or ''}"
    if not hub:
        if not about.url:
            raise StorageError(f"timm has no weights of {about.architecture}; name a file with finetune.weights")
        return fetch([about.url])
    repository, _, revision = hub.partition("@")
    start = f"{os.environ.get('HF_ENDPOINT') or 'https://huggingface.co'}/{repository}/resolve/{revision or 'main'}"
    files = [about.hf_hub_filename] if about.hf_hub_filename else _HUB_FILES
    if kept := next((path for file in files if (path := _in_hub_cache(repository, file, revision))), None):
        return kept
    return fetch([f"{start}/{file}" for file in files], name)


def _in_hub_cache(repository: str, file: str, revision: str) -> Path | None:
    """The file where huggingface_hub has kept it before."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(repository, file, revision=revision or None)
    return Path(found) if isinstance(found, str) else None


def _place(url: str, name: str) -> Path:
    own = url.rpartition("/")[2]
    return Path(torch.hub.get_dir()) / "checkpoints" / (name + Path(own).suffix if name else own)


def _what_to_place(url: str, file: Path, error: Exception) -> str:
    """The address, where the file belongs, what lies there already, and how another file is named."""
    cause = str(error).split("\n", 1)[0] or type(error).__name__
    try:
        there = sorted(path.name for path in file.parent.iterdir() if path.suffix in _SUFFIXES)
    except OSError:
        there = []
    more = f", … ({len(there)} in all)" if len(there) > NAMED else ""
    known = f"it has {', '.join(there[:NAMED])}{more}" if there else "no weights are there yet"
    return (
        f"the weights cannot be downloaded from {url} ({cause}); place {file.name} in '{file.parent}' ({known}), "
        "or name a file with finetune.weights=FILE"
    )


@contextmanager
def _given_up_after(seconds: float) -> Iterator[None]:
    """Let new connections fail that are silent for so long: torch's downloader would wait without end."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
