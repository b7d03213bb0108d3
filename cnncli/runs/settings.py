"""The config of a run as a flat dictionary, and which of its keys make one run differ from another."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from cnncli.core.run_ids import is_operational

Settings = dict[str, Any]
"""``{"optimizer.lr": 0.01, …}``: every value of a config by its dotted key; lists are values."""

_NUMBER = re.compile(r"([a-z]+): (0|[1-9][0-9]{0,18})\n")
MAX_VALUES = 10_000  # of a config; YAML that refers to itself can stand for any number
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

SEED = "seed"


class SettingsReader:
    """Reads configs that runs have kept; a section that was in an earlier one is not parsed a second time."""

    def __init__(self) -> None:
        self._known: dict[str, Settings] = {}

    def read(self, text: str) -> Settings:
        """The settings in a config.yaml; raises ``ValueError`` for what is no config."""
        found: Settings = {}
        try:
            for section in _sections(text):
                if number := _NUMBER.fullmatch(section):  # the seed, say: another in every run
                    found[number[1]] = int(number[2])
                    continue
                if section not in self._known:
                    self._known[section] = flat(yaml.load(section, Loader=_Loader))
                found |= self._known[section]
        except (ValueError, yaml.YAMLError, RecursionError):  # sections that do not stand by themselves
            found = _whole(text)
        return found


def _sections(text: str) -> list[str]:
    """The text from each key of the first column to the next."""
    sections: list[str] = []
    for line in text.splitlines(keepends=True):
        if line[0].isalpha() or not sections:
            sections.append(line)
        else:
            sections[-1] += line
    return sections


def _whole(text: str) -> Settings:
    try:
        return flat(yaml.load(text, Loader=_Loader))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def flat(config: Any) -> Settings:
    """A config, as plain values, by dotted keys; raises ``ValueError`` where it is no mapping or too large."""
    if not isinstance(config, Mapping):
        raise ValueError("it is no mapping of keys to values")
    if _is_large(config):
        raise ValueError(f"it has more than {MAX_VALUES:,} values")
    return dict(_flat(config, ""))


def _flat(section: Mapping[Any, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        path = f"{before}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _is_large(config: Any) -> bool:
    """Whether there are too many values in a config, those counted again that YAML refers to."""
    left, count = [config], 0
    while left and count <= MAX_VALUES:
        value = left.pop()
        count += 1
        if isinstance(value, Mapping | list):
            left += value.values() if isinstance(value, Mapping) else value
    return count > MAX_VALUES


def written(value: Any) -> str:
    """A value as it is written after ``key=``; equal values are written the same."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def differing_keys(found: Sequence[Settings]) -> list[str]:
    """The keys in which runs differ, in the order of the configs.

    Arguments of a component count only between runs that have the same one: two networks differ in ``model.name``. The
    operational keys are left out.
    """
    found = [settings for settings in found if settings]  # of a damaged run nothing is known
    keys = dict.fromkeys(key for settings in found for key in settings)
    return [key for key in keys if not is_operational(key) and _differs(key, found)]


def _differs(key: str, found: Sequence[Settings]) -> bool:
    value = found[0].get(key)
    if all(settings.get(key) == value for settings in found):
        return False
    component = f"{key.partition('.')[0]}.name"
    values: dict[str, set[str]] = {}
    for settings in found:
        kind = "" if key == component else written(settings.get(component))
        values.setdefault(kind, set()).add(written(settings.get(key)))
    return any(len(each) > 1 for each in values.values())


def same_but_for_seed(settings: Settings) -> str:
    """What is equal in two runs exactly if they differ in nothing but the seed and operational keys."""
    left = {key: written(value) for key, value in settings.items() if key != SEED and not is_operational(key)}
    return json.dumps(left, sort_keys=True)
