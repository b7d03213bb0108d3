"""What the tests of all tasks share."""

from collections.abc import Sequence
from typing import Any

from cnncli.core.results import Block


def as_json(blocks: Sequence[Block]) -> dict[str, Any]:
    """The parts of a report under their keys in JSON; no two parts may have the same."""
    found: dict[str, Any] = {}
    for block in blocks:
        part = block.to_json()
        assert not found.keys() & part.keys()
        found |= part
    return found
