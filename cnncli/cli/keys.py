"""The keys that a config has, and what each can be set to, as far as the JSON Schema that comes with cnncli tells."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnncli.config.shipped import SIGNATURES_FILE, folder, own_config, shipped_configs
from cnncli.config.yaml_source import read_yaml_file
from cnncli.core.errors import ConfigError

Rows = list[tuple[str, str]]
_SECTIONS = {"dataset": "datasets", "model": "models", "task": "tasks", "loss": "losses", "optimizer": "optimizers",
             "scheduler": "schedulers"}  # fmt: skip
_DEFAULTS = {"task": "classification", "loss": "cross_entropy", "optimizer": "adam", "scheduler": "constant"}
_TORCHVISION = "torchvision's"


class Keys:
    """Reads the schema once."""

    def __init__(self) -> None:
        self._schema: dict[str, Any] = json.loads((folder() / "schema.json").read_bytes())
        self._definitions: dict[str, Any] = self._schema["$defs"]

    def kinds(self) -> list[str]:
        """The kinds of components, as ``list`` calls them."""
        return list(_signatures())

    def names(self, kind: str) -> list[str]:
        """The components of a kind."""
        return [entry["name"] for entry in _signatures().get(kind, ())]

    def published(self) -> list[str]:
        """The networks of which torchvision publishes weights."""
        found = self._variants("models").items()
        return [name for name, value in found if value["description"].startswith(_TORCHVISION)]

    def overrides(self, typed: str, given: Sequence[str]) -> Rows:
        """What the beginning of a ``key=value`` can become, for the components that the words before it choose."""
        key, equals, _ = typed.partition("=")
        *path, _ = key.split(".")
        properties = self._properties(path, given)
        if not equals:
            head = "".join(f"{part}." for part in path)
            return [(f"{head}{name}{self._ending(value)}", _text(value)) for name, value in properties.items()]
        value = properties.get(key.rpartition(".")[2])
        if not path and key in _SECTIONS:
            choices: list[str] = self.names(_SECTIONS[key])
        elif len(path) == 1 and path[0] in _SECTIONS and key.endswith(".name"):
            choices = self.names(_SECTIONS[path[0]])
        else:
            choices = list(dict.fromkeys(self._choices(value))) if value is not None else []
        return [(f"{key}={choice}", "") for choice in choices]

    @staticmethod
    def _is_kind(value: dict[str, Any]) -> bool:
        return "anyOf" in value and "enum" in value["anyOf"][0]

    def _variants(self, kind: str) -> dict[str, dict[str, Any]]:
        if kind not in self._definitions or not self._is_kind(self._definitions[kind]):
            return {}
        return {each["title"]: each for each in self._definitions[kind]["anyOf"] if "title" in each}

    def _resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        """The section that a value is, where it is one."""
        for each in (value, *value.get("anyOf", ())):
            name = each.get("$ref", "").rpartition("/")[2]
            if name in self._definitions:
                found: dict[str, Any] = self._definitions[name]
                return found
        return value

    def _properties(self, path: Sequence[str], given: Sequence[str]) -> dict[str, Any]:
        properties: dict[str, Any] = self._schema["properties"]
        for depth, part in enumerate(path):
            if depth == 0 and part in _SECTIONS:
                properties = self._of_component(part, given)
                continue
            properties = self._resolved(properties.get(part, {})).get("properties", {})
        return properties

    def _of_component(self, section: str, given: Sequence[str]) -> dict[str, Any]:
        variants = self._variants(_SECTIONS[section])
        name = _chosen(section, given)
        if name in variants:
            found: dict[str, Any] = variants[name]["properties"]
            return found
        return {key: value for each in variants.values() for key, value in each["properties"].items()}

    def _ending(self, value: dict[str, Any]) -> str:
        resolved = self._resolved(value)
        return "." if "properties" in resolved or self._is_kind(resolved) else "="

    def _choices(self, value: dict[str, Any]) -> Iterator[str]:
        """What a key can be set to; its default first, where that is one value."""
        default = value.get("default")
        if isinstance(default, bool) or (default is not None and not isinstance(default, list | dict)):
            yield default if isinstance(default, str) else json.dumps(default)
        for each in (value, *value.get("anyOf", ())):
            yield from map(str, each.get("enum", ()))
            if "const" in each:
                yield str(each["const"])
            if each.get("type") == "boolean":
                yield from ("true", "false")
            if each.get("type") == "null":
                yield "null"


def _signatures() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(SIGNATURES_FILE.read_bytes())["signatures"]
    return found


def _text(value: dict[str, Any]) -> str:
    default = value.get("default")
    known = f"default {json.dumps(default)}" if default is not None and not isinstance(default, dict) else ""
    return value.get("description") or known


def _chosen(section: str, given: Sequence[str]) -> str:
    """The component that the words choose for a section: an override, else the config, else the default."""
    for word in reversed(given):
        key, equals, value = word.partition("=")
        if equals and key in (section, f"{section}.name"):
            return value
    for word in given:
        if "=" not in word:
            found = _in_config(word, section)
            return found or _DEFAULTS.get(section, "")
    return _DEFAULTS.get(section, "")


def _in_config(word: str, section: str) -> str:
    path = own_config(Path(word)) or shipped_configs().get(word)
    if path is not None:
        with suppress(ConfigError):  # of a file that is not finished yet
            value = read_yaml_file(path).data.get(section)
            name = value.get("name") if isinstance(value, dict) else value
            return name if isinstance(name, str) else ""
    return ""
