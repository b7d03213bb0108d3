"""Shorthands for tests of whole runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cnncli.config.checking import LoadedConfig
from cnncli.runs.checkpoint import digest, load_checkpoint
from cnncli.training import experiment
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.new_run import NewRun


def load(path: Path, *overrides: str) -> LoadedConfig:
    return load_config(path, overrides)


def train(path: Path, run_id: str, *overrides: str) -> dict[str, Any]:
    return experiment.train(load(path, *overrides), NewRun(Path("runs"), run_id), Display(quiet=True)).to_json()


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the content of a checkpoint's file and hash it anew."""
    content = torch.load(path, weights_only=True)
    del content["sha256"]
    change(content)
    torch.save({**content, "sha256": digest(content)}, path)


def weights(path: str | Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_checkpoint(Path(path)).weights
    return found


def assert_same_weights(one: str | Path, two: str | Path) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name
