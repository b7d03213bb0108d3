"""What a program holds in memory, brought to the form that files are read in."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnncli.core.errors import ConfigError
from cnncli.core.spec import Table
from cnncli.inference.gather import Asked, gather

if TYPE_CHECKING:
    import pandas as pd

BANDS = (1, 3, 4)  # channels of most pictures, by which an array of one is told from several grey ones


def pictures_of(what: Any, channels: int) -> Asked:
    """Pictures of a network with so many ``channels``: paths, folders and globs, or pictures and arrays in memory.

    An array is one picture ``[H, W]``, ``[H, W, C]``, or several ``[N, H, W]``, ``[N, H, W, C]``; a tensor has its
    channels first. Raises ``ConfigError`` for anything else.
    """
    from PIL.Image import Image

    if isinstance(what, str | Path):
        return gather([str(what)])
    if isinstance(what, np.ndarray | Tensor):
        return Asked(held=_split(what, channels))
    given = [what] if isinstance(what, Image) or not isinstance(what, Iterable) else list(what)
    if not given:
        raise ConfigError("nothing to answer for: the list is empty; give pictures or paths")
    if all(isinstance(each, str | Path) for each in given):
        return gather([str(each) for each in given])
    held: list[Any] = []
    for each in given:
        if not isinstance(each, Image | np.ndarray | Tensor):
            kind = type(each).__name__
            raise ConfigError(f"{kind} is no picture; give paths, or pictures of Pillow's, NumPy's or torch's")
        held += [each] if isinstance(each, Image) else _split(each, channels, one=each.ndim < 4)
    return Asked(held=held)


def _split(array: "NDArray[Any] | Tensor", channels: int, one: bool = False) -> list[NDArray[Any]]:
    """The pictures of an array, ``[H, W]`` or ``[H, W, C]`` each; that it is ``one`` may be known."""
    if isinstance(array, Tensor):
        array = array.detach().cpu().numpy()
        if array.ndim == 4 or (array.ndim == 3 and (one or array.shape[0] in {*BANDS, channels})):
            array, one = np.moveaxis(array, -3, -1), array.ndim == 3
    one = one or (array.ndim == 3 and (array.shape[2] in {*BANDS, channels} or channels == array.shape[0] > 1))
    return [array] if array.ndim < 3 or one else list(array)


def rows_of(what: Any, table: Table) -> "pd.DataFrame | Path":
    """Rows of a table: a data frame, a mapping or several, an array ``[N, F]`` in the order of ``table``, or a file.

    Raises ``ConfigError`` for anything else.
    """
    import pandas as pd

    if isinstance(what, pd.DataFrame):
        return what
    if isinstance(what, str | Path):
        return Path(what)
    if isinstance(what, Mapping):
        of_many = any(isinstance(value, Iterable) and not isinstance(value, str) for value in what.values())
        return pd.DataFrame(dict(what) if of_many else [dict(what)])
    if isinstance(what, Tensor | np.ndarray):
        return _frame(np.atleast_2d(what.cpu().numpy() if isinstance(what, Tensor) else what), table)
    if isinstance(what, Iterable) and (rows := list(what)) and all(isinstance(row, Mapping) for row in rows):
        return pd.DataFrame(rows)
    raise ConfigError(f"{type(what).__name__} is no table; give a file, a DataFrame, an array, or rows as dictionaries")


def _frame(values: NDArray[Any], table: Table) -> "pd.DataFrame":
    import pandas as pd

    names = [column.name for column in table.columns]
    if values.ndim != 2 or values.shape[1] != len(names):
        listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise ConfigError(f"an array {list(values.shape)} is no rows of {len(names)} columns; their order is {listed}")
    return pd.DataFrame(values, columns=pd.Index(names))


def texts_of(what: Any) -> list[str]:
    """One text, or several; raises ``ConfigError`` for anything else."""
    given = [what] if isinstance(what, str) else list(what) if isinstance(what, Iterable) else [what]
    if not given or not all(isinstance(each, str) for each in given):
        raise ConfigError(f"{type(what).__name__} is no text; give a string, or a list of them")
    return given
