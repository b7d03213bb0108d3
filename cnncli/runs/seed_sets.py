"""Runs that one command made, one for each seed: a file in each says which set it belongs to."""

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.core.errors import ConfigError
from cnncli.core.files import write_text
from cnncli.core.run_ids import is_operational
from cnncli.runs.settings import SEED, flat, written

if TYPE_CHECKING:
    from cnncli.config.checking import LoadedConfig  # imports the models of configs

SEEDS = "seeds.json"
MOST = 1000  # runs of one command


@dataclass(frozen=True)
class SeedSet:
    """Runs that differ in nothing but the seed: an ``id``, and the seeds that were asked for when this one began."""

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


def parse_seeds(text: str, first: int) -> list[int]:
    """The seeds of ``--seeds``: ``5`` are five from ``first`` on, ``3,7,11`` these; raises ``ConfigError``."""
    advice = "write how many, as --seeds 5, or which, as --seeds 3,7,11"
    if not re.fullmatch(r"[0-9]{1,19}(,[0-9]{1,19})*,?", text):
        raise ConfigError(f"--seeds '{text}' are no seeds; {advice}")
    numbers = [int(number) for number in text.split(",") if number]
    if "," not in text:
        if not 1 <= numbers[0] <= MOST:
            raise ConfigError(f"--seeds {text}: are 1 to {MOST} runs; {advice}")
        numbers = list(range(first, first + numbers[0]))
    doubled = next((seed for place, seed in enumerate(numbers) if seed in numbers[:place]), None)
    if doubled is not None:
        raise ConfigError(f"--seeds {text}: has {doubled} twice; {advice}")
    if max(numbers) >= 2**63:
        raise ConfigError(f"--seeds {text}: {max(numbers)} is too large; a seed is less than 2^63")
    return numbers


def set_id(loaded: "LoadedConfig") -> str:
    """What the configs of a set have in common: all but the seed and what does not change what a run is.

    Sections are taken without their defaults, so that a key that comes new does not divide a set.
    """
    config = loaded.config.model_dump(mode="json", exclude_defaults=True)
    common = {key: written(value) for key, value in flat(config).items() if key != SEED and not is_operational(key)}
    common |= {".".join(map(str, path)): str(folder) for path, folder in loaded.document.by_name.items()}
    return blake2b(json.dumps(common, sort_keys=True).encode(), digest_size=8).hexdigest()
