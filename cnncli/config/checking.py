"""A document checked against the schema and the registries: every fault at once, then one resolved config."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cnncli.config.sections import COMPONENT_SECTIONS, Config, section_fields
from cnncli.config.yaml_source import Document
from cnncli.core.errors import ConfigError, Fault, did_you_mean
from cnncli.core.key_paths import KeyPath, dotted, parse_path
from cnncli.core.registry import REGISTRIES, Entry, Registry

MAX_FAULTS = 50  # more are not read, and each takes its time
_ADVICE = {
    "float_type": "give a number, for example 0.001",
    "int_type": "give a whole number, for example 10",
    "bool_type": "write true or false",
    "string_type": "give a word, in quotes if need be",
    "list_type": "give a list, for example [a, b]",
    "dict_type": "give a mapping, for example {key: value}",
    "model_type": "give a mapping, for example {key: value}",
}
_PATTERNS = {
    "device": "is no device; write auto, cpu, cuda, cuda:1 or mps",
}


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
    data: dict[str, Any] = json.loads(json.dumps(document.data, default=str))
    faults = _schema_faults(document, data)
    notices: list[str] = []
    _fill_suggested(data)
    for section, path, kind in _components(data):
        faults += _resolve_component(document, section, path, REGISTRIES[kind], notices)
        if len(faults) > MAX_FAULTS:
            break
    # what a plug-in suggests may be wrong, too
    faults = faults or _schema_faults(Document(data, document.origins), data)
    if faults:
        found = sorted(dict.fromkeys(faults), key=lambda fault: _position(document, fault))
        more = [Fault("", "", "there are more; fix these first")] if len(found) > MAX_FAULTS else []
        raise ConfigError(found[:MAX_FAULTS] + more)
    config = Config.model_validate_json(json.dumps(data))
    return LoadedConfig(config, document, notices + _contradictions(config))


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
        augment = value.get("augment") if section == "dataset" else None
        for i, item in enumerate(augment if isinstance(augment, list) else []):
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                yield item, (section, "augment", i), "transforms"


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
    args = {k: v for k, v in value.items() if k not in own}
    try:
        checked = entry.check(args)
    except ValidationError as error:
        return validation_faults(document, path, error, known, own - {"name"})
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
            notices.append(f"{dotted((*path, key))}: {args[key]!r} is not for {entry.name}; left out")


def _wrong_keys(entry: Entry, args: dict[str, Any]) -> list[str]:
    try:
        entry.check(args)
    except ValidationError as error:
        return list(dict.fromkeys(str(details["loc"][0]) for details in error.errors()))
    return []


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else str(value)


def validation_faults(
    document: Document,
    prefix: KeyPath,
    error: ValidationError,
    model: type[BaseModel],
    also: Iterable[str] = (),
) -> list[Fault]:
    """pydantic's errors in cnncli's words, one fault for each key, alternatives of a union joined by 'or'."""
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        path = _existing(document, prefix, details)
        grouped.setdefault(path, []).append(details)
    # where one member of a union got further into the value, that is the one that was meant
    outer = {path[:length] for path in grouped for length in range(len(path))}
    return [
        document.fault(path, _cause(path, group, model, also, document))
        for path, group in islice(grouped.items(), MAX_FAULTS + 1)
        if path not in outer
    ]


def _existing(document: Document, prefix: KeyPath, details: ErrorDetails) -> KeyPath:
    """The path of the faulty value in the document: pydantic's names of union members are taken out."""
    loc = details["loc"]
    value: Any = document.data
    for key in prefix:
        value = value[int(key)] if isinstance(value, list) else value.get(key, {})
    path = list(prefix)
    for key in loc:
        inside = (isinstance(value, dict) and key in value) or (
            isinstance(value, list) and isinstance(key, int) and key < len(value)
        )
        if inside:
            path.append(key)
            value = value[key]
    if details["type"] == "missing":
        path.append(loc[-1])
    return tuple(path)


def _cause(
    path: KeyPath,
    group: Sequence[ErrorDetails],
    model: type[BaseModel],
    also: Iterable[str],
    document: Document,
) -> str:
    first = group[0]
    if all(details["type"] == "extra_forbidden" for details in group):
        known = _fields_at(model, path) if model is Config else [*model.model_fields, *sorted(also)]
        advice = did_you_mean(str(path[-1]), known)
        near = document.origins.get((*path[:-1], advice.split("'")[1])) if "'" in advice else None
        return f"unknown key; {advice}" + (f" ({near})" if near is not None else "")
    if first["type"] == "missing":
        return "is missing; add it"
    if first["type"] == "string_pattern_mismatch":
        return f"{first['input']!r} {_PATTERNS.get(str(path[-1]), 'has a form that is not allowed')}"
    if first["input"] is None and len(group) == 1:
        return f"is empty; {_ADVICE.get(first['type'], 'give it a value or leave it out')}"
    if first["type"] in ("component", "own_words"):
        return first["msg"]
    # strip pydantic's "Input": "Input should be a valid number" reads on after the value
    expected = " or ".join(
        dict.fromkeys(d["msg"].removeprefix("Input ").removeprefix("should be ").rstrip(".") for d in group)
    )
    shown = repr(first["input"]) if len(repr(first["input"])) <= 60 else "this value"
    advice = _ADVICE.get(first["type"], "")
    return f"{shown} should be {expected}" + (f"; {advice}" if advice else "")


def _fields_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that the section holding ``path`` knows."""
    fields: Mapping[str, Any] = model.model_fields
    for key in path[:-1]:
        annotation = fields[str(key)].annotation if str(key) in fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        nested = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if nested is None:
            return []
        fields = nested.model_fields
    return list(fields)
