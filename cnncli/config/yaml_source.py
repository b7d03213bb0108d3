"""YAML with line numbers, read by the YAML 1.2 rules that people expect.

``1e-3`` is a number, ``no`` and ``12:30:00`` are strings, ``010`` is ten; a duplicate key, a tag or a second
document is refused. Nothing in a file can run code or take unbounded time.
"""

import codecs
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cnncli.core.errors import ConfigError, Fault
from cnncli.core.key_paths import KeyPath, dotted
from cnncli.core.printable import shell_word

MAX_BYTES = 2**20
MAX_NODES = 100_000  # aliases can multiply a small file without end
MAX_DEPTH = 50
COMMAND_LINE = "command line"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_PLAIN = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")  # between the quotes of YAML


@dataclass(frozen=True)
class Origin:
    """Where a value was written: a line of a file, or an override (``given``) that may ``replace`` one."""

    file: str
    line: int | None
    layer: int = 0
    given: str | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass
class Document:
    """Plain values and, for each key path, where it was written."""

    data: dict[str, Any]
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    replaced: dict[KeyPath, Any] = field(default_factory=dict)
    """Values that a later layer has replaced."""
    by_name: dict[KeyPath, Path] = field(default_factory=dict)
    """Where runs lie that were named: the values are the checkpoints that the names stood for when this was read."""

    def origin(self, path: KeyPath) -> Origin:
        """Where ``path`` was written, or else something inside it, or the nearest thing around it."""
        if path not in self.origins:
            inside = [origin for known, origin in self.origins.items() if path and known[: len(path)] == path]
            if inside:
                return inside[0]
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, Origin("config", None))

    def fault(self, path: KeyPath, cause: str) -> Fault:
        """A fault at ``path``; when an override is to blame, it is named, and the line that it takes the place of."""
        origin = self.origin(path)
        if origin.given is not None:
            line = "" if origin.line is None else f", which replaces {origin}"
            return Fault(COMMAND_LINE, dotted(path), f"{cause} (from {origin.given}{line})")
        return Fault(str(origin), dotted(path), cause)


def yaml_text(text: str) -> str:
    """``text`` in the quotes of YAML, whatever is in it."""
    return _NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, used for parsing only, with the resolvers of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute


_NULL, _BOOL, _INT, _FLOAT, _STR = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))
_MAPPING, _SEQUENCE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
for _tag, _pattern, _first in (
    (_NULL, r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (_INT, r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        _FLOAT,
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def read_yaml_file(path: Path, shown: str | None = None, layer: int = 0) -> Document:
    """Read one YAML file whose top level is a mapping.

    Raises ``ConfigError`` naming the file (as ``shown``) and the line for everything that is not such a file.
    """
    shown = shown or str(path)
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)  # a device has no end
        if len(content) > MAX_BYTES:
            raise ConfigError(Fault(shown, "", f"is larger than {MAX_BYTES // 2**20} MiB; a config is a page of text"))
        text = content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")  # what PowerShell's '>' writes
    except FileNotFoundError:
        raise ConfigError(Fault(shown, "", "no such file; check the path")) from None
    except IsADirectoryError:
        raise ConfigError(Fault(shown, "", _instead_of_folder(path))) from None
    except UnicodeDecodeError as error:
        if content.startswith(b"PK"):
            cause = "is a checkpoint or an archive, not a config; name a YAML file, or go on with a run by --resume"
            raise ConfigError(Fault(shown, "", cause)) from None
        raise ConfigError(Fault(shown, "", f"is not UTF-8 at byte {error.start}; save it as UTF-8")) from None
    except OSError as error:
        raise ConfigError(Fault(shown, "", f"cannot be read ({error.strerror})")) from None
    except ValueError as error:  # a NUL in the path
        raise ConfigError(Fault(shown, "", f"is no path of a file ({error})")) from None
    data, origins = parse_yaml(text, shown, layer)
    if not isinstance(data, dict):
        what = "is empty" if data is None else "is not a mapping of sections"
        raise ConfigError(Fault(shown, "", f"{what}; write at least 'dataset:' and 'model:'"))
    return Document(data, origins)


def _instead_of_folder(path: Path) -> str:
    """What to name where a folder is named: a config in it, or one that is written for the data in it."""
    found = next((str(file) for ending in ("*.yaml", "*.yml") for file in sorted(path.glob(ending))), None)
    if found is not None:
        return f"is a folder; name a YAML file in it, for example {shell_word(found)}"
    return f"is a folder; a config for the pictures in it is written by: cnncli init {shell_word(path)} > my.yaml"


def parse_yaml(text: str, file: str, layer: int = 0) -> tuple[Any, dict[KeyPath, Origin]]:
    """Parse one YAML document into plain values and their origins; raises ``ConfigError``."""
    loader = None
    if (cause := _half(text)) is not None:
        raise ConfigError(Fault(file, "", cause))
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        builder = _Builder(file, layer)
        return (None if node is None else builder.build(node, ())), builder.origins
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise ConfigError(Fault(where, "", _syntax_help(error))) from None
    except yaml.YAMLError as error:
        raise ConfigError(Fault(file, "", f"is not YAML text ({str(error).splitlines()[0]})")) from None
    except RecursionError:
        raise ConfigError(Fault(file, "", "is nested too deeply; a config needs a few levels only")) from None
    finally:
        if loader is not None:
            loader.dispose()


def _half(text: str) -> str | None:
    """What is wrong with ``text`` where it holds a lone surrogate: it stands for a byte, or is half of a character."""
    found = re.search("[\ud800-\udfff]", text)
    if found is None:
        return None
    if "\udc80" <= found[0] <= "\udcff":
        byte = f"holds the byte 0x{ord(found[0]) - 0xDC00:02x}, which is not UTF-8"
        return f"{byte}; rename the file, or make a link to it (ln -s) whose name is UTF-8"
    return "holds half of a Unicode character (a surrogate); write the whole one"


def _syntax_help(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "is not valid YAML"
    if "\\t" in problem:
        return "a tab is used for indentation; YAML wants spaces"
    if "single document" in (error.context or ""):
        return "a second document starts here ('---'); keep one config in a file"
    context = f" {error.context}" if error.context else ""
    return f"is not valid YAML: {problem}{context}; check indentation, quotes and brackets"


class _Builder:
    """Turns YAML nodes into plain values, recording the origin of each path."""

    def __init__(self, file: str, layer: int) -> None:
        self.file, self.layer = file, layer
        self.origins: dict[KeyPath, Origin] = {}
        self.count = 0
        self.open: set[int] = set()

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self.count += 1
        line = node.start_mark.line + 1
        if self.count > MAX_NODES:
            raise self._error(line, path, "has too many values (aliases that multiply?)")
        if len(self.open) > MAX_DEPTH:
            raise self._error(line, path, "is nested too deeply; a config needs a few levels only")
        if id(node) in self.open:
            raise self._error(line, path, "an alias contains itself")
        self.origins.setdefault(path, Origin(self.file, line, self.layer))
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
                return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node, path)
        finally:
            self.open.discard(id(node))
        raise self._error(line, path, f"the tag '{node.tag}' is not allowed; write plain values")

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(line, path, "a key must be a plain word")
            key = self._text(str(key_node.value), line, path)
            here = (*path, key)
            if key == "<<":
                raise self._error(line, path, "merge keys (<<) are not supported; use 'extends' or repeat the values")
            if key in values:
                first = self.origins[here].line
                raise self._error(line, here, f"is given twice, first in line {first}; keep one")
            self.origins[here] = Origin(self.file, line, self.layer)
            values[key] = self.build(value_node, here)
        return values

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = self._text(str(node.value), node.start_mark.line + 1, path)
        try:
            if node.tag == _NULL:
                return None
            if node.tag == _BOOL:
                return text.lower() == "true"
            if node.tag == _INT:
                return int(text)
            if node.tag == _FLOAT:
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError as error:
            raise self._error(node.start_mark.line + 1, path, f"is not a usable number ({error})") from None
        if node.tag == _STR:
            return text
        raise self._error(node.start_mark.line + 1, path, f"the tag '{node.tag}' is not allowed; write plain values")

    def _text(self, text: str, line: int, path: KeyPath) -> str:
        if (cause := _half(text)) is not None:
            raise self._error(line, path, cause)
        if "\0" in text:  # no path can hold it, and nothing else needs it
            raise self._error(line, path, "holds the character NUL; take it out")
        return text

    def _error(self, line: int, path: KeyPath, cause: str) -> ConfigError:
        return ConfigError(Fault(f"{self.file}:{line}", dotted(path), cause))
