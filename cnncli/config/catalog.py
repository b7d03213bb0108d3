"""What a config can name: every registry filled by the rooms that have components, or as far as it is remembered."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from cnncli.config.recall import forget, recall, remember, shipped
from cnncli.config.schema import build_schema
from cnncli.config.yaml_source import Document
from cnncli.core.errors import ConfigError, Fault, did_you_mean
from cnncli.core.plugins import load_plugin
from cnncli.core.registry import REGISTRIES, Entry

# by name, because they stand above this room: what they register is all that is asked of them
ROOMS = ("cnncli.data", "cnncli.models", "cnncli.tasks", "cnncli.optim", "cnncli.runs.csv_log")


def fill_registries() -> None:
    """Import every room that registers components.

    What the session has registered stands aside meanwhile: raises ``ConfigError`` where cnncli has that name.
    """
    forget()
    if all(room in sys.modules for room in ROOMS):
        return
    aside = {kind: registry.take(lambda entry: entry.in_session) for kind, registry in REGISTRIES.items()}
    for room in ROOMS:
        importlib.import_module(room)
    taken = [(REGISTRIES[kind], entry) for kind, entries in aside.items() for entry in entries]
    lost = [f"two {kind.kind} are registered as '{entry.name}'" for kind, entry in taken if not kind.put_back(entry)]
    if lost:
        raise ConfigError(f"{'; '.join(lost)}; give yours another name")


def know_signatures() -> None:
    """Fill the registries as far as checking and listing need it: from memory, without torch, where there is one."""
    if sys.modules.keys() & set(ROOMS):
        fill_registries()
    elif not recall():
        fill_registries()
        remember()


def describe_components(kind: str | None = None, search: str = "") -> dict[str, list[dict[str, Any]]]:
    """Every component of one kind, or of all: name, description, arguments with their defaults, of networks the size.

    With ``search`` only those that have it in their name or description. Networks of cnncli's own come first. Raises
    ``ConfigError`` where there is nothing.
    """
    know_signatures()
    if kind is not None and kind not in REGISTRIES:
        advice = did_you_mean(kind, [*REGISTRIES, "configs"])
        raise ConfigError(f"there is no list of '{kind}'; {advice}")
    found = {name: _described(name, search.lower()) for name in REGISTRIES if kind in (None, name)}
    if kind is not None and not found[kind]:
        advice = did_you_mean(search, list(REGISTRIES[kind]))
        raise ConfigError(f"there is nothing with '{search}' among the {kind}; {advice}")
    return found


def _described(kind: str, search: str) -> list[dict[str, Any]]:
    entries = [entry for entry in map(REGISTRIES[kind].get, REGISTRIES[kind]) if _matches(entry, search)]
    if kind != "models":
        return [_about(entry) for entry in entries]
    sizes = shipped()["sizes"]
    described = [{**_about(entry), **sizes.get(entry.name, {"library": "cnncli"})} for entry in entries]
    return sorted(described, key=lambda model: (model["library"] != "cnncli", _natural(model["name"])))


def _natural(name: str) -> list[tuple[int, str]]:
    """What puts resnet8 before resnet14."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _matches(entry: Entry, search: str) -> bool:
    return search in entry.name.lower() or search in entry.description.lower()


def _about(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, "description": entry.description, "arguments": _defaults(entry)}


def _defaults(entry: Entry) -> dict[str, Any]:
    return {
        name: "(needed)" if field.is_required() else field.default
        for name, field in entry.arguments.model_fields.items()
    }


def config_schema() -> dict[str, Any]:
    """The JSON Schema of a config: each component's arguments depend on its name."""
    know_signatures()
    return build_schema()


def make_known(document: Document, *, to_build: bool) -> None:
    """Fill the registries with all that ``document`` can name, its plug-ins included.

    Unless anything is ``to_build`` from it, signatures are enough, and torch is imported for plug-ins only. Raises
    ``ConfigError`` for a plug-in that fails.
    """
    plugins = document.data.get("plugins")
    if to_build or plugins:
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
