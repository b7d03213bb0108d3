"""A run that was interrupted, where another one is taken to go on with."""

from pathlib import Path

from cnncli.core.notices import notice
from cnncli.core.printable import shell_word
from cnncli.runs.references import runs_in
from cnncli.runs.run_folder import RunFolder

_SAME = ("dataset", "model", "task")  # sections in which two runs of one config agree


def tell_newer_unfinished(checkpoint: Path, runs_dir: Path) -> None:
    """Say so where the run of ``checkpoint`` is finished, and a newer one of the same data and network is not."""
    taken = RunFolder(checkpoint.parent)
    if not taken.result.is_file():
        return
    own = taken.read_config()
    for path in runs_in(runs_dir):
        run = RunFolder(path)
        if run.path == taken.path:
            return
        if run.result.is_file() or not run.last.is_file():
            continue
        other = run.read_config()
        if own and all(own.get(key) == other.get(key) for key in _SAME):
            command = f"cnncli train --resume {shell_word(path)}"
            notice("resume", f"{taken.path} is finished; the newer run {path} is not: go on with it with {command}")
            return
