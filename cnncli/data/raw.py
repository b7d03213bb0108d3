"""What a data set hands over: its splits as the publisher made them, before validation is carved out."""

import os
from dataclasses import dataclass
from pathlib import Path

from cnncli.data.sources import Source


@dataclass(frozen=True)
class RawData:
    """``train`` and, where the data have them, ``val`` and ``test``; ``classes`` in the order of the targets."""

    classes: tuple[str, ...]
    train: Source
    val: Source | None = None
    test: Source | None = None


def data_root() -> Path:
    """Where data sets are looked for and downloaded to: ``$CNNCLI_DATA``, else ``data``."""
    return Path(os.environ.get("CNNCLI_DATA") or "data")
