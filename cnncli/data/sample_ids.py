"""What the samples of a split are called in kept outputs: the same sample has the same name in every run."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cnncli.core.spec import Split
from cnncli.data.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Texts = NDArray[np.str_]
AT_ONCE = 1024  # samples that are looked at together


class Known(NamedTuple):
    """The names of a split's samples ``[N]`` and the groups that they belong to, ``[N]``, or none."""

    ids: Texts
    groups: Texts


Naming = Callable[[Split], Known]
"""Gives the names of a split's samples; they are found out only where they are asked for."""


def texts_of(values: Iterable[Any]) -> Texts:
    """The values as texts; what numpy would cut off, zeros at the end, and surrogates are made visible."""
    shown = [str(value).rstrip("\0").encode("utf-8", "backslashreplace").decode() for value in values]
    return np.array(shown, dtype=np.str_)


def known(names: Iterable[Any], groups: Iterable[Any] = ()) -> Known:
    """Names of samples, those that come again with #2, #3, …, and their groups."""
    count, found = Counter[str](), []
    for name in texts_of(names).tolist():
        count[name] += 1
        found.append(name if count[name] == 1 else f"{name}#{count[name]}")
    return Known(texts_of(found), texts_of(groups))


def by_content(source: Source) -> Known:
    """Samples in memory, named by a hash of their inputs as they are stored."""
    found: list[str] = []
    for rows in torch.arange(len(source)).split(AT_ONCE):
        for sample in source.gather(rows).contiguous().numpy():
            found.append(blake2b(sample.tobytes(), digest_size=8).hexdigest())
    return known(found)


def by_row(frame: "pd.DataFrame", columns: Sequence[str]) -> list[str]:
    """A hash of each row's cells as the table holds them: how columns are scaled does not matter."""
    from pandas.util import hash_pandas_object

    cells = frame[list(columns)]
    mixed = [name for name in columns if cells[name].dtype.kind not in "iufb"]
    cells = cells.astype(dict.fromkeys(mixed, str)) if mixed else cells
    return [f"{number:016x}" for number in hash_pandas_object(cells, index=False).to_numpy().tolist()]
