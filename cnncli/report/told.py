"""What a finished run has written down about itself; no torch is needed to read it."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cnncli.core.errors import CheckpointError, StorageError
from cnncli.core.notices import notice
from cnncli.core.printable import shell_word
from cnncli.runs.history import Record, read_history
from cnncli.runs.listing import list_runs
from cnncli.runs.outputs import Outputs, read_outputs
from cnncli.runs.results import RunResult, read_result
from cnncli.runs.run_folder import RunFolder

LEFT_OUT = "(left out)"


@dataclass(frozen=True, eq=False)
class Told:
    """``outputs`` are those of the split that the result's report is about, None where there are none."""

    run: RunFolder
    result: RunResult
    history: list[Record]
    config: dict[str, Any]
    config_text: str
    environment: dict[str, Any]
    outputs: Outputs | None
    began: datetime | None

    @property
    def name(self) -> str:
        """What people call the run: the config's name and the folder's."""
        name = self.config.get("name")
        return f"{name}/{self.run.path.name}" if isinstance(name, str) else self.run.path.name

    def component(self, section: str) -> str:
        """The name of the component that a section of the config has; nothing where there is none."""
        found = self.config.get(section)
        return str(found.get("name", "")) if isinstance(found, dict) else ""


def read_told(path: Path, secret: bool = False) -> Told:
    """What the run in a folder tells; ``secret``: without the names of files and columns.

    Raises ``CheckpointError`` for a run without a result, and ``StorageError`` where a file that is needed is damaged.
    """
    run = RunFolder(path)
    if not run.report.is_file():
        if run.last.is_file():
            again = f"finish it with: cnncli train --resume {shell_word(path)}"
        else:
            again = "name another run; cnncli runs lists them"
        raise CheckpointError(f"{path}: has no result yet; {again}")
    result, about = read_result(run.report), _environment(run.environment)
    return Told(
        run=run,
        result=result,
        history=read_history(run, result.epochs),
        config=run.read_config(),
        config_text=_without_names(run) if secret else _text(run.config),
        environment={name: value for name, value in about.items() if name != "command" or not secret},
        outputs=_outputs(run, result),
        began=next((listed.began for listed in list_runs(path, path.parent)), None),
    )


def _outputs(run: RunFolder, result: RunResult) -> Outputs | None:
    """What was answered to each sample; what is damaged is told, and the page does without."""
    path = run.outputs(result.report.split)
    if not path.is_file():
        return None
    try:
        found = read_outputs(path)
    except StorageError as error:
        notice("report", str(error))
        return None
    return found if len(found.ids) == result.report.samples or found.order else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _without_names(run: RunFolder) -> str:
    """The config, of which every text in the section of the data is left out: files, columns, what they hold."""
    config = run.read_config()
    section = config.get("dataset")
    if isinstance(section, dict):
        config["dataset"] = {key: value if key == "name" else _hidden(value) for key, value in section.items()}
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_hidden(each) for each in value]
    return LEFT_OUT if isinstance(value, str) else value


def _environment(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
