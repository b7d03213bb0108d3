"""Files of ``torch.save``, looked through before anything in them is unpacked, allocated or run.

``torch.load(weights_only=True)`` runs no code, but it takes all the memory that a file asks for. What is loaded is a
plain zip with nothing packed in it, a pickle of plain values only, and tensors no larger than the bytes stored for
them.
"""

import os
import pickletools
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import torch

from cnncli.runs.outline import ALLOWED, check_tree, read_outline

MAX_OPERATIONS = 500_000  # of the pickle, about a hundred bytes of memory each; a large network has some ten thousand
MAX_PICKLE = 2**24  # bytes: names of classes, vocabularies, the structure of all
MAX_DIRECTORY = 2**22  # bytes of the zip's list of records: some fifty thousand tensors
_END, _LONG_END = 22, 98  # bytes after that list, without and with the two records for large files

# what torch.save needs for plain values and tensors; one that makes a set, say, takes 200 bytes for its one
_OPERATIONS = """
PROTO STOP MARK GLOBAL REDUCE BUILD BINPERSID BINPUT LONG_BINPUT BINGET LONG_BINGET NONE NEWTRUE NEWFALSE
BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
APPEND APPENDS SETITEM SETITEMS
""".split()  # noqa: SIM905 - thirty-one lines otherwise


def load_archive(path: Path) -> Any:
    """The content of a file of ``torch.save`` on the CPU: plain values, lists, dicts, tensors.

    Raises ``ValueError`` where the file is damaged, holds anything else, or asks for more memory than its size, and
    ``OSError`` where it cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            records = _records(file)
            check_tree(*read_outline(_pickle(file, records), _stored(records)))
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError):
        raise
    except Exception as error:  # damaged bytes make zipfile, pickle and torch raise nearly anything
        raise ValueError(str(error).strip().split("\n", 1)[0] or type(error).__name__) from error


def _refuse(cause: str) -> NoReturn:
    raise ValueError(cause)


def _records(file: BinaryIO) -> dict[str, zipfile.ZipInfo]:
    """The zip's records by their names without their common folder; none is packed, none reaches into another."""
    start = _directory(file)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    root = f"{infos[0].filename.partition('/')[0]}/" if infos else ""
    found: dict[str, zipfile.ZipInfo] = {}
    folded, end = set[str](), 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        name, size = info.filename, info.file_size
        if info.compress_type != zipfile.ZIP_STORED or size != info.compress_size or info.flag_bits & 1:
            _refuse(f"its record {name} is packed, which torch.save never does")
        # other readers of zips do not tell upper from lower case, or end a name at a NUL
        if not name.startswith(root) or not name.isascii() or name != info.orig_filename or name.lower() in folded:
            _refuse(f"its record {name!r} is not as torch.save writes it")
        if info.header_offset < end:
            _refuse(f"its record {name} overlaps another")
        end = info.header_offset + 30 + len(name) + size  # at least: the header may be longer
        folded.add(name.lower())
        found[name.removeprefix(root)] = info
    if end > start:
        _refuse("its records reach beyond its end")
    return found


def _directory(file: BinaryIO) -> int:
    """Where the zip's list of records begins; there is one such list, at the very end, and it is not too long."""
    if file.read(4) != b"PK\x03\x04":
        _refuse("it is no file of torch.save")
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _LONG_END, 0))
    tail = file.read().rjust(_LONG_END, b"\0")
    if tail[-_END:][:4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        _refuse("it is cut off, or no file of torch.save")
    if tail[56:60] == b"PK\x06\x07":  # then numbers of 64 bits stand before it
        length, start = struct.unpack("<QQ", tail[40:56])
        (located,) = struct.unpack("<Q", tail[64:72])
        end = size - _LONG_END
        if tail[:4] != b"PK\x06\x06" or located != end:
            _refuse("its end is damaged")
    else:
        length, start = struct.unpack("<II", tail[88:96])
        end = size - _END
    if start + length != end or length > MAX_DIRECTORY:
        _refuse("its list of records is damaged, or too long")
    return int(start)


def _pickle(file: BinaryIO, records: dict[str, zipfile.ZipInfo]) -> bytes:
    """The pickle, of operations that are known to be harmless and not too many."""
    record = records.get("data.pkl")
    if record is None:
        _refuse("it is no file of torch.save: data.pkl is missing")
    if record.file_size > MAX_PICKLE:
        _refuse(f"its data.pkl has {record.file_size:,} bytes; at most {MAX_PICKLE:,} are read")
    with zipfile.ZipFile(file) as archive:
        content = archive.read(record)
    for number, (operation, argument, _) in enumerate(pickletools.genops(content)):
        if operation.name not in _OPERATIONS or (operation.name == "PROTO" and argument != 2):
            _refuse(f"it holds more than plain values and tensors ({operation.name})")
        if operation.name == "GLOBAL" and tuple(str(argument).split(" ")) not in ALLOWED:
            _refuse(f"it holds more than plain values and tensors ({str(argument).replace(' ', '.')})")
        if number >= MAX_OPERATIONS or (operation.name == "LONG_BINPUT" and int(argument or 0) >= MAX_OPERATIONS):
            _refuse(f"it has more than {MAX_OPERATIONS:,} values")
    return content


def _stored(records: dict[str, zipfile.ZipInfo]) -> dict[str, int]:
    """The bytes stored for tensors, by their key."""
    return {name[5:]: record.file_size for name, record in records.items() if name.startswith("data/")}
