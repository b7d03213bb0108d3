"""The beginning of a command, before torch is imported: what it refuses, and the line that says what it does."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from cnncli import __version__
from cnncli.config.catalog import fill_registries
from cnncli.config.early import check_early
from cnncli.config.merging import load_document
from cnncli.config.recall import remember_new
from cnncli.config.yaml_source import yaml_text
from cnncli.core.waiting import waiting
from cnncli.runs.references import LATEST, find_resumable
from cnncli.runs.unfinished import tell_newer_unfinished
from cnncli.training.configs import finetune_document
from cnncli.training.new_run import parse_name

EXPERIMENT, PREDICTOR = "cnncli.training.experiment", "cnncli.inference.predictor"


def begin(path: Path, overrides: Sequence[str] = ()) -> str:
    """The name of the run that a config gives; raises ``ConfigError`` for what can be refused at once."""
    document = load_document(path, overrides)
    check_early(document)
    return str(document.data["name"])


def begin_training(
    path: Path | None, overrides: Sequence[str], name: str | None, runs_dir: Path, resuming: str | None
) -> str:
    """The first line of ``train``: what is read, and where it goes; raises ``ConfigError`` as ``begin``."""
    run_name, run_id = parse_name(name)
    found = begin(path, _named(overrides, run_name)) if path is not None else None
    if resuming is not None:
        checkpoint = find_resumable(resuming, runs_dir, found or run_name or None)
        if resuming == LATEST:
            tell_newer_unfinished(checkpoint, runs_dir)
        return _line(path, f"going on from {checkpoint}")
    return _line(path, _to(runs_dir, found or run_name, run_id))


def begin_finetuning(
    pretrained: str,
    path: Path | None,
    data: Path | None,
    settings: dict[str, str],
    overrides: Sequence[str],
    name: str | None,
    runs_dir: Path,
) -> str:
    """The first line of ``finetune``; raises ``ConfigError`` as ``begin``."""
    run_name, run_id = parse_name(name)
    document = finetune_document(pretrained, path, data, settings, _named(overrides, run_name))
    check_early(document)
    return _line(path, f"from {pretrained}", _to(runs_dir, str(document.data["name"]), run_id))


def _named(overrides: Sequence[str], run_name: str) -> list[str]:
    return [*overrides, f"name={yaml_text(run_name)}"] if run_name else list(overrides)


def _line(path: Path | None, *parts: str) -> str:
    return "  ".join([f"cnncli {__version__}", *([str(path)] if path is not None else []), *parts])


def _to(runs_dir: Path, name: str, run_id: str) -> str:
    return f"→ {runs_dir / name / (run_id or '…')}"


def import_torch(module: str = EXPERIMENT) -> None:
    """Import ``module`` and with it torch; on the first time what components take is kept for the next commands."""
    if module in sys.modules:
        fill_registries()
        return
    is_first = "torch" not in sys.modules  # in a program that uses cnncli it may be there
    with waiting("importing PyTorch"):
        fill_registries()  # before anything else imports a room: what was only recalled makes way
        if is_first:
            remember_new()
        importlib.import_module(module)
