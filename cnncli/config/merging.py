"""One config from several layers: ``extends`` bases, the file itself, then ``key=value`` overrides."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnncli.config.sections import COMPONENT_LISTS, COMPONENT_SECTIONS
from cnncli.config.shipped import find_config, shipped_configs
from cnncli.config.yaml_source import COMMAND_LINE, MAX_DEPTH, Document, Origin, parse_yaml, read_yaml_file
from cnncli.core.errors import ConfigError, Fault
from cnncli.core.files import real_path, user_path
from cnncli.core.key_paths import KeyPath, dotted, parse_path
from cnncli.core.run_names import name_of_file

OVERRIDE_LAYER = 1_000
KEY = r"[A-Za-z_]\w*(\.\w+)*"
MAX_EXTENDS = 16


def load_document(source: Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Document:
    """Read ``source``, put it on top of what it ``extends``, and apply ``key=value`` overrides.

    It is a mapping, or the path of a file; where there is no such file the name of a config that comes with cnncli, as
    in ``extends``. Raises ``ConfigError`` for unreadable files, circular ``extends`` and malformed overrides.
    """
    if isinstance(source, Mapping):
        document = _extended(_plain_document(source), Path(), ())
    else:
        path = find_config(source)
        document = _load_file(path, ())
        document.data.setdefault("name", name_of_file(path.stem))
    apply_overrides(document, overrides)
    return document


def _plain_document(source: Mapping[str, Any]) -> Document:
    """A mapping as a document: values that are no plain ones (NumPy's, paths) as such."""
    data = json.loads(json.dumps(dict(source), default=plain))
    return Document(data, {path: Origin("config", None, MAX_EXTENDS) for path in _paths(data, ())})


def plain(value: Any) -> Any:
    """The plain value of a number of NumPy's, a path or another mapping, for JSON."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.item() if hasattr(value, "item") else str(value)


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield from _paths(inside, (*path, key))


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Set each ``dotted.path=value`` in ``document``; the value is read as YAML."""
    faults = []
    for number, text in enumerate(overrides):
        try:
            _apply_override(document, text, OVERRIDE_LAYER + number)
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)
    _expand_shorthand(document)


def _load_file(path: Path, seen: tuple[Path, ...]) -> Document:
    shown = str(path)
    document = read_yaml_file(path, shown, layer=MAX_EXTENDS - len(seen))
    return _extended(document, path, seen)


def _extended(document: Document, path: Path, seen: tuple[Path, ...]) -> Document:
    """A document, from ``path``, on top of what it extends."""
    _expand_shorthand(document)
    _resolve_plugins(document, path.parent)
    base_name = document.data.pop("extends", None)
    if base_name is None:
        return document
    chain = (*seen, real_path(path))
    if not isinstance(base_name, str):
        raise ConfigError(document.fault(("extends",), "must be the path of one YAML file"))
    base_path = path.parent / user_path(base_name)
    if not os.path.isfile(base_path):  # Path.is_file raises for a name that is too long
        base_path = shipped_configs().get(base_name, base_path)
    if real_path(base_path) in chain or len(chain) >= MAX_EXTENDS:
        raise ConfigError(document.fault(("extends",), f"'{base_name}' leads back to this file; break the circle"))
    if not os.path.isfile(base_path):
        raise ConfigError(document.fault(("extends",), f"no such file '{base_path}'; the path is relative to {path}"))
    base = _load_file(base_path, chain)
    base.data.pop("name", None)
    replaced = set(_merge(base, document, ()))
    base.origins = {p: origin for p, origin in base.origins.items() if not _inside(p, replaced)}
    base.origins |= {p: origin for p, origin in document.origins.items() if _inside(p, replaced)}
    return base


def _expand_shorthand(document: Document) -> None:
    """``model: mlp`` means ``model: {name: mlp}``, also in lists such as ``dataset.augment``."""
    for name in COMPONENT_SECTIONS:
        if isinstance(document.data.get(name), str):
            document.data[name] = {"name": document.data[name]}
            document.origins[(name, "name")] = document.origin((name,))
    for name, key, _ in COMPONENT_LISTS:
        section = document.data.get(name)
        if isinstance(section, dict) and isinstance(section.get(key), list):
            section[key] = [{"name": item} if isinstance(item, str) else item for item in section[key]]


def _resolve_plugins(document: Document, folder: Path) -> None:
    """Plugin paths are relative to the file that names them, wherever the command is run."""
    plugins = document.data.get("plugins")
    if isinstance(plugins, list):
        document.data["plugins"] = [str(real_path(folder / user_path(p))) if isinstance(p, str) else p for p in plugins]


def _merge(base: Document, top: Document, path: KeyPath) -> list[KeyPath]:
    """Put ``top`` over ``base`` in place: mappings are merged key by key, everything else is replaced.

    Gives the paths of what was replaced or is new.
    """
    target, source = _at(base.data, path), _at(top.data, path)
    replaced: list[KeyPath] = []
    for key, value in source.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            replaced += _merge(base, top, here)
            continue
        if key in target:
            base.replaced.setdefault(here, target[key])
        target[key] = value
        replaced.append(here)
    return replaced


def _inside(path: KeyPath, places: set[KeyPath]) -> bool:
    return any(path[:length] in places for length in range(1, len(path) + 1))


def _at(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = data[key]
    return data


def _forget(document: Document, path: KeyPath) -> None:
    for known in [p for p in document.origins if p[: len(path)] == path]:
        del document.origins[known]


def _apply_override(document: Document, text: str, layer: int) -> None:
    key, equals, raw = text.partition("=")
    if not equals or not re.fullmatch(KEY, key, flags=re.ASCII):
        raise ConfigError(
            Fault(
                COMMAND_LINE,
                "",
                f"'{text}' is not an override; write key=value, for example optimizer.lr=0.01",
            )
        )
    # a lone bar would begin a block of text that does not follow
    value: Any = raw if raw in ("|", ">") else parse_yaml(raw, f"{COMMAND_LINE} ({text})")[0]
    path = parse_path(key)
    if len(path) > MAX_DEPTH:
        raise ConfigError(Fault(COMMAND_LINE, "", f"'{text}' goes too deep; a config has a few levels only"))
    if path == ("plugins",) and isinstance(value, list):
        value = [str(real_path(user_path(p))) if isinstance(p, str) else p for p in value]
    if len(path) == 1 and path[0] in COMPONENT_SECTIONS and isinstance(value, str):
        path = (*path, "name")
    replaced = document.origins.get(path)
    _set(document, path, value, text)
    _forget(document, path)
    if replaced is None:
        document.origins[path] = Origin(COMMAND_LINE, None, layer, text)
    else:
        document.origins[path] = Origin(replaced.file, replaced.line, layer, text)


def _set(document: Document, path: KeyPath, value: Any, text: str) -> None:
    container: Any = document.data
    for depth, key in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(container, list):
            if not isinstance(key, int) or key >= len(container):
                cause = f"'{dotted(path[:depth])}' is a list of {len(container)}; name an item by its number from 0"
                raise ConfigError(Fault(COMMAND_LINE, text, cause))
        elif isinstance(container, dict):
            key = str(key)
        else:
            raise ConfigError(Fault(COMMAND_LINE, text, f"'{dotted(path[:depth])}' is a plain value, not a section"))
        if last:
            if isinstance(container, dict) and key in container:
                document.replaced.setdefault(path, container[key])
            container[key] = value
            return
        if isinstance(container, dict) and container.get(key) is None:
            container[key] = {}
        container = container[key]
