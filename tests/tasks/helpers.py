"""What the tests of all tasks share."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from cnncli.core.results import Block

BLOCK: TypeAdapter[Block] = TypeAdapter(Block)


def as_json(blocks: Sequence[Block]) -> dict[str, Any]:
    """The parts of a report under their keys in JSON; no two have the same key, and each comes back as it was."""
    found: dict[str, Any] = {}
    for block in blocks:
        assert BLOCK.validate_json(BLOCK.dump_json(block)) == block
        part = block.to_json()
        assert not found.keys() & part.keys()
        found |= part
    return found
