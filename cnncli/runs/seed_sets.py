"""Runs that one command made, one for each seed: a file in each says which set it belongs to."""

import json
from dataclasses import dataclass
from pathlib import Path

from cnncli.core.files import write_text

SEEDS = "seeds.json"


@dataclass(frozen=True)
class SeedSet:
    """A set of runs that differ in nothing but the seed: its ``id``, and the seeds that were asked for last."""

    id: str
    seeds: tuple[int, ...]


def write_seed_set(run: Path, found: SeedSet) -> None:
    """Say of a run which set it belongs to."""
    write_text(run / SEEDS, json.dumps({"set": found.id, "seeds": list(found.seeds)}) + "\n")


def read_seed_set(run: Path) -> SeedSet:
    """The set that a run belongs to; raises ``ValueError`` where the file is damaged."""
    found = json.loads((run / SEEDS).read_bytes())
    named, seeds = (found.get("set"), found.get("seeds")) if isinstance(found, dict) else (None, None)
    if not isinstance(named, str) or not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds):
        raise ValueError("it names no set of seeds")
    return SeedSet(named, tuple(seeds))
