"""What a word means where a checkpoint or a run is meant: a file, a folder, the name of a run, or ``latest``.

The first of these that fits is meant, in every command and in every config:

1. ``latest``: the newest run in the folder of runs. A file or folder of that name is written ``./latest``.
2. A file: this checkpoint.
3. The folder of a run: that run. A folder in which runs lie: the newest of them.
4. A name, NAME/ID or path that is found in the folder of runs: what it means there by rules 2 and 3.

So a file wins over a run of the same name, and a folder without runs (of pictures, say) does not. The newest run is the
one whose best.pt or last.pt was written last, whatever its id says; a copied run counts as written when it was copied,
unless the copy keeps the times (``cp -p``).

Nothing here imports torch or reads a checkpoint.
"""

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.core.files import user_path
from cnncli.core.notices import notice

RUNS = Path("runs")
LATEST = "latest"
BEST, LAST = "best.pt", "last.pt"
DEEPEST = 8  # folders below the folder of runs that are looked into: names of runs can have groups
NAMED = 8  # so many names in a message, and fewer where that hides others
CONFIGS = (".yaml", ".yml")
_CHECKPOINTS = (".pt", ".pth")
_ZIP = b"PK\x03\x04"  # the first bytes of what torch.save writes


def find_checkpoint(word: str | Path, runs_dir: Path = RUNS) -> Path:
    """The checkpoint to use that ``word`` means: the file, or best.pt of the run.

    Which run a name stands for is told as a notice. Raises ``CheckpointError`` with the nearest names.
    """
    path = lookup(word, runs_dir, BEST)
    if path is None:
        raise unknown(word, runs_dir, BEST)
    there = user_path(word)
    if not (os.path.exists(there) and path.is_relative_to(there)):  # a folder of that name may hold no run
        notice("reference", f"{word} is {path}")
    return path


def find_resumable(word: str, runs_dir: Path, name: str | None) -> Path:
    """The checkpoint that training goes on from: the file, or last.pt of the run; of ``latest`` the newest ``name``.

    Raises ``ConfigError`` or ``CheckpointError`` when there is nothing to resume.
    """
    if word == LATEST:
        parent = runs_dir / name if name else runs_dir
        found = _newest(parent, LAST)
        if found is None:
            raise CheckpointError(f"{parent}: no run to resume; leave out --resume to start one")
        return found
    if Path(word).suffix in CONFIGS:
        raise ConfigError(f"{word} is a config, not a run; write the config first, then --resume")
    path = lookup(word, runs_dir, LAST)
    if path is None:
        raise unknown(word, runs_dir, LAST)
    return path


def lookup(word: str | Path, runs_dir: Path, file: str) -> Path | None:
    """The checkpoint that ``word`` means, of a run the one called ``file``; None where there is no such thing."""
    if not str(word):
        return None
    if str(word) == LATEST:
        return _newest(runs_dir, file)
    path = user_path(word)
    for candidate in (path, runs_dir / path):
        if os.path.isfile(candidate):  # Path.is_file raises for a name that is too long
            return candidate
        if os.path.isdir(candidate) and (found := _newest(candidate, file)) is not None:
            return found
    return None


def settled(word: str, runs_dir: Path) -> tuple[Path, Path] | None:
    """The checkpoint that ``word`` means now, and the folder whose newest run that is.

    None where it always means the same (a file, the folder of a run) or nothing.
    """
    found = lookup(word, runs_dir, BEST)
    path = user_path(word)
    if found is None or found in (path, path / BEST):
        return None
    folder = runs_dir if word == LATEST else path if found.is_relative_to(path) else runs_dir / path
    return found, folder


def means_checkpoint(word: str | Path, runs_dir: Path = RUNS) -> bool:
    """Whether a word that may be a config means a checkpoint or a run instead.

    A name that ends in .yaml or .yml is always a config. Another file is a checkpoint where it is called or begins like
    one. Every other word is a run where there is such a run.
    """
    path = user_path(word)
    if path.suffix in CONFIGS:
        return False
    if path.suffix in _CHECKPOINTS:
        return True
    if os.path.isfile(path):
        with open(path, "rb") as file:
            return file.read(len(_ZIP)) == _ZIP
    return lookup(word, runs_dir, BEST) is not None or lookup(word, runs_dir, LAST) is not None


def unknown(word: str | Path, runs_dir: Path, file: str = BEST, what: str = "checkpoint or run") -> CheckpointError:
    """The error about a word that means nothing: in one line, with the nearest names."""
    path = user_path(word)
    for folder in (path, runs_dir / path):
        if str(word) and os.path.isdir(folder):
            return _without(folder, file)
    if str(word) == LATEST:
        return _without(runs_dir, file)
    return CheckpointError(f"{str(word) or repr('')}: no such {what}; {_nearest(str(word), runs_dir)}")


def runs_in(folder: Path) -> list[Path]:
    """The folders of all runs in ``folder``, the newest first."""
    return [run for run, _ in sorted(_walk(folder), key=lambda found: (found[1], found[0].name), reverse=True)]


def run_names(runs_dir: Path = RUNS) -> list[str]:
    """The names of all runs, each once, that of the newest run first."""
    return list(dict.fromkeys(name_of(run, runs_dir) for run in runs_in(runs_dir)))


def name_of(run: Path, runs_dir: Path = RUNS) -> str:
    """The name of a run: the path of its folder in the folder of runs, without its id."""
    path = run.relative_to(runs_dir)
    return path.parent.as_posix() if len(path.parts) > 1 else path.as_posix()


def _newest(folder: Path, file: str) -> Path | None:
    """``file`` of the newest run in ``folder``, or of ``folder`` itself; None where no run has it."""
    return next((run / file for run in runs_in(folder) if (run / file).is_file()), None)


def _walk(folder: Path, depth: int = 0) -> Iterator[tuple[Path, int]]:
    """Every run in ``folder``, itself included, and when its newest checkpoint was written, in nanoseconds."""
    times = [os.stat(folder / file).st_mtime_ns for file in (BEST, LAST) if os.path.isfile(folder / file)]
    if times:
        yield folder, max(times)
        return
    if depth >= DEEPEST:
        return
    try:
        with os.scandir(folder) as entries:
            below = [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir()]
    except OSError:  # a folder that cannot be read, or has just gone
        return
    for name in below:
        yield from _walk(folder / name, depth + 1)


def _without(folder: Path, file: str) -> CheckpointError:
    """The error about a folder whose runs, if there are any, lack ``file``."""
    runs = runs_in(folder)
    if not runs:
        return CheckpointError(f"{folder}: no run lies there; name a checkpoint, or the folder or name of a run")
    if file == BEST:
        advice = f"it comes with the first epoch; go on with: cnncli train --resume {runs[0]}"
    else:
        advice = f"training cannot go on; begin with its weights: train.start_from={runs[0] / BEST}"
    return CheckpointError(f"{runs[0]}: has no {file}; {advice}")


def _nearest(word: str, runs_dir: Path) -> str:
    runs = runs_in(runs_dir)
    if not runs:
        return f"there are no runs in '{runs_dir}' either; check the path, or name the folder of runs with --runs-dir"
    names = list(dict.fromkeys(name_of(run, runs_dir) for run in runs))
    ids = [str(run.relative_to(runs_dir)) for run in runs]
    paths = [str(path) for run in runs for path in (run, run / BEST, run / LAST)]
    groups = [[*names, LATEST], ids, paths]
    for known in reversed(groups) if "/" in word else groups:
        if near := get_close_matches(word, known, n=3, cutoff=0.6):
            return f"did you mean {' or '.join(map(repr, near))}?"
    shown = names if len(names) <= NAMED else [*names[: NAMED - 2], f"… ({len(names)} in all)"]
    return f"the runs in '{runs_dir}', newest first: {', '.join(shown)}"
