"""From files, overrides and checkpoints to one checked config; what follows from pretrained weights is filled in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncli.config.catalog import make_known
from cnncli.config.checking import LoadedConfig, resolve
from cnncli.config.merging import apply_overrides, load_document
from cnncli.config.yaml_source import Document, yaml_text
from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.runs.references import RUNS
from cnncli.training.named_runs import settle_run

if TYPE_CHECKING:
    from cnncli.runs.checkpoint import Checkpoint  # imports torch

RECIPE = Path(__file__).parent.parent / "recipes" / "finetune.yaml"


ConfigSource = Path | Mapping[str, Any]
"""A config's file or the name of one that comes with cnncli, or its content."""


def load_config(
    source: ConfigSource, overrides: Sequence[str] = (), *, runs_dir: Path = RUNS, to_build: bool = True
) -> LoadedConfig:
    """Read, override, check and complete a config; raises ``ConfigError`` with every fault in it.

    Runs that it names are looked for in ``runs_dir``. Unless anything is ``to_build`` from it, torch is imported only
    for plug-ins and pretrained networks.
    """
    return _resolved(load_document(source, overrides), to_build, runs_dir)


def load_finetune(
    pretrained: str,
    path: ConfigSource | None,
    data: Path | None,
    settings: dict[str, str],
    overrides: Sequence[str],
    runs_dir: Path = RUNS,
) -> LoadedConfig:
    """The config at ``path`` (or its content), or the packaged recipe, started from ``pretrained``, with its network.

    ``data`` is a folder of pictures, ``settings`` are keys of the finetune section. Raises ``ConfigError``.
    """
    return _resolved(finetune_document(pretrained, path, data, settings, overrides), runs_dir=runs_dir)


def finetune_document(
    pretrained: str,
    path: ConfigSource | None,
    data: Path | None,
    settings: dict[str, str],
    overrides: Sequence[str],
) -> Document:
    """What ``load_finetune`` starts from, before the pretrained network fills in what it knows."""
    given = {"finetune.pretrained": pretrained, **{f"finetune.{key}": value for key, value in settings.items()}}
    if data is not None:
        given |= {"dataset.name": "image_folder", "dataset.path": str(data)}
    elif path is None and not any(text.startswith(("dataset.path=", "dataset.root=")) for text in overrides):
        raise ConfigError("no pictures given; name their folder with --data, or a config")
    document = load_document(
        path or RECIPE, [*(f"{key}={yaml_text(value)}" for key, value in given.items()), *overrides]
    )
    if not any(text.startswith("model") for text in overrides):
        document.data.pop("model", None)
    section, dataset = document.data["finetune"], document.data.get("dataset")
    head_only = isinstance(section, dict) and section.get("strategy") == "head"
    augmented = any(text.startswith("dataset.augment") for text in overrides)
    if path is None and head_only and not augmented and isinstance(dataset, dict):
        dataset["augment"] = []
    return document


def load_folder(folder: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """The packaged recipe for a folder of pictures."""
    return load_config(RECIPE, [f"dataset.path={yaml_text(str(folder))}", *overrides])


def restore_config(
    checkpoint: "Checkpoint", overrides: Sequence[str] = (), plugins: Sequence[Path] = ()
) -> LoadedConfig:
    """A checkpoint's config with overrides, and the plug-ins that the user names: its own are never run.

    Raises ``CheckpointError`` where the config alone cannot be used, ``ConfigError`` for overrides that are wrong.
    """
    own = checkpoint.config.model_dump(mode="json")
    if own["finetune"] is not None:
        own["finetune"]["completed"] = True
    own["logging"]["loggers"] = []  # of the run itself: nothing else needs their plug-ins
    document = Document({**own, "plugins": [str(path) for path in plugins]})
    make_known(document, to_build=True)
    try:
        resolve(document)
    except ConfigError as error:
        lacking = own["plugins"] if not plugins else []
        hint = f"; it was trained with the plug-in {', '.join(lacking)}: name it with --plugin" if lacking else ""
        raise CheckpointError(f"{checkpoint.path}: its config cannot be used ({error}){hint}") from error
    apply_overrides(document, overrides)
    return _resolved(document)


def _resolved(document: Document, to_build: bool = True, runs_dir: Path = RUNS) -> LoadedConfig:
    settle_run(document, "train", "start_from", runs_dir)
    finetune = document.data.get("finetune")
    make_known(document, to_build=to_build or bool(finetune))
    if finetune:
        from cnncli.training.finetune import complete  # imports torch

        complete(document, runs_dir)
    return resolve(document)
