"""In what two configs differ."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """A value that two configs give differently, at its dotted path."""

    path: str
    ours: Any
    theirs: Any


def differences(ours: Any, theirs: Any, path: Sequence[str] = ()) -> list[Difference]:
    """Every value in which two configs, as plain values, differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = list(dict.fromkeys([*ours, *theirs]))
        return [d for key in keys for d in differences(ours.get(key), theirs.get(key), (*path, key))]
    return [] if ours == theirs else [Difference(".".join(path), ours, theirs)]
