"""Runs that a config names: a run begins with the checkpoints that the names stand for then, and keeps these."""

from pathlib import Path

from cnncli.config.checking import LoadedConfig
from cnncli.config.sections import Config
from cnncli.config.yaml_source import Document
from cnncli.runs.references import settled


def settle_run(document: Document, section: str, key: str, runs_dir: Path) -> None:
    """Put the checkpoint that a run's name stands for now in its place; what means nothing stays, and fails later."""
    values = document.data.get(section)
    word = values.get(key) if isinstance(values, dict) else None
    if isinstance(values, dict) and isinstance(word, str) and (found := settled(word, runs_dir)) is not None:
        checkpoint, document.by_name[section, key] = found
        values[key] = str(checkpoint)


def as_begun(own: Config, wanted: LoadedConfig) -> Config:
    """The ``wanted`` config with the checkpoints of ``own`` where it names the same runs: they may have newer ones."""
    config = wanted.config
    for (section, key), folder in wanted.document.by_name.items():
        theirs, ours = getattr(config, str(section)), getattr(own, str(section))
        kept = None if ours is None else getattr(ours, str(key))
        if kept is not None and Path(kept).is_relative_to(folder):
            config = config.model_copy(update={str(section): theirs.model_copy(update={str(key): kept})})
    return config
