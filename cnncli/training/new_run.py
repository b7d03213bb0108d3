"""The name of a run, and where it is written."""

import re
from dataclasses import dataclass
from pathlib import Path

from cnncli.core.errors import ConfigError

SAFE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@dataclass(frozen=True)
class NewRun:
    """Where a new run is written."""

    runs_dir: Path
    run_id: str | None = None
    overwrite: bool = False


def parse_name(name: str | None) -> tuple[str, str]:
    """``--name NAME/ID`` as name and id, empty where not given; raises ``ConfigError`` for what is no name."""
    if name is not None and not re.fullmatch(rf"{SAFE_NAME}(/{SAFE_NAME})?", name):
        raise ConfigError(f"--name '{name}': write NAME or NAME/ID of letters, digits, '.', '_' and '-'")
    run_name, _, run_id = (name or "").partition("/")
    return run_name, run_id


def new_run(runs_dir: Path, run_id: str, overwrite: bool) -> NewRun:
    """Where a new run goes; raises ``ConfigError`` when it should replace a run that is not named."""
    if overwrite and not run_id:
        raise ConfigError("--overwrite needs --name NAME/ID: a run without a fixed id never replaces another")
    return NewRun(runs_dir, run_id or None, overwrite)
