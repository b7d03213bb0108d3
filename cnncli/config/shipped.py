"""The configs that come with cnncli, found by name: ``digits``, ``regression/linear``."""

import os
import re
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cnncli.config.yaml_source import read_yaml_file
from cnncli.core.errors import ConfigError, Fault
from cnncli.core.notices import notice

SUFFIXES = (".yaml", ".yml")
SIGNATURES_FILE = Path(__file__).with_name("signatures.json")  # what every component takes, and sizes of networks
SCHEMA_LINE = "# yaml-language-server:"
_TIME = r"[\d.]+ (s|min|h) on [^.;]+"  # of training and validation


@dataclass(frozen=True)
class Shipped:
    """A config that comes with cnncli, as its header tells it: ``data`` that it reads, ``time`` that it takes."""

    name: str
    headline: str
    data: str
    time: str
    command: str


def folder(name: str = "configs") -> Path:
    """Where the configs (or ``docs``) lie: inside the installed package, or beside it in a clone."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def shipped_configs() -> dict[str, Path]:
    """Every shipped config by its name."""
    root = folder()
    found = {path.relative_to(root).with_suffix("").as_posix(): path for path in root.rglob("*.yaml")}
    return dict(sorted(found.items(), key=lambda item: ("/" in item[0], item[0])))


def find_config(path: Path) -> Path:
    """The file that ``path`` means: a file, one of that name that ends in .yaml, or the shipped config of that name.

    Raises ``ConfigError`` with the nearest name where there is none.
    """
    own = own_config(path)
    if own is not None:
        if own == path or not os.path.isdir(path):
            tell_shadowed(path, f"'{own}'")
        return own
    shipped = shipped_configs().get(path.as_posix())
    if shipped is not None:
        if os.path.isdir(path):
            notice(
                "shipped_config", f"'{path}' is a folder here; the config of that name that comes with cnncli is read"
            )
        return shipped
    if os.path.lexists(path):
        return path
    near = nearest(path)
    if near is None and path.suffix in SUFFIXES:
        return path  # whoever reads it tells what is wrong
    advice = "see: cnncli list configs" if near is None else f"did you mean '{near}'?"
    raise ConfigError(Fault(str(path), "", f"no such file, and no config of that name comes with cnncli; {advice}"))


def own_config(path: Path) -> Path | None:
    """The user's file that ``path`` means, with or without its ending."""
    candidates = [path, *(path.with_name(f"{path.name}{suffix}") for suffix in SUFFIXES if path.name)]
    return next((candidate for candidate in candidates if os.path.isfile(candidate)), None)


def tell_shadowed(path: Path, what: str) -> None:
    """Say that ``what`` is used, where a shipped config has the name ``path`` as well."""
    if path.as_posix() in shipped_configs():
        notice("shipped_config", f"{what} in this folder is used, not the config '{path}' that comes with cnncli")


def nearest(path: Path) -> str | None:
    """The shipped config that ``path`` may mean: by its name, its last part, or its place in a clone."""
    names = list(shipped_configs())
    word = path.with_suffix("").as_posix() if path.suffix in SUFFIXES else path.as_posix()
    word = word.removeprefix("configs/").lower()
    if word in names:
        return word
    last = {name.rpartition("/")[2]: name for name in reversed(names)}
    matches = get_close_matches(word, names, 1, 0.7) or get_close_matches(word, list(last), 1, 0.7)
    return last.get(matches[0], matches[0]) if matches else None


def describe_configs(search: str = "") -> list[dict[str, Any]]:
    """What ``list configs`` shows of each, or of those that have ``search`` in their name, headline or data.

    Raises ``ConfigError`` where there is none.
    """
    every = [about(name, path) for name, path in shipped_configs().items()]
    found = [each for each in every if search.lower() in f"{each.name} {each.headline} {each.data}".lower()]
    if not found:
        raise ConfigError(f"no config that comes with cnncli has '{search}' in it; all of them: cnncli list configs")
    return [asdict(each) for each in found]


def about(name: str, path: Path) -> Shipped:
    """A config's own words for itself, from its first comment lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = []
    for line in lines:
        if not line.startswith("#"):
            break
        if not line.startswith(SCHEMA_LINE):
            header.append(line.removeprefix("#").strip())
    command, _, result = header[0].partition("    ")
    times = [found[0] for line in (result, *header[1:]) if (found := re.search(_TIME, line))]
    sentence = re.match(r".*?(?<!vs)\.(?= |$)|.*", " ".join(header[1:]))
    headline = sentence[0] if sentence else ""
    return Shipped(name, headline, _data(path, command), "".join(times[:1]), command)


def _data(path: Path, command: str) -> str:
    """The data set, and the setting that says where its files are where the command needs one."""
    data = read_yaml_file(path).data.get("dataset", {})
    name = data if isinstance(data, str) else data.get("name", "")
    place = re.search(r"dataset\.\w+(?==)", command)
    return f"{name} ({place[0]})" if place else str(name)


def copy_of(name: str) -> str:
    """The text of a shipped config, to be a file of the user's own: without what is only true in its folder."""
    lines = shipped_configs()[name].read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(SCHEMA_LINE)]
    kept[0] = re.sub(r"^# cnncli (\w+)(.*?) " + re.escape(name) + r"(?= |$)", r"# cnncli \1\2 THIS_FILE", kept[0])
    return "".join(kept)
