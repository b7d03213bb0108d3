"""One mutation of a config for each number: a nasty value, a lost key, an override, damage to the file."""

import functools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, get_args

from pydantic import BaseModel

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import COMPONENT_SECTIONS, Config
from cnncli.config.yaml_source import read_yaml_file
from cnncli.core.registry import REGISTRIES
from tests.config.nasty import FILE_DAMAGE, KEYS, VALUES
from tests.conftest import ROOT

OWN = {
    "csv": {"dataset": {"name": "csv", "file": "rows.csv", "target": "kind", "batch_size": 8}, "model": "mlp"},
    "numbers": {"dataset": {"name": "csv", "file": "rows.csv", "target": [1], "ignore": ["kind"]}, "model": "linear"},
    "folder": {"dataset": {"name": "image_folder", "root": "photos", "image_size": 8}, "model": "simple_cnn"},
    "image_csv": {
        "dataset": {"name": "image_csv", "file": "photos.csv", "image_size": [8, 9], "cache": False},
        "model": {"name": "layers", "layers": [{"name": "conv", "channels": 3}, "relu", "global_pool", "linear"]},
        "train": {"epochs": 2, "ema_decay": 0.9, "early_stopping": {"patience": 1}},
    },
    "series": {"dataset": {"name": "series_csv", "file": "series.csv", "window": 6, "horizon": 2}, "model": "lstm"},
    "text": {
        "dataset": {"name": "text", "path": "words.txt", "block": 8},
        "model": {"name": "transformer", "width": 8},
    },
}
OFFLINE = ("digits", "classification/iris", "binary/letter-x", "regression/linear", *OWN)
SMALL_SETS = ("digits", "iris", "wine", "letters5x5", "diabetes", "synthetic_linear", "csv", "image_folder", "text")
SMALL_MODELS = ("mlp", "linear", "simple_cnn", "layers", "cnn5x5", "depthwise_cnn", "conv1d", "lstm", "transformer")
WHOLE = (-(10**9), -1, 0, 1, 2, 3, 7, 30, 10**9, 2**31, 2**62)
FRACTIONS = (-1e308, -0.5, 5e-324, 1e-320, 1e-40, 1e-9, 0.1, 0.5, 0.9999999, 1.5, 1e9, 1e38, 1e200)
KEYS_OF_COMPONENTS = {
    "layers": "layers",
    "activation": "activations",
    "function": "activations",
    "augment": "transforms",
}
LEFT_ALONE = ("name", "plugins", "finetune", "compile", "threads")  # slow, or thousands of threads in this process
RUN_SHARE = 0.08  # of the mutations, those that a command runs: they take most of the time


class Pairs(list[tuple[Any, Any]]):
    """A mapping whose keys may be there twice."""


@dataclass(frozen=True)
class Raw:
    """A value as it stands in the YAML file."""

    text: str


@dataclass(frozen=True)
class Case:
    """One mutated config, its overrides, and the command that runs it (none: it is only loaded)."""

    content: bytes
    overrides: tuple[str, ...]
    command: tuple[str, ...]


def case(number: int, share: float = RUN_SHARE) -> Case:
    """The mutation of this number; a ``share`` of all is run by a command."""
    random = Random(number)
    runs = random.random() < share
    names = [name for name in BASES if name in OFFLINE] if runs else list(BASES)
    donors = [BASES[name] for name in names]
    config = _pairs(random.choice(donors))
    overrides: list[str] = []
    damaged = random.random() < (0.02 if runs else 0.1)
    for _ in range(0 if damaged else random.choice((1, 1, 1, 2, 3))):
        if (chance := random.random()) < (0.1 if runs else 0.25):
            overrides.append(_override(random, config, donors))
        elif chance < (0.95 if runs else 0.5):  # what is refused at once needs no command
            _vary(random, config, donors, runs)
        else:
            _mutate(random, config, donors)
    text = _text(config)
    content = random.choice(FILE_DAMAGE)(random, text) if damaged else text.encode()
    command = random.choice((("train", "--dry-run"), ("train", "--dry-run"), ("inspect",), ("config",))) if runs else ()
    if not runs and random.random() < 0.05:
        command = ("finetune",)
    return Case(content, tuple(overrides), command)


def sweep() -> Iterator[Case]:
    """Every value of every config replaced by each of the nasty ones."""
    for base in BASES.values():
        config = _pairs(base)
        for container, position, _ in list(_places(config)):
            kept = container[position]
            for value in map(Raw, VALUES):
                container[position] = (kept[0], value) if isinstance(container, Pairs) else value
                yield Case(_text(config).encode(), (), ())
            container[position] = kept


def _text(config: Pairs) -> str:
    return "".join(f"{emit(key)}: {emit(value)}\n" for key, value in config)


def _pairs(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs((key, _pairs(item)) for key, item in value.items())
    return [_pairs(item) for item in value] if isinstance(value, list) else value


def emit(value: Any) -> str:
    """``value`` as YAML on one line."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{emit(key)}: {emit(item)}" for key, item in value) + "}"
    return "[" + ", ".join(map(emit, value)) + "]" if isinstance(value, list) else json.dumps(value)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, int, tuple[Any, ...]]]:
    """Every value of a config: the container, its position in it, and its path."""
    for position, item in enumerate(value if isinstance(value, list) else ()):
        here = (*path, item[0] if isinstance(value, Pairs) else position)
        yield value, position, here
        yield from _places(item[1] if isinstance(value, Pairs) else item, here)


def _value(random: Random, donors: list[Any]) -> Any:
    """A nasty value, or one that fits in another place of another config."""
    if random.random() < 0.75:
        return Raw(random.choice(VALUES))
    container, position, _ = random.choice(list(_places(_pairs(random.choice(donors)))))
    found = container[position]
    return found[1] if isinstance(container, Pairs) else found


def _mutate(random: Random, config: Pairs, donors: list[Any]) -> None:
    places = list(_places(config))
    if not places:
        return
    container, position, _ = random.choice(places)
    kind = random.choice(("replace",) * 5 + ("remove", "repeat", "rename", "add", "section"))
    if kind == "remove":
        del container[position]
    elif kind == "repeat":
        container.insert(random.randrange(len(container) + 1), container[position])
    elif kind == "section":
        chosen = random.randrange(len(config))
        config[chosen] = (config[chosen][0], _value(random, donors))
    elif not isinstance(container, Pairs):
        container[position] = _value(random, donors)
    elif kind == "rename":
        container[position] = (Raw(random.choice(KEYS)), container[position][1])
    elif kind == "add":
        container.append((Raw(random.choice(KEYS)), _value(random, donors)))
    else:
        container[position] = (container[position][0], _value(random, donors))


def _vary(random: Random, config: Pairs, donors: list[Any], runs: bool) -> None:
    """Set keys that a section knows, or name another component in it, mostly with values of the right type."""
    section = random.choice([name for name in Config.model_fields if not runs or name not in LEFT_ALONE])
    kind, before = COMPONENT_SECTIONS.get(section), dict(config).get(section)
    chosen = before if isinstance(before, Pairs) else Pairs([("name", before)] if isinstance(before, str) else [])
    schemas = _schemas(section)
    if kind is not None:
        name = dict(chosen).get("name")
        if random.random() < 0.5 or not isinstance(name, str) or name not in REGISTRIES[kind]:
            small = {"datasets": SMALL_SETS, "models": SMALL_MODELS}.get(kind) if runs else None
            name = random.choice([name for name in REGISTRIES[kind] if small is None or name in small])
            chosen = component(random, kind, name)
        schemas = {**schemas, **_keys_of(REGISTRIES[kind].get(name).arguments), "name": {"const": name}}
    schemas = {key: schema for key, schema in schemas.items() if key not in LEFT_ALONE}
    new = dict(chosen)
    for key in random.sample(list(schemas), min(len(schemas), random.randrange(1, 4))):
        new[key] = _value(random, donors) if random.random() < 0.1 else fitting(random, schemas[key], key)
    value = Pairs(new.items()) if schemas else fitting(random, Config.model_json_schema()["properties"][section])
    config[:] = [(key, item) for key, item in config if key != section] + [(section, value)]


def component(random: Random, kind: str, name: str) -> Pairs:
    """A component with the arguments that it needs, and some that it does not."""
    model = REGISTRIES[kind].get(name).arguments
    needed = {key for key, field in model.model_fields.items() if field.is_required()}
    chosen = [key for key in model.model_fields if key in needed or random.random() < 0.2]
    return Pairs([("name", name), *((key, fitting(random, _keys_of(model)[key], key)) for key in chosen)])


def _schemas(section: str) -> dict[str, Any]:
    """The keys of a section, if it has some, with the JSON Schema of each."""
    annotation = Config.model_fields[section].annotation
    kinds = [kind for kind in (annotation, *get_args(annotation)) if hasattr(kind, "model_fields")]
    return {key: schema for kind in kinds for key, schema in _keys_of(kind).items()}


@functools.cache
def _keys_of(model: type[BaseModel]) -> dict[str, Any]:
    return dict(model.model_json_schema().get("properties", {}))


def fitting(random: Random, schema: dict[str, Any], key: str = "") -> Any:
    """A value that the schema allows for ``key``, the odder the better."""
    if key in KEYS_OF_COMPONENTS and random.random() < 0.9:
        kind = KEYS_OF_COMPONENTS[key]
        several = random.choice((0, 1, 1, 2, 3)) if schema.get("type") == "array" else 1
        found = [component(random, kind, random.choice(list(REGISTRIES[kind]))) for _ in range(several)]
        return found if schema.get("type") == "array" else found[0]
    if "anyOf" in schema:
        return fitting(random, random.choice(schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return random.choice(schema.get("enum") or [schema["const"]])
    kind = schema.get("type")
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1e308))
        high = schema.get("maximum", schema.get("exclusiveMaximum", 1e308))
        odd = [low, high, *WHOLE, *(FRACTIONS if kind == "number" else ())]
        return random.choice([n for n in odd if low <= n <= high and (kind == "number" or isinstance(n, int))] or [0])
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})] * random.choice((0, 1, 2, 3))
        return [fitting(random, item) for item in items]
    if kind == "boolean":
        return random.random() < 0.5
    return None if kind == "null" else Raw(random.choice(VALUES))


def _override(random: Random, config: Pairs, donors: list[Any]) -> str:
    places = list(_places(_pairs(random.choice(donors)) if random.random() < 0.5 else config))
    path = [str(key.text if isinstance(key, Raw) else key) for key in random.choice(places)[2]] if places else ["seed"]
    if random.random() < 0.2:
        path.append(random.choice(("name", "0", "99", "x")))
    return f"{'.'.join(path)}={emit(_value(random, donors))}"


def _bases() -> dict[str, Any]:
    """The shipped configs and the README's anatomy of one, as plain values."""
    folder = ROOT / "configs"
    found = {str(path.relative_to(folder).with_suffix("")): path for path in sorted(folder.rglob("*.yaml"))}
    bases = {name: read_yaml_file(path).data for name, path in found.items()}
    anatomy = next(text for text in (ROOT / "README.md").read_text().split("```yaml\n") if "my-experiment" in text)
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "anatomy.yaml").write_text(anatomy.split("```")[0])
        bases["anatomy"] = read_yaml_file(Path(temporary) / "anatomy.yaml").data
    for base in bases.values():
        if "extends" in base:
            base["extends"] = "base.yaml"
    return bases | OWN


fill_registries()
BASES = _bases()
