"""Files that commands write: the place is looked at before the work, and nothing that is needed is overwritten."""

import codecs
import io
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cnncli.core.errors import ConfigError, DataError, StorageError, did_you_mean
from cnncli.core.files import real_path, try_folder, write_atomically
from cnncli.core.printable import printable  # which also names the error handler as_stored

if TYPE_CHECKING:
    from cnncli.config.sections import DatasetConfig

PICTURES = (".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pt", ".pth")  # never written by --out
RUN_FILES = ("config.yaml", "environment.json", "metrics.jsonl", "result.json", "report.json", "test_looks.json")
UTF8, UTF8_SIG = "utf-8", "utf-8-sig"
ENCODINGS = (UTF8, UTF8_SIG, "utf-16", "cp1252", "cp1251", "gb18030", "big5", "shift_jis", "euc_kr")  # some of them
LOOK = 8192  # bytes of an existing file that tell whether it is text


class Output:
    """A file that an option names. Raises ``ConfigError`` or ``StorageError`` where it cannot or must not be written.

    ``text`` outputs replace no file that is not text itself.
    """

    def __init__(self, option: str, path: Path, read: Iterable[Path] = (), *, text: bool = True) -> None:
        self.option, self.path, self.text = option, path, text
        self.encoding = "utf-8"
        self._check_place()
        self.keep_apart(read)
        if self._replaces():
            self._check_replaced()

    def _check_place(self) -> None:
        where = f"{self.option} {self.path}"
        if os.path.isdir(self.path):
            raise StorageError(f"{where}: is a folder; name a file in it")
        if self.is_stream:
            return
        target = real_path(self.path)
        if os.path.islink(target):
            raise StorageError(f"{where}: is a link in a circle; choose another name")
        if not target.parent.is_dir():
            raise StorageError(
                f"{where}: there is no folder '{target.parent}'; make it first (mkdir -p), or choose another"
            )
        if self._replaces() and not os.access(target, os.W_OK):
            raise StorageError(f"{where}: this file is read-only; choose another name")
        try:
            try_folder(target.parent)
        except OSError as error:
            cause = error.strerror or error
            raise StorageError(f"{where}: nothing can be written there ({cause}); choose another folder") from error
        try:
            os.lstat(target)
        except FileNotFoundError:
            pass
        except OSError as error:  # a name that is too long, say
            raise StorageError(f"{where}: cannot be written ({error.strerror}); choose another name") from error

    def keep_apart(self, read: Iterable[Path]) -> None:
        """Raise ``ConfigError`` when this is one of the files that are ``read``, by whatever path or link."""
        if not self._replaces():
            return
        own = os.stat(self.path)
        for path in read:
            try:
                found = os.stat(path)
            except (OSError, ValueError):
                continue
            if os.path.samestat(own, found):
                raise ConfigError(f"{self.option} {self.path}: is a file that holds something else ({path}, which is "
                                  "read or was trained on); choose another name")  # fmt: skip

    def same_as(self, other: "Output") -> bool:
        """Whether both are one file."""
        return real_path(self.path) == real_path(other.path)

    def _check_replaced(self) -> None:
        """Raise ``ConfigError`` where the file that is there is not one that a command like this has written."""
        target = real_path(self.path)
        about = f"{self.option} {self.path}: is a file that holds something else"
        if target.suffix.lower() in PICTURES or (self.text and not _is_text(target)):
            raise ConfigError(f"{about} (no text); choose another name")
        if zipfile.is_zipfile(target):
            raise ConfigError(f"{about} (a checkpoint or archive); choose another name")
        if target.name in RUN_FILES and any((target.parent / name).exists() for name in ("best.pt", "last.pt")):
            raise ConfigError(f"{about} (part of a run); choose another name")

    def _replaces(self) -> bool:
        return os.path.isfile(self.path) and not self.is_stream

    @property
    def is_stream(self) -> bool:
        """Whether it is a pipe, a terminal, /dev/null or the like: nothing to replace, nothing to rename."""
        absolute = os.path.abspath(self.path)
        named = absolute.startswith(("/dev/", "/proc/self/fd/"))
        return os.path.exists(self.path) and (named or not os.path.isfile(self.path))

    def write(self, fill: Callable[[BinaryIO], object]) -> None:
        """Let ``fill`` write the file: beside it first, then renamed."""
        if self.is_stream:
            content = io.BytesIO()  # what fills may want to go back and forth
            fill(content)
            self.path.write_bytes(content.getvalue())
        else:
            write_atomically(real_path(self.path), fill, advice=f"free some space or choose another {self.option}")

    def write_text(self, text: str) -> None:
        """In this output's ``encoding``; in UTF-8 the bytes of file names that are not UTF-8 as they are."""
        self.write_parts([text])

    def write_parts(self, parts: Iterable[str]) -> None:
        """``write_text`` of a text that comes in parts.

        Raises ``ConfigError`` for a character that the encoding lacks.
        """
        unicode = self.encoding in (UTF8, UTF8_SIG)
        encoder = codecs.getincrementalencoder(self.encoding)("as_stored" if unicode else "strict")

        def fill(file: BinaryIO) -> None:
            file.writelines(encoder.encode(part) for part in parts)
            file.write(encoder.encode("", final=True))

        try:
            self.write(fill)
        except UnicodeEncodeError as error:
            lacking = printable(error.object[error.start])
            cause = f"the encoding {self.encoding} lacks '{lacking}'"
            raise ConfigError(f"{self.option} {self.path}: {cause}; set --encoding {UTF8_SIG}") from error


def text_encoding(name: str) -> str:
    """The encoding that ``--encoding`` names, as Python calls it; raises ``ConfigError`` for one that is not known."""
    try:
        "".encode(name)
        found = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise ConfigError(f"--encoding {printable(name)}: unknown; {did_you_mean(name, ENCODINGS)}") from error
    return found


def _is_text(path: Path) -> bool:
    """Whether a file holds no zero bytes where it begins; an empty one is text as well."""
    with open(path, "rb") as file:
        return b"\0" not in file.read(LOOK)


def trained_on(dataset: "DatasetConfig") -> list[Path]:
    """The files that the arguments of a data set name."""
    values = [v for value in dataset.args.values() for v in (value if isinstance(value, list | tuple) else [value])]
    return [file for value in values if isinstance(value, str) and value for file in named_files(value)]


def named_files(word: str) -> list[Path]:
    """The file that a word means as data, if there is one."""
    from cnncli.data.find import find_data

    try:
        return [find_data(word)]
    except (DataError, ValueError):  # another word, or data that are not here
        return []


def set_encoding(output: Output | None, encoding: str | None, form: str | None) -> None:
    """Let the output be written in the encoding that ``--encoding`` names."""
    if encoding is None:
        return
    if form in ("json", "jsonl"):
        raise ConfigError("--encoding is for CSV and tables, JSON is UTF-8 always; leave out --encoding")
    if output is None:
        raise ConfigError("--encoding is for a file; name one with --out")
    output.encoding = text_encoding(encoding)
