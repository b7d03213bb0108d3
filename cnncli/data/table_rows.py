"""What tells the rows of a table apart: their key, or else their values; and what belongs together."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cnncli.core.members import Ids
from cnncli.core.notices import notice
from cnncli.core.spec import Split
from cnncli.data.columns import refuse, texts

if TYPE_CHECKING:
    import pandas as pd


def row_hashes(inputs: Tensor, targets: Tensor) -> Ids:
    """A hash of each row's values ``[N]``: inputs float32 ``[N, F]`` and targets ``[N, …]`` as the network learns them.

    A sum of the values' bits, each multiplied by a number of its column (Dietzfelbinger et al. 1997), so that the form
    in which a file writes a value does not matter.
    """
    values = (inputs.numpy() + np.float32(0)).view(np.uint32)  # -0 is 0
    learned = targets.reshape(len(targets), -1).double().numpy() + 0.0
    weights = np.random.default_rng(0).integers(1, 2**64, values.shape[1] + learned.shape[1], dtype=np.uint64) | 1
    found = np.zeros(len(values), dtype=np.uint64)
    for column in range(values.shape[1]):
        found += _mixed(values[:, column].astype(np.uint64) * weights[column])
    for column in range(learned.shape[1]):
        bits = np.ascontiguousarray(learned[:, column]).view(np.uint64)
        bits ^= bits >> np.uint64(32)  # small whole numbers have high bits only, and a product would lose most of these
        found += _mixed(bits * weights[values.shape[1] + column])
    return found.view(np.int64)


def _mixed(values: "np.ndarray[tuple[int], np.dtype[np.uint64]]") -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """High bits brought into low ones, without which a product changes little in them."""
    return (values ^ (values >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)


def keys_of(frame: "pd.DataFrame", column: str | None, name: str) -> tuple[str, ...]:
    """The key of each row, or nothing without a ``column``; raises ``DataError`` for a missing or repeated one."""
    if column is None:
        return ()
    keys = texts(frame[column])
    refuse(frame[column], keys.isna().to_numpy(), name, "is dataset.key and has no value; fill it in")
    refuse(frame[column], keys.duplicated().to_numpy(), name, "is dataset.key and has {} a second time; make it unique")
    return tuple(keys.tolist())


def groups_of(frame: "pd.DataFrame", column: str | None, name: str) -> Tensor | None:
    """A number for each row ``[N]``, the same where ``column`` has the same value; None without one."""
    if column is None:
        return None
    values = texts(frame[column])
    refuse(frame[column], values.isna().to_numpy(), name, "is dataset.group and has no value; fill it in")
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values.tolist()))}
    return torch.tensor([numbers[value] for value in values.tolist()])


def tell_equal(content: Ids, parts: dict[Split, Tensor], name: str) -> None:
    """Say how many rows of other splits are equal to one of training."""
    train = content[parts["train"].numpy()]
    counts = Counter[str]()
    for split, rows in parts.items():
        if split != "train":
            counts[split] = int(np.isin(content[rows.numpy()], train).sum())
    told = [f"{count:,} of {len(parts[split]):,} {split} rows" for split, count in counts.items() if count]  # type: ignore[index]
    if told:
        advice = "dataset.group keeps rows together that belong together"
        notice("equal_rows", f"{name}: {' and '.join(told)} are equal to training rows; {advice}")
