"""Fills every registry, then turns files and overrides into one checked config."""

import importlib
import json
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnncli.core.checking import resolve
from cnncli.core.config import Config
from cnncli.core.errors import ConfigError, Fault, did_you_mean
from cnncli.core.layers import apply_overrides, load_document
from cnncli.core.plugins import load_plugin
from cnncli.core.recall import forget, recall, remember
from cnncli.core.registry import REGISTRIES, Entry
from cnncli.core.schema import build_schema
from cnncli.core.yaml_source import Document, parse_path

RECIPE = Path(__file__).parent.parent / "recipes" / "finetune.yaml"
ROOMS = ("cnncli.data", "cnncli.models", "cnncli.tasks", "cnncli.optim")


@dataclass(frozen=True)
class LoadedConfig:
    """A resolved config, the document it came from, and what was left out on the way."""

    config: Config
    document: Document
    notices: list[str] = field(default_factory=list)

    def located(self, error: ConfigError) -> ConfigError:
        """``error`` with file and line added to every fault that names only a key."""
        faults = []
        for fault in error.faults:
            path = parse_path(fault.key)
            known = not fault.where and fault.key and path[0] in self.document.data
            faults.append(self.document.fault(path, fault.cause) if known else fault)
        return ConfigError(faults)


def fill_registries() -> None:
    """Import every room that registers components."""
    forget()
    for room in ROOMS:
        importlib.import_module(room)


def know_signatures() -> None:
    """Fill the registries as far as checking and listing need it: from memory, without torch, where there is one."""
    if sys.modules.keys() & set(ROOMS):
        fill_registries()
    elif not recall():
        fill_registries()
        remember()


def describe_components(kind: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every component of one kind, or of all: name, description and arguments with their defaults."""
    know_signatures()
    if kind is not None and kind not in REGISTRIES:
        raise ConfigError(f"there is no list of '{kind}'; {did_you_mean(kind, list(REGISTRIES))}")
    return {
        name: [
            {"name": entry.name, "description": entry.description, "arguments": _defaults(entry)}
            for entry in map(registry.get, registry)
        ]
        for name, registry in REGISTRIES.items()
        if kind in (None, name)
    }


def _defaults(entry: Entry) -> dict[str, Any]:
    return {
        name: "(needed)" if field.is_required() else field.default
        for name, field in entry.arguments.model_fields.items()
    }


def config_schema() -> dict[str, Any]:
    """The JSON Schema of a config: each component's arguments depend on its name."""
    know_signatures()
    return build_schema()


def load_config(path: Path, overrides: Sequence[str] = (), *, to_build: bool = True) -> LoadedConfig:
    """Read, override, check and complete a config; raises ``ConfigError`` with every fault in it.

    Unless anything is ``to_build`` from it, torch is imported only for plug-ins and pretrained networks.
    """
    return _resolved(load_document(path, overrides), to_build)


def load_finetune(
    pretrained: str, path: Path | None, data: Path | None, settings: dict[str, str], overrides: Sequence[str]
) -> LoadedConfig:
    """The config at ``path``, or the packaged recipe, with another start: ``pretrained``, and its network.

    ``data`` is a folder of pictures, ``settings`` are keys of the finetune section. Raises ``ConfigError``.
    """
    given = {"finetune.pretrained": pretrained, **{f"finetune.{key}": value for key, value in settings.items()}}
    if data is not None:
        given |= {"dataset.name": "image_folder", "dataset.root": str(data)}
    elif path is None and not any(text.startswith("dataset.root=") for text in overrides):
        raise ConfigError("no pictures given; name their folder with --data, or a config")
    document = load_document(
        path or RECIPE, [*(f"{key}={json.dumps(value)}" for key, value in given.items()), *overrides]
    )
    if not any(text.startswith("model") for text in overrides):
        document.data.pop("model", None)
    head_only = document.data["finetune"].get("strategy") == "head"
    if path is None and head_only and not any(text.startswith("dataset.augment") for text in overrides):
        document.data["dataset"]["augment"] = []
    return _resolved(document)


def load_folder(folder: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """The packaged recipe for a folder of pictures."""
    return load_config(RECIPE, [f"dataset.root={json.dumps(str(folder))}", *overrides])


def restore_config(values: dict[str, Any], overrides: Sequence[str] = (), plugins: Sequence[Path] = ()) -> LoadedConfig:
    """A config as a checkpoint stores it, with overrides, and the plug-ins that the user names."""
    document = Document({**deepcopy(values), "plugins": [str(path) for path in plugins]})  # overrides write into it
    apply_overrides(document, overrides)
    return _resolved(document)


def _resolved(document: Document, to_build: bool = True) -> LoadedConfig:
    plugins, finetune = document.data.get("plugins"), document.data.get("finetune")
    if to_build or plugins or finetune:
        fill_registries()
    else:
        know_signatures()
    for number, plugin in enumerate(plugins if isinstance(plugins, list) else []):
        if isinstance(plugin, str):
            try:
                load_plugin(Path(plugin))
            except ConfigError as error:
                origin = document.origin(("plugins", number))
                raise ConfigError(Fault(str(origin), "plugins", str(error))) from error
    if finetune:
        from cnncli.training.finetune import complete  # imports torch

        complete(document)
    config, notices = resolve(document)
    return LoadedConfig(config, document, notices)
