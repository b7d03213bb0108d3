"""``report``: from the words of a command line to a page in one file."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.core.files import user_path, write_atomically
from cnncli.core.spec import Split
from cnncli.insight.compare import compare
from cnncli.report.html import html
from cnncli.report.page import all_blocks, run_page
from cnncli.report.samples import Wish, look
from cnncli.report.several import comparison_page
from cnncli.report.told import read_told
from cnncli.runs.references import BEST, find_checkpoint
from cnncli.runs.run_folder import RunFolder
from cnncli.training.display import Display

SIGNS = "*?["
NAME = "report.html"


@dataclass(frozen=True)
class Asked:
    """The runs that a page is about: the folder of one, or several words as ``compare`` takes them."""

    words: tuple[str, ...]
    run: Path | None = None

    @property
    def place(self) -> Path:
        """Where the page goes unless people say where: into the run, or here."""
        return Path(NAME) if self.run is None else RunFolder(self.run).page


def asked_for(words: Sequence[str], runs_dir: Path) -> Asked:
    """The runs that the words mean; a single pattern stands for all runs that fit it.

    Raises ``ConfigError`` or ``CheckpointError`` where there is no such run.
    """
    if not words:
        raise ConfigError("no run given; name one, for example latest; cnncli runs lists them")
    if len(words) == 1 and any(sign in words[0] for sign in SIGNS):
        words = _fitting(words[0], runs_dir)
    if len(words) > 1:
        return Asked(tuple(words))
    return Asked(tuple(words), find_checkpoint(words[0], runs_dir).parent)


def run_report(path: Path, wish: Wish, display: Display) -> bytes:
    """The page of the run in a folder, as HTML."""
    told = read_told(path, secret=not wish.pictures)
    blocks = all_blocks(told)
    return html(run_page(told, blocks, look(told, blocks, wish, display)))


def comparison_report(words: Sequence[str], runs_dir: Path, split: Split) -> bytes:
    """The page of several runs, as HTML; raises what ``compare`` raises."""
    found = compare(words, runs_dir, split)
    told = [read_told(Path(run)) for row in found.rows for run in row.runs]
    return html(comparison_page(found, told))


def write_run_report(path: Path, wish: Wish, display: Display) -> Path:
    """Write the page of a run into its folder, and give its path."""
    place = RunFolder(path).page
    content = run_report(path, wish, display)
    write_atomically(place, lambda file: file.write(content))
    return place


def _fitting(pattern: str, runs_dir: Path) -> list[str]:
    """The folders of runs that fit a pattern, here or in the folder of runs."""
    path = user_path(pattern)
    for place in (path, runs_dir / path):
        found = [match for match in sorted(glob.glob(str(place))) if os.path.isfile(os.path.join(match, BEST))]
        if found:
            return found
    raise CheckpointError(f"{pattern}: no run fits this pattern; cnncli runs lists them")
