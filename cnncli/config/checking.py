"""A document checked against the schema and the registries: every fault at once, then one resolved config."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from cnncli.config.faults import MAX_FAULTS, validation_faults
from cnncli.config.sections import COMPONENT_LISTS, COMPONENT_SECTIONS, Config, section_fields
from cnncli.config.yaml_source import Document
from cnncli.core.errors import ConfigError, Fault
from cnncli.core.key_paths import KeyPath, dotted, parse_path
from cnncli.core.registry import REGISTRIES, Entry, Registry
from cnncli.core.renamed import keys_of_arguments


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


def resolve(document: Document) -> LoadedConfig:
    """The config that ``document`` describes, every default of every component filled in, and notices.

    Raises ``ConfigError`` with all faults of the schema and of the components' arguments.
    """
    data, notices = _plain_data(document), list[str]()
    faults = _schema_faults(document, data) + _component_faults(document, data, notices)
    # what a plug-in suggests may be wrong, too
    raise_faults(document, faults or _schema_faults(Document(data, document.origins), data))
    config = Config.model_validate_json(json.dumps(data))
    return LoadedConfig(config, document, notices + _contradictions(config))


def schema_faults(document: Document) -> list[Fault]:
    """What is wrong with the keys and values of the sections, whatever components are registered."""
    return _schema_faults(document, _plain_data(document))


def component_faults(document: Document) -> list[Fault]:
    """What is wrong with the names and arguments of components, as far as they are registered."""
    return _component_faults(document, _plain_data(document), [])


def raise_faults(document: Document, faults: list[Fault]) -> None:
    """Raise ``ConfigError`` with ``faults`` in the order of the lines; nothing where there are none."""
    if faults:
        found = sorted(dict.fromkeys(faults), key=lambda fault: _position(document, fault))
        more = [Fault("", "", "there are more; fix these first")] if len(found) > MAX_FAULTS else []
        raise ConfigError(found[:MAX_FAULTS] + more)


def _plain_data(document: Document) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(document.data, default=str))
    return data


def _component_faults(document: Document, data: dict[str, Any], notices: list[str]) -> list[Fault]:
    """The faults of all components; the arguments of the good ones are completed in ``data``."""
    faults: list[Fault] = []
    _fill_suggested(data)
    for section, path, kind in _components(data):
        faults += _resolve_component(document, section, path, REGISTRIES[kind], notices)
        if len(faults) > MAX_FAULTS:
            break
    return faults


def _contradictions(config: Config) -> list[str]:
    """What is allowed but hardly meant."""
    if config.dataset.sampler == "balanced" and config.loss.class_weights == "balanced":
        both = "loss.class_weights: 'balanced' beside dataset.sampler: 'balanced' makes up for rare classes twice"
        return [f"{both}; leave one of them out"]
    return []


def _fill_suggested(data: dict[str, Any]) -> None:
    """Names that the YAML leaves out: the task follows from the data set, loss and monitor from the task."""
    for giver in ("dataset", "task"):
        value = data.get(giver, {}) if giver == "dataset" else data.setdefault(giver, {})
        name = value.get("name", _default_name(giver)) if isinstance(value, dict) else None
        registry = REGISTRIES[COMPONENT_SECTIONS[giver]]
        if not isinstance(name, str) or name not in registry:
            continue
        for taker, suggested in registry.get(name).suggests.items():
            section, _, key = taker.partition(".")
            of_section = data.setdefault(section, {})
            if isinstance(of_section, dict):
                of_section.setdefault(key or "name", suggested)


def _position(document: Document, fault: Fault) -> tuple[bool, int]:
    origin = document.origin(parse_path(fault.key))
    return origin.line is None, origin.line or 0


def _components(data: dict[str, Any]) -> Iterable[tuple[dict[str, Any], KeyPath, str]]:
    """Every component of the config that has a name: the value, its path, and the registry's kind."""
    for section, kind in COMPONENT_SECTIONS.items():
        if section not in data and Config.model_fields[section].is_required():
            continue
        value = data.setdefault(section, {})
        if not isinstance(value, dict):
            continue
        if "name" not in value and (default := _default_name(section)) is not None:
            value["name"] = default
        if isinstance(value.get("name"), str):
            yield value, (section,), kind
    for section, key, kind in COMPONENT_LISTS:
        holder = data.get(section)
        items = holder.get(key) if isinstance(holder, dict) else None
        for i, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                yield item, (section, key, i), kind


def _default_name(section: str) -> str | None:
    default = Config.model_fields[section].default
    return getattr(default, "name", None)


def _schema_faults(document: Document, data: dict[str, Any]) -> list[Fault]:
    try:
        Config.model_validate_json(json.dumps(data))
    except ValidationError as error:
        return validation_faults(document, (), error, Config)
    return []


def _resolve_component(
    document: Document, value: dict[str, Any], path: KeyPath, registry: Registry, notices: list[str]
) -> list[Fault]:
    """Check the arguments of one component and put the complete ones in their place."""
    own = section_fields(str(path[0])) if len(path) == 1 else {"name"}
    try:
        entry = registry.get(value["name"])
        known = entry.arguments
    except ConfigError as error:
        return [document.fault((*path, "name"), str(error))]
    _drop_inherited(document, value, path, registry, own, notices)
    given, twice = _use_names_of_today(document, value, path, entry, own)
    args = {k: v for k, v in value.items() if k not in own}
    try:
        checked = entry.check(args)
    except ValidationError as error:
        return twice + validation_faults(document, path, error, known, own - {"name"}, given, entry.places)
    if twice:
        return twice
    try:
        value.update(json.loads(json.dumps(checked, default=_plain)))
    except (TypeError, ValueError) as error:
        return [document.fault((*path, "name"), f"{entry.name}: a default has no form in YAML ({error}); change it")]
    return []


def _drop_inherited(
    document: Document,
    value: dict[str, Any],
    path: KeyPath,
    registry: Registry,
    own: set[str],
    notices: list[str],
) -> None:
    """Take out arguments of a component that a later layer has replaced: `model.name=mlp` over simple_cnn's.

    What the new component takes too (`optimizer.lr`, say) stays.
    """
    entry = registry.get(value["name"])
    before = document.replaced.get((*path, "name"))
    if before is None or before == entry.name or before not in registry:
        return
    name_layer = document.origin((*path, "name")).layer
    args = {k: v for k, v in value.items() if k not in own}
    wrong_before = _wrong_keys(registry.get(before), args)
    for key in _wrong_keys(entry, args):
        # what was wrong for the old component as well is a fault, not a leftover
        if key in args and key not in wrong_before and document.origin((*path, key)).layer < name_layer:
            del value[key]
            notices.append(_left_out(dotted((*path, key)), args[key], entry, key))


def _left_out(where: str, value: Any, entry: Entry, key: str) -> str:
    """Why the ``value`` of a component before is left out: ``entry`` has no such ``key``, or one of another form."""
    field = entry.arguments.model_fields.get(key)
    if field is None:
        return f"{where}: {value!r} is not for {entry.name}; left out"
    example = "" if field.is_required() or field.default is None else f", for example {_plain_default(field.default)}"
    return f"{where}: {value!r} is left out, {entry.name} takes another form{example}"


def _plain_default(value: Any) -> str:
    """A default as it is written in YAML."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _use_names_of_today(
    document: Document, value: dict[str, Any], path: KeyPath, entry: Entry, own: set[str]
) -> tuple[dict[str, str], list[Fault]]:
    """Put arguments that had other names once under today's; of two names for one, that of the later layer counts.

    Gives the argument → the key that it was written as, and a fault for each that one layer gives twice.
    """
    given, faults = dict[str, str](), list[Fault]()
    args = {key: value.pop(key) for key in list(value) if key not in own} if entry.renamed else {}
    for name, keys in keys_of_arguments(args, entry.renamed).items():
        layers = {key: document.origin((*path, key)).layer for key in keys}
        latest = [key for key in keys if layers[key] == max(layers.values())]
        if len(latest) > 1:
            both = " and as ".join(dotted((*path, key)) for key in latest)
            faults.append(document.fault((*path, latest[-1]), f"is the same as another key ({both}); keep {name}"))
        given[name] = latest[0]
        value[name] = args[latest[0]]
    return given, faults


def _wrong_keys(entry: Entry, args: dict[str, Any]) -> list[str]:
    try:
        entry.check(args)
    except ValidationError as error:
        return list(dict.fromkeys(str(details["loc"][0]) for details in error.errors()))
    return []


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else str(value)
