"""cnncli trains, evaluates and keeps neural networks that a YAML file or a dictionary describes.

From Python: ``cnncli.train``, ``evaluate``, ``finetune``, ``load``, ``inspect``. The command
``cnncli docs python`` prints the page that shows them, docs/python.md.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnncli import core as core
    from cnncli.api import evaluate, finetune, inspect, load, load_config, train
    from cnncli.config.sections import Config
    from cnncli.core.errors import (
        CheckpointError,
        CnncliError,
        ConfigError,
        DataError,
        Interrupted,
        StorageError,
        TrainingError,
    )  # fmt: skip
    from cnncli.inference.evaluate import Evaluation
    from cnncli.inference.loaded import Predictor
    from cnncli.runs.results import RunResult

__version__ = "0.2.0"
__all__ = [
    "CheckpointError", "CnncliError", "Config", "ConfigError", "DataError", "Evaluation", "Interrupted", "Predictor",
    "RunResult", "StorageError", "TrainingError", "evaluate", "finetune", "inspect", "load", "load_config", "train",
]  # fmt: skip

_ERRORS = ("CheckpointError", "CnncliError", "ConfigError", "DataError", "Interrupted", "StorageError", "TrainingError")
_PLACES = {
    **dict.fromkeys(_ERRORS, "cnncli.core.errors"),
    **dict.fromkeys(("evaluate", "finetune", "inspect", "load", "load_config", "train"), "cnncli.api"),
    "Config": "cnncli.config.sections",
    "Evaluation": "cnncli.inference.evaluate",
    "Predictor": "cnncli.inference.loaded",
    "RunResult": "cnncli.runs.results",
}


def __getattr__(name: str) -> Any:
    """What is asked for, imported only then: ``import cnncli`` alone takes no time."""
    if name == "core":  # for cnncli.core.registry.models.register
        return importlib.import_module("cnncli.core.registry") and importlib.import_module("cnncli.core")
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'cnncli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
