"""The folder of one run: ``runs/<name>/<id>/``, locked while a process works in it."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, StorageError
from cnncli.core.files import write_text
from cnncli.core.printable import json_text, shell_word
from cnncli.core.spec import Split
from cnncli.runs.lock import LOCK
from cnncli.runs.references import BEST, LAST

LAUNCH = ".launch"
LOOKED_AT = 0.2  # seconds: who only looks whether a process works in a run has gone by then


@dataclass(frozen=True)
class RunFolder:
    """The paths inside a run."""

    path: Path

    @property
    def best(self) -> Path:
        return self.path / BEST

    @property
    def last(self) -> Path:
        return self.path / LAST

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def samples(self) -> Path:
        return self.path / "samples.png"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    @property
    def picture(self) -> Path:
        return self.path / "result.png"

    @property
    def adopted(self) -> Path:
        """Where the weights come from, of a run that was not trained here."""
        return self.path / "adopted.json"

    @property
    def page(self) -> Path:
        return self.path / "report.html"

    def outputs(self, split: Split) -> Path:
        """What the best weights answered to each sample of ``split``."""
        return self.path / "outputs" / f"{split}.npz"

    def mark(self, launch: str) -> None:
        """Write down which launch of several ranks works here, so that it finds its run when it is begun again."""
        if launch:
            write_text(self.path / LAUNCH, launch)

    def is_marked(self, launch: str) -> bool:
        """Whether this launch works here."""
        try:
            return (self.path / LAUNCH).read_text(encoding="utf-8") == launch
        except OSError:
            return False

    def epoch(self, number: int) -> Path:
        """Where ``checkpoint.every`` keeps the weights after epoch ``number`` (from 1)."""
        return self.path / f"epoch-{number}.pt"

    def write_config(self, config: Config) -> None:
        """The resolved config exactly as used; it can be trained from again."""
        write_text(self.config, config_yaml(config))

    def read_config(self) -> dict[str, Any]:
        """The config as it is written there, unchecked; empty where it is missing or damaged."""
        try:
            data = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return {}
        return data if isinstance(data, dict) else {}

    def write_json(self, path: Path, value: dict[str, Any]) -> None:
        """One of the run's JSON files."""
        write_text(path, json_text(value, indent=2) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; the lock dies with this one. Raises ``ConfigError`` naming the owner."""
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=LOOKED_AT)
        except Timeout:
            raise ConfigError(
                f"{self.path}: another process works in this run{self._owner()}; wait, or use --name"
            ) from None
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be locked ({error}); choose another --runs-dir") from error
        try:
            for pattern in (".*.tmp", "outputs/.*.tmp"):  # of a process that was killed while it wrote
                for stale in self.path.glob(pattern):
                    stale.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    def _owner(self) -> str:
        try:
            return f" (process {json.loads(self.environment.read_text(encoding='utf-8'))['pid']})"
        except (OSError, ValueError, KeyError):
            return ""


def config_yaml(config: Config) -> str:
    """``config`` as YAML, innermost sections on one line."""
    data = json.loads(config.model_dump_json())
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def create_run(runs_dir: Path, name: str, run_id: str | None, overwrite: bool, free_id: str) -> RunFolder:
    """A new folder for a run; without ``run_id`` it is called ``free_id``, with a number where there is such a run.

    Raises ``ConfigError`` when ``run_id`` exists and is not to be overwritten, or is no run of cnncli's.
    """
    parent = runs_dir / name
    _refuse_inside_run(runs_dir, name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if run_id is None:
            return RunFolder(_numbered(parent, free_id))
        folder = parent / run_id
        if folder.exists():
            if not (overwrite or _is_group(folder)):
                advice = f"add --resume {shell_word(folder)}, or --overwrite to replace it"
                raise ConfigError(f"{folder}: this run exists; {advice}")
            _clear(RunFolder(folder))
        folder.mkdir(exist_ok=True)
        return RunFolder(folder)
    except OSError as error:
        raise StorageError(f"{parent}: cannot be created ({error.strerror}); choose another --runs-dir") from error


def now() -> str:
    """The time as the ids of runs have it."""
    return time.strftime("%Y%m%d-%H%M%S")


def _numbered(parent: Path, free_id: str) -> Path:
    number = 1
    while True:
        folder = parent / (free_id if number == 1 else f"{free_id}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def _refuse_inside_run(runs_dir: Path, name: str) -> None:
    """Raise ``ConfigError`` where a group that ``name`` names is a run already: it would be replaced with that run."""
    folder = runs_dir
    for part in name.split("/"):
        folder = folder / part
        if _is_run(RunFolder(folder)):
            raise ConfigError(f"{folder}: is a run, and no group that runs can be written to; choose another --name")


def _is_run(run: RunFolder) -> bool:
    return run.environment.is_file() or (run.path / LAUNCH).is_file()


def _is_group(folder: Path) -> bool:
    """Whether there are runs in ``folder``, which is none itself."""
    return folder.is_dir() and not _is_run(RunFolder(folder)) and any(folder.glob("**/last.pt"))


def _clear(run: RunFolder) -> None:
    """Empty the folder of an earlier run, and of nothing else."""
    if _is_group(run.path):
        raise ConfigError(f"{run.path}: is a group of runs, not a run; choose another --name")
    if any(run.path.iterdir()) and not _is_run(run):
        raise ConfigError(
            f"{run.path}: is not a run of cnncli's, so --overwrite leaves it alone; choose another --name"
        )
    with run.locked():
        for item in run.path.iterdir():
            if item.name == LOCK:
                continue
            if item.is_dir():
                shutil.rmtree(item)
            else:
                item.unlink()


def marked_run(parent: Path, launch: str) -> RunFolder | None:
    """The run in ``parent`` in which this launch works; None if there is none."""
    runs = (RunFolder(path.parent) for path in parent.glob(f"*/{LAUNCH}"))
    return next((run for run in runs if run.is_marked(launch)), None)


def weights_beside(checkpoint: Path) -> Path:
    """The best epoch's checkpoint of the same run, or ``checkpoint`` itself where no epoch has ended."""
    best = RunFolder(checkpoint.parent).best
    return best if best.is_file() else checkpoint
