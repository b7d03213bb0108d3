"""What every component takes, remembered on disk, so that configs are checked without the slow import of torch.

Only names, descriptions and signatures are kept, as JSON: nothing of it runs, and nothing can be built from it.
"""

import dataclasses
import functools
import hashlib
import inspect
import json
import sys
import types
import typing
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import BaseMetadata
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter
from pydantic.fields import FieldInfo

from cnncli.config.shipped import SIGNATURES_FILE
from cnncli.core.errors import StorageError
from cnncli.core.files import SIGNATURES, cache_folder
from cnncli.core.files import remember as remember_file
from cnncli.core.registry import REGISTRIES, ComponentCheck, Entry

_PACKAGE = Path(__file__).parent.parent
_NAMING = ("torch", "torchvision")
_LIBRARIES = ("torch", "torchvision", "timm", "pydantic")  # whose signatures are taken over, or which read them
_NAMED: dict[str, Any] = {
    "bool": bool, "int": int, "float": float, "str": str, "dict": dict, "list": list, "tuple": tuple,
    "null": type(None), "any": Any, "...": ...,
}  # fmt: skip
_GENERIC = {"list": list, "dict": dict, "tuple": tuple}


class _Known(BaseModel):
    """What is kept of a component."""

    name: str
    description: str
    suggests: dict[str, str]
    traits: list[str]
    places: list[str]
    renamed: dict[str, str]
    arguments: dict[str, dict[str, Any]]


class Recalled:
    """The signature of a component that was not imported."""

    def __init__(self, signature: inspect.Signature) -> None:
        self.__signature__ = signature

    def __call__(self) -> typing.NoReturn:
        raise RuntimeError("only this component's signature is known; fill the registries first")


def remember() -> None:
    """Keep the signatures of all that is registered; nothing where a type has no form, or the folder is read-only."""
    with suppress(OSError, StorageError, TypeError):
        remember_file(_file(), json.dumps(signatures()), keep=8)


def remember_new() -> None:
    """``remember`` where these versions have not been remembered before."""
    with suppress(OSError, StorageError):
        if not _file().is_file():
            remember()


def signatures() -> dict[str, list[dict[str, Any]]]:
    """Every component of every kind, as it is kept; raises ``TypeError`` where a type has no form."""
    return {kind: [_entry(registry.get(name)) for name in registry] for kind, registry in REGISTRIES.items()}


def recall() -> bool:
    """Fill the empty registries with what was remembered, or with what came with cnncli where that can be relied on.

    False when nothing fits these versions of the libraries.
    """
    try:
        return _filled(json.loads(_file().read_bytes())) or (shipped_is_reliable() and recall_shipped())
    except (OSError, StorageError, ValueError, RecursionError):  # none, or a damaged one
        return shipped_is_reliable() and recall_shipped()


def recall_shipped() -> bool:
    """Fill the empty registries with what came with cnncli; whether it can be relied on.

    That is so for the versions of PyTorch and torchvision that it was made with, and not in a clone, whose components
    may have changed since.
    """
    return _filled(shipped()["signatures"]) and shipped_is_reliable()


def shipped_is_reliable() -> bool:
    """Whether what came with cnncli is true of what is installed."""
    return not (_PACKAGE.parent / "pyproject.toml").is_file() and shipped()["versions"] == versions()


@functools.cache
def shipped() -> dict[str, Any]:
    """What came with cnncli: the signatures, and the versions that they were made with."""
    found: dict[str, Any] = json.loads(SIGNATURES_FILE.read_bytes())
    return found


def versions() -> dict[str, str | None]:
    """The versions, without their last part, of the libraries whose components have names of their own here."""
    return {name: ".".join(found.split(".")[:2]) if (found := _version(name)) else None for name in _NAMING}


def _filled(lists: Any) -> bool:
    try:
        checked = TypeAdapter(dict[str, list[_Known]]).validate_python(lists)
        known = {kind: {entry.name: (entry, _signature(entry)) for entry in checked[kind]} for kind in REGISTRIES}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
    forget()
    for kind, entries in known.items():
        for name, (entry, signature) in entries.items():
            about = entry.model_dump(include={"description", "suggests", "traits", "places", "renamed"})
            REGISTRIES[kind].add(name, Recalled(signature), **about)
    return True


def forget() -> None:
    """Empty the registries of what was only recalled, before the components themselves come."""
    for registry in REGISTRIES.values():
        registry.discard(lambda entry: isinstance(entry.factory, Recalled))


def _file() -> Path:
    """Where these versions of cnncli and of the libraries are remembered."""
    found = {path: path.stat() for path in sorted(_PACKAGE.rglob("*.py"))}
    sources = [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in found.items()]
    key = json.dumps([sys.version, [_version(library) for library in _LIBRARIES], sources])
    return cache_folder() / SIGNATURES / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _entry(entry: Entry) -> dict[str, Any]:
    arguments = {}
    for name, field in entry.arguments.model_fields.items():
        arguments[name] = {"type": encoded(field.rebuild_annotation())}
        if not field.is_required():  # JSON knows no tuples
            arguments[name]["tuple" if isinstance(field.default, tuple) else "default"] = field.default
    return {
        "name": entry.name,
        "description": entry.description,
        "suggests": dict(entry.suggests),
        "traits": sorted(entry.traits),
        "places": list(entry.places),
        "renamed": entry.renamed,
        "arguments": arguments,
    }


def _signature(entry: _Known) -> inspect.Signature:
    parameters = []
    for name, argument in entry.arguments.items():
        default = tuple(argument["tuple"]) if "tuple" in argument else argument.get("default", inspect.Parameter.empty)
        kind, annotation = inspect.Parameter.KEYWORD_ONLY, decoded(argument["type"])
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    return inspect.Signature(parameters)


def encoded(annotation: Any) -> Any:
    """An argument's type as JSON; raises ``TypeError`` for one that has no form here."""
    for name, named in _NAMED.items():
        if annotation is named:
            return name
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return {"of": encoded(members[0]), "where": _where(members[1:])}
    if origin is Literal:
        return {"literal": list(members)}
    if origin in (typing.Union, types.UnionType):
        return {"union": [encoded(member) for member in members]}
    for name, generic in _GENERIC.items():
        if origin is generic:
            return {name: [encoded(member) for member in members]}
    raise TypeError(f"{annotation!r} cannot be remembered")


def _where(metadata: Iterable[Any]) -> dict[str, Any]:
    """What an ``Annotated`` type asks of its values."""
    asked: dict[str, Any] = {}
    for member in metadata:
        if isinstance(member, FieldInfo):
            asked |= _where(member.metadata)
        elif isinstance(member, AfterValidator) and isinstance(member.func, ComponentCheck):
            asked["component"] = list(member.func.kinds)
        elif isinstance(member, BaseMetadata):
            asked |= dataclasses.asdict(member) if dataclasses.is_dataclass(member) else vars(member)
        else:
            raise TypeError(f"{member!r} cannot be remembered")
    return asked


def decoded(form: Any) -> Any:
    """The inverse of ``encoded``; raises ``LookupError`` or ``TypeError`` for what it never gives."""
    if isinstance(form, str):
        return _NAMED[form]
    if "of" in form:
        asked = dict(form["where"])
        kinds = asked.pop("component", None)
        check = Field(**asked) if kinds is None else AfterValidator(ComponentCheck(*kinds))
        return Annotated[decoded(form["of"]), check]
    ((name, members),) = form.items()
    if name == "literal":
        return Literal[tuple(members)]
    decoded_members = tuple(decoded(member) for member in members)
    generic: Any = typing.Union if name == "union" else _GENERIC[name]
    return generic[decoded_members]
