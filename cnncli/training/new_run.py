"""The name of a run, and where it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnncli.config.sections import COMPONENT_SECTIONS
from cnncli.core.errors import ConfigError
from cnncli.core.run_ids import id_suffix
from cnncli.core.run_names import checked_name
from cnncli.runs.seed_sets import SeedSet


@dataclass(frozen=True)
class NewRun:
    """Where a new run is written."""

    runs_dir: Path
    run_id: str | None = None
    overwrite: bool = False
    suffix: str = ""  # of an id that is not given, after the time
    stamp: str | None = None  # the time in such an id; None: that when it begins
    seeds: SeedSet | None = None  # that the run belongs to


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


def new_run(runs_dir: Path, run_id: str, overwrite: bool, overrides: Sequence[str] = ()) -> NewRun:
    """Where a new run goes, whose id says what ``overrides`` set.

    Raises ``ConfigError`` when it should replace a run that is not named.
    """
    if overwrite and not run_id:
        raise ConfigError("--overwrite needs --name NAME/ID: a run without a fixed id never replaces another")
    return NewRun(runs_dir, run_id or None, overwrite, id_suffix(overrides, COMPONENT_SECTIONS))


def begun_with(pretrained: str, settings: dict[str, str], overrides: Sequence[str]) -> list[str]:
    """What is set for a fine-tuned run: which published network it begins with, how it learns, and ``overrides``."""
    network = [] if "/" in pretrained.removeprefix("timm/") else [f"model.name={pretrained.removeprefix('timm/')}"]
    strategy = [f"finetune.strategy={settings['strategy']}"] if "strategy" in settings else []
    return [*network, *strategy, *overrides]
