"""The keys that a config can have, by their dotted paths, and which of them is meant by one that it cannot have."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from cnncli.config.sections import COMPONENT_SECTIONS, Config
from cnncli.config.yaml_source import Document
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.key_paths import KeyPath
from cnncli.core.registry import REGISTRIES

PLACES = ("file", "files", "root", "path", "paths", "folder", "dir", "directory", "data", "data_dir", "filename", "csv",
          "place", "location", "images", "pictures")  # fmt: skip
"""What people call the key that says where data lie."""
_FOLDERS = ("folder", "dir", "directory", "images", "pictures", "root")
_OTHER_WORDS = {
    "learning_rate": "lr",
    "lr_rate": "lr",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "bs": "batch_size",
    "batch": "batch_size",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "num_workers": "workers",
    "validation_split": "val_fraction",
    "val_split": "val_fraction",
    "augmentation": "augment",
    "lr_scheduler": "scheduler",
    "criterion": "loss",
}
"""Keys of other programs and what they are called here."""


def known_keys(data: Mapping[str, Any]) -> list[str]:
    """The dotted path of every key of a config whose components are those that ``data`` names, or the default ones."""
    keys = list(_fields("", Config))
    for section in COMPONENT_SECTIONS:
        keys += [f"{section}.{name}" for name in _arguments(data, section)]
    return keys


def meant_keys(word: str, keys: Iterable[str]) -> list[str]:
    """Which of ``keys`` a ``word`` can mean that was written as the whole key: those that end in it, else the nearest.

    A key that other programs call so counts as well.
    """
    known = list(keys)
    ends: dict[str, list[str]] = {}
    for key in known:
        ends.setdefault(key.rpartition(".")[2], []).append(key)
    exact = ends.get(word) or ends.get("path" if word in PLACES else _OTHER_WORDS.get(word, word))
    if exact:
        return exact
    near = get_close_matches(word.lower(), list(ends), n=1, cutoff=0.8)
    return ends[near[0]] if near else []


def advice_for_key(path: KeyPath, known: Sequence[str], document: Document, places: Sequence[str] = ()) -> str:
    """What to write for an unknown key: the nearest of those ``known`` beside it, or a key that ends like it.

    ``places`` are the keys of a data set that say where it lies.
    """
    word = str(path[-1])
    if places and word in PLACES:
        return f"did you mean '{places[-1] if word in _FOLDERS else places[0]}'?"
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    elsewhere = [] if len(path) > 2 else meant_keys(word, known_keys(document.data))
    if near and not any(key.rpartition(".")[2] == word for key in elsewhere):
        elsewhere = []
    meant = list(dict.fromkeys([*elsewhere, *near]))
    if not meant:
        return did_you_mean(word, known)
    there = document.origins.get((*path[:-1], near[0])) if near and not elsewhere else None
    return f"did you mean {' or '.join(map(repr, meant[:3]))}?" + (f" ({there})" if there is not None else "")


def _fields(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for nested in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(nested, type) and issubclass(nested, BaseModel):
                yield from _fields(f"{prefix}{name}.", nested)


def _arguments(data: Mapping[str, Any], section: str) -> Iterable[str]:
    """The arguments of the component that a section names, or that it is without a name; none of an unknown one."""
    value = data.get(section)
    name = value.get("name") if isinstance(value, dict) else value
    if name is None:
        name = getattr(Config.model_fields[section].default, "name", None)
    registry = REGISTRIES[COMPONENT_SECTIONS[section]]
    try:
        return registry.get(name).arguments.model_fields if isinstance(name, str) and name in registry else ()
    except ConfigError:  # a plug-in whose signature cannot be read
        return ()
