"""Texts as blocks of character ids."""

import sys
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.numbers import Count, Fraction, Steps
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec, Split, Text, Wants
from cnncli.data import encodings
from cnncli.data.contract import Opened, Remembered, Track
from cnncli.data.find import find_data
from cnncli.data.remembered import tell_unknown
from cnncli.data.sample_ids import Known, known
from cnncli.data.sources import ArraySource, Source
from cnncli.data.spans import Bounds, as_members, find_bounds, spans_of

UNKNOWN = "\ufffd"  # id 0: every character that the training part does not have


@dataclass(frozen=True)
class TextData:
    """One long text, cut by position: the first part is for training, the last for testing."""

    name: str
    text: str
    block: int
    test_fraction: float
    changes: bool = False  # between runs, as files do
    offers: ClassVar[tuple[Wants, ...]] = ("characters",)

    def open(
        self,
        config: DatasetConfig,
        wants: Wants,
        track: Track,
        spec: DataSpec | None,
        remembered: Remembered | None = None,
    ) -> Opened:
        """Blocks ``[N, T]`` of ids and of the ids one character later; the vocabulary is the training part's."""
        if config.normalize != "dataset":
            raise ConfigError("dataset.normalize: characters are not scaled; leave it out")
        bounds = self._bounds(config.val_fraction, spec, remembered)
        parts = {split: self.text[begin:end] for split, (begin, end) in bounds.items()}
        for split, part in parts.items():
            if len(part) <= self.block:
                raise DataError(
                    f"{self.name}: the {split} part has {len(part):,} characters, a block needs {self.block + 1}; "
                    "lower dataset.block or give more text"
                )
        if spec is None:
            spec = self._fit(parts["train"])
        elif spec.input_shape != (self.block,):
            raise DataError(
                f"{self.name}: blocks of {self.block}, the checkpoint was trained on blocks of {spec.input_shape[0]}; "
                "leave dataset.block as it was"
            )
        sources: dict[Split, Source] = {split: self._encoded(part, spec) for split, part in parts.items()}

        def naming(split: Split) -> Known:
            begin, _ = bounds[split]
            return known(begin + number * self.block for number in range(len(sources[split])))

        if not self.changes:
            return Opened(spec, sources, None, naming)
        members = as_members(spans_of(self._signs, bounds)) if remembered is None else remembered.members
        return Opened(spec, sources, members, naming)

    def _encoded(self, part: str, spec: DataSpec) -> ArraySource:
        """Blocks of one part's ids; characters that the vocabulary lacks are the first of it."""
        vocabulary = spec.require(Text, f"{self.name}: this data set", "use the data it was trained on").vocabulary
        codes = np.zeros(sys.maxunicode + 1, dtype=np.int64)  # character → id, 0 for the unknown
        for number, character in enumerate(vocabulary):
            codes[ord(character)] = number
        ids = codes[np.frombuffer(part.encode("utf-32-le"), dtype=np.uint32)]
        return blocks(torch.from_numpy(ids), self.block)

    def _fit(self, train: str) -> DataSpec:
        """The description of a text with this training part."""
        vocabulary = (UNKNOWN, *sorted(set(train) - {UNKNOWN}))
        if len(vocabulary) == 1:
            raise DataError(
                f"{self.name}: the training part has no character but U+FFFD, which stands for bytes that could "
                "not be read; set dataset.path to a text that was saved without it"
            )
        return DataSpec((self.block,), (), Text(vocabulary), output_shape=(self.block, len(vocabulary)))

    @cached_property
    def _signs(self) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
        return np.frombuffer(self.text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)

    def _bounds(self, val_fraction: float, spec: DataSpec | None, remembered: Remembered | None) -> Bounds:
        """The first and the last character (not included) of each part."""
        if self.changes and remembered is not None:
            return find_bounds(remembered, self._signs, self.name)
        if self.changes and spec is not None:
            tell_unknown(self.name)
        return self.bounds(val_fraction)

    def bounds(self, val_fraction: float) -> Bounds:
        """The first and the last character (not included) of each part, as a new run cuts them."""
        test = round(len(self.text) * (1 - self.test_fraction))
        val = round(test * (1 - val_fraction))
        bounds: Bounds = {"train": (0, val), "val": (val, test), "test": (test, len(self.text))}
        return {split: (begin, end) for split, (begin, end) in bounds.items() if begin < end or split == "train"}


def blocks(ids: Tensor, size: int) -> ArraySource:
    """Blocks of ``size`` ids one after the other, each with the ids that follow; an incomplete last is left out."""
    windows = ids.unfold(0, size + 1, size)
    return ArraySource(windows[:, :-1], windows[:, 1:])


@datasets.register("text", suggests={"task": "language_modeling"}, places=("path",))
def text(
    path: str,
    pattern: str = "*.txt",
    block: Steps = 128,
    test_fraction: Fraction = 0.1,
    encoding: str | None = None,
) -> TextData:
    """Characters of a text file, or of all files of a folder that match `pattern`; split by position.

    `encoding` is that of files that are not UTF-8 and have no mark; left out, it is detected.
    """
    files = text_files(path, pattern)
    return TextData(path, "\n".join(_read(file, encoding) for file in files), block, test_fraction, True)


def text_files(path: str, pattern: str) -> list[Path]:
    """A text file, or those of a folder that match ``pattern``, in order; raises ``DataError`` where there is none."""
    found = find_data(path, "file or folder")
    files = sorted(file for file in found.rglob(pattern) if file.is_file()) if found.is_dir() else [found]
    if not files:
        raise DataError(f"{found}: no file matches {pattern}; set dataset.pattern")
    return files


@datasets.register("python_stdlib", suggests={"task": "language_modeling"})
def python_stdlib(characters: Count = 1_000_000, block: Steps = 128, test_fraction: Fraction = 0.1) -> TextData:
    """The source of Python's own standard library: text that needs no download (it differs by Python version)."""
    parts: list[str] = []
    wanted = characters
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        parts.append(_read(file)[:wanted])
        wanted -= len(parts[-1])
        if wanted <= 0:
            break
    return TextData("python_stdlib", "".join(parts), block, test_fraction)


def _read(file: Path, encoding: str | None = None) -> str:
    """The text of a file, with line ends as ``\\n``."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); check it") from error
    return encodings.decode(data, encoding, str(file)).replace("\r\n", "\n").replace("\r", "\n")
