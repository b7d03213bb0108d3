"""The files of the web page: what stands in ``static``, and ONNX Runtime in ``ort``, its large files compressed."""

import hashlib
import json
import lzma
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from cnncli.core.errors import StorageError
from cnncli.core.files import write_atomically

RUNTIME = "ort"
ADVICE = "free some space or choose another folder"


def page_files() -> Mapping[str, bytes]:
    """Every file of the page by its path in the folder, with ``/`` between; model.onnx and model.json are not there.

    Raises ``StorageError`` where a file of the runtime is not the one that its manifest tells.
    """
    package = files("cnncli.deploy.page")
    static = package.joinpath("static")
    found = {name: static.joinpath(name).read_bytes() for name in _names(static)}
    folder = package.joinpath(RUNTIME)
    manifest = json.loads(folder.joinpath("manifest.json").read_text(encoding="utf-8"))
    for name, told in manifest["files"].items():
        found[f"{RUNTIME}/{name}"] = _checked(folder.joinpath(told["kept"]), told["sha256"])
    return dict(sorted(found.items()))


def _names(folder: Traversable) -> Iterator[str]:
    """The paths of all files in a folder."""
    for entry in folder.iterdir():
        if entry.is_file():
            yield entry.name
        else:
            yield from (f"{entry.name}/{name}" for name in _names(entry))


def write_page(folder: Path) -> None:
    """Write everything that the page needs beside model.onnx and model.json into ``folder``, which is there.

    Raises ``StorageError`` when the disk refuses, or where a file of the runtime is damaged.
    """
    for name, content in page_files().items():
        path = folder / name
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(f"{path.parent}: cannot be made ({error}); {ADVICE}") from error
        write_atomically(path, lambda file, content=content: file.write(content), ADVICE)  # type: ignore[misc]


def _checked(file: Traversable, sha256: str) -> bytes:
    """The content of a file, unpacked if it is an ``.xz``; raises ``StorageError`` unless it has this hash."""
    try:
        content = file.read_bytes()
        if file.name.endswith(".xz"):
            content = lzma.decompress(content)
    except (OSError, lzma.LZMAError) as error:
        raise StorageError(f"{file}: cannot be unpacked ({error}); install cnncli again") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StorageError(f"{file}: is not the file that cnncli came with; install cnncli again")
    return content
