"""What a checkpoint answered to each sample of a split, in a file of NumPy arrays: no torch, no data needed to read it.

``numpy.load`` opens it, too. Of a file that others wrote nothing is run, and no more memory is taken than it may need.
"""

import json
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from cnncli.core.checks import require
from cnncli.core.errors import StorageError
from cnncli.core.files import write_atomically
from cnncli.core.printable import shell_word
from cnncli.core.spec import Split

FORMAT = 1
MOST = 2**28  # bytes of a split's outputs that are kept, 256 MiB, and that packed ids may unpack to
_TEXTS = ("about", "ids", "groups")
_BY_SAMPLE = ("ids", "groups", "target", "answer", "loss", "weight", "correct", "embedding")
_DTYPES = {"ids": "U", "groups": "U", "target": "ibf", "answer": "f", "thresholds": "f", "loss": "f", "weight": "f",
           "correct": "f", "embedding": "f"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a checkpoint answered to each of N samples of a split, in the split's order."""

    split: Split
    task: str  # its name in the registry
    classes: tuple[str, ...]  # or the names of targets, where numbers are predicted
    positive: str | None  # binary: the positive class
    ids: NDArray[np.str_]
    """``[N]`` the same for a sample in every run (``data/sample_ids.py``): its path or key, or a hash of what the data
    hold of it (with #2, #3 where that comes again); of windows and passages, their series or text and their place."""
    groups: NDArray[np.str_]  # [N], or [0] where every sample stands by itself
    order: bool  # series and texts: neighbours depend on each other
    target: NDArray[Any]
    """int64 ``[N]`` classes; bool ``[N, K]`` several labels; float64 ``[N, …]`` numbers in the data's unit; text:
    ``[0]``."""
    answer: NDArray[Any]
    """float32 probabilities ``[N, K]`` at the temperature (binary: ``[N]``, of the positive class); float64 predictions
    ``[N, …]`` in the data's unit; text: ``[0]``."""
    thresholds: NDArray[np.float64]  # [1] binary, [K] several labels, else [0]: the probability from which it is said
    loss: NDArray[np.float64]  # [N] each sample's mean evaluation loss (text: of a passage)
    weight: NDArray[np.float64]  # [N] what it was divided by (text: characters of the passage; else ones)
    correct: NDArray[np.float64]  # [N] text: characters predicted right in the passage; else [0]
    embedding: NDArray[np.float16]  # [N, D], or [0, 0] where there is none

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, name).nbytes for name in _DTYPES)

    def at(self, rows: NDArray[Any]) -> "Outputs":
        """The samples at these positions, in that order."""
        arrays = {name: getattr(self, name) for name in _BY_SAMPLE}
        return replace(self, **{name: each[rows] for name, each in arrays.items() if len(each)})

    def check(self) -> None:
        """Raise ``ValueError`` where the arrays are not of the same samples, or not of their types."""
        count = len(self.ids)
        for name, kinds in _DTYPES.items():
            array = getattr(self, name)
            require(array.dtype.kind in kinds, f"{name}: holds {array.dtype} instead of its own type")
        for name in ("ids", "groups", "thresholds", "loss", "weight", "correct"):
            require(getattr(self, name).ndim == 1, f"{name}: is no list")
        for name in ("loss", "weight"):
            require(len(getattr(self, name)) == count, f"{name}: is not one a sample")
        for name in ("groups", "target", "answer", "correct", "embedding"):
            array = getattr(self, name)
            require(array.ndim > 0 and len(array) in (0, count), f"{name}: is not one a sample")
        require(self.embedding.ndim == 2, "embedding: is not one vector a sample")
        numbers = len(self.target) == len(self.answer) and self.target.dtype.kind == self.answer.dtype.kind
        require(not numbers or self.target.shape == self.answer.shape, "answer: has another shape than target")
        if self.target.dtype.kind == "i" and self.target.size:
            most = len(self.classes) - 1
            require(self.target.min() >= 0 and self.target.max() <= most, "target: names a class that is none")


@dataclass(frozen=True)
class _About:
    """What is no array."""

    format: int
    split: Split
    task: str
    classes: tuple[str, ...]
    positive: str | None
    order: bool


def write_outputs(path: Path, outputs: Outputs) -> None:
    """Write the file, and its folder if need be; the same outputs give the same bytes.

    Raises ``StorageError`` when the disk refuses.
    """
    outputs.check()
    about = {name: getattr(outputs, name) for name in ("split", "task", "classes", "positive", "order")}
    arrays = {"about": np.array(json.dumps({"format": FORMAT, **about}))}
    arrays |= {name: getattr(outputs, name) for name in _DTYPES}

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                record = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: the bytes tell nothing of when
                record.compress_type = zipfile.ZIP_DEFLATED if name in _TEXTS else zipfile.ZIP_STORED
                with archive.open(record, "w", force_zip64=True) as stream:
                    npy.write_array(cast(Any, stream), np.asarray(array, order="C"), allow_pickle=False)

    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent}: cannot be created ({error}); choose --runs-dir") from error
    write_atomically(path, write)


def read_outputs(path: Path) -> Outputs:
    """The inverse of ``write_outputs``; raises ``StorageError`` for a file that is missing, damaged, or another."""
    again = f"cnncli eval {shell_word(path.parent.parent)} --split {path.stem} writes it"
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _arrays(archive)
        about = _about(arrays.pop("about"))
        plain: dict[str, Any] = {name: value for name, value in vars(about).items() if name != "format"}
        found = Outputs(**plain, **cast(Any, arrays))
        found.check()
        return found
    except FileNotFoundError as error:
        raise StorageError(f"{path}: is not there; {again}") from error
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be read ({error.strerror or error}); {again} where there is none"
        ) from error
    except (
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        tokenize.TokenError,
        EOFError,
        NotImplementedError,  # zipfile's, of a compression that it does not know
        RuntimeError,  # of an encrypted one
    ) as error:
        cause = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise StorageError(f"{path}: holds no outputs, or is damaged ({cause}); remove it, then {again}") from error


def _arrays(archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    """All arrays by their names, of a file that has each of them once and nothing else."""
    records = {record.filename.removesuffix(".npy"): record for record in archive.infolist()}
    wanted = ("about", *_DTYPES)
    require(len(archive.infolist()) == len(wanted) and set(records) == set(wanted), "it has other entries")
    return {name: _array(archive, name, records[name]) for name in wanted}


def _array(archive: zipfile.ZipFile, name: str, record: zipfile.ZipInfo) -> NDArray[Any]:
    """One array, of which the size is known before anything is read."""
    packed = record.compress_type == zipfile.ZIP_DEFLATED
    require(packed == (name in _TEXTS), f"{name}: is packed in another way")
    limit = MOST + npy.ARRAY_ALIGN * 4 if packed else record.compress_size
    require(record.file_size <= limit, f"{name}: is longer than it can be")
    with archive.open(record) as stream:
        file = cast(Any, stream)
        require(npy.read_magic(file) == (1, 0), f"{name}: is of another version")
        shape, fortran, dtype = npy.read_array_header_1_0(file)
        require(dtype.kind in _DTYPES.get(name, "U"), f"{name}: holds {dtype} instead of its own type")
        require(not fortran or len(shape) < 2, f"{name}: is laid out in another order")
        require(all(length >= 0 for length in shape), f"{name}: has an impossible shape")
        size = dtype.itemsize
        for length in shape:  # in Python's numbers, which do not overflow
            size *= length
        require(size <= record.file_size, f"{name}: has fewer values than it says")
        data = stream.read()
    require(len(data) == size, f"{name}: has more or fewer values than it says")
    if not dtype.itemsize:  # texts of no characters: nothing to read
        require(len(shape) == 1 and shape[0] <= MOST // 4, f"{name}: is longer than it can be")
        return np.zeros(shape, dtype=dtype)
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _about(array: NDArray[Any]) -> _About:
    require(array.ndim == 0, "about: is no text")
    try:
        values = json.loads(str(array))
        require(isinstance(values, dict) and set(values) == {field.name for field in fields(_About)},
                "about: has other entries")  # fmt: skip
        require(values["format"] == FORMAT, f"it is of format {values['format']}, this cnncli knows {FORMAT}")
        return TypeAdapter(_About).validate_json(str(array), strict=True)
    except RecursionError as error:
        raise ValueError("about: is nested too deeply") from error
    except ValidationError as error:
        raise ValueError(f"about: {error.errors()[0]['msg']}") from error
