"""The name of a run, and where it is written."""

from dataclasses import dataclass
from pathlib import Path

from cnncli.core.errors import ConfigError
from cnncli.core.run_names import checked_name


@dataclass(frozen=True)
class NewRun:
    """Where a new run is written."""

    runs_dir: Path
    run_id: str | None = None
    overwrite: bool = False


def parse_name(name: str | None) -> tuple[str, str]:
    """``--name NAME/ID`` as name and id, empty where not given; raises ``ConfigError`` for what is no name.

    The id is what follows the last ``/``: ``group/first/`` with nothing after it names a run in a group.
    """
    if name is None:
        return "", ""
    try:
        whole = checked_name(name.removesuffix("/") if name != "/" else name)
    except ValueError as error:
        raise ConfigError(f"--name '{name}': {error}") from None
    if name.endswith("/") or "/" not in whole:
        return whole, ""
    run_name, _, run_id = whole.rpartition("/")
    return run_name, run_id


def new_run(runs_dir: Path, run_id: str, overwrite: bool) -> NewRun:
    """Where a new run goes; raises ``ConfigError`` when it should replace a run that is not named."""
    if overwrite and not run_id:
        raise ConfigError("--overwrite needs --name NAME/ID: a run without a fixed id never replaces another")
    return NewRun(runs_dir, run_id or None, overwrite)
