"""What pydantic finds wrong with a config, in cnncli's words: the place, the cause, and what to write instead."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cnncli.config.keys import advice_for_key
from cnncli.config.sections import Config
from cnncli.config.yaml_source import Document
from cnncli.core.errors import Fault
from cnncli.core.key_paths import KeyPath

MISSING = "is missing; add it"
NO_MODEL = "is missing; name a network (cnncli list models), for example model.name=resnet18"
MAX_FAULTS = 50  # more are not read, and each takes its time
_ADVICE = {
    "float_type": "give a number, for example 0.001",
    "int_type": "give a whole number, for example 10",
    "bool_type": "write true or false",
    "string_type": "give a word, in quotes if need be",
    "list_type": "give a list, for example [a, b]",
    "tuple_type": "give a list, for example [a, b]",
    "dict_type": "give a mapping, for example {key: value}",
    "model_type": "give a mapping, for example {key: value}",
}
_PATTERNS = {
    "device": "is no device; write auto, cpu, cuda, cuda:1 or mps",
}


def without_weights(network: str = "resnet18") -> str:
    """What a config that fine-tunes is given on the command line to train its ``network`` from scratch."""
    return f"finetune=null model.name={network}"


def validation_faults(
    document: Document,
    prefix: KeyPath,
    error: ValidationError,
    model: type[BaseModel],
    also: Iterable[str] = (),
    given: Mapping[str, str] | None = None,
    places: Sequence[str] = (),
) -> list[Fault]:
    """pydantic's errors in cnncli's words, one fault for each key, alternatives of a union joined by 'or'.

    ``given`` are arguments → the keys they were written as.
    """
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        loc = details["loc"]
        details["loc"] = ((given or {}).get(str(loc[0]), loc[0]), *loc[1:])
        path = _existing(document, prefix, details)
        grouped.setdefault(path, []).append(details)
    # where one member of a union got further into the value, that is the one that was meant
    outer = {path[:length] for path in grouped for length in range(len(path))}
    return [
        _fault(document, path, _cause(path, group, model, also, document, places))
        for path, group in islice(grouped.items(), MAX_FAULTS + 1)
        if path not in outer
    ]


def _fault(document: Document, path: KeyPath, cause: str) -> Fault:
    """A fault at ``path``; a section that is missing stands in no line."""
    if cause in (MISSING, NO_MODEL) and len(path) == 1:
        return Fault(document.origin(()).file, str(path[0]), cause)
    return document.fault(path, cause)


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
    places: Sequence[str],
) -> str:
    first = group[0]
    if all(details["type"] == "extra_forbidden" for details in group):
        known = _fields_at(model, path) if model is Config else [*model.model_fields, *sorted(also)]
        return f"unknown key; {advice_for_key(path, known, document, places)}"
    if first["type"] == "missing":
        return NO_MODEL if path == ("model",) else MISSING
    if first["type"] == "string_pattern_mismatch":
        return f"{first['input']!r} {_PATTERNS.get(str(path[-1]), 'has a form that is not allowed')}"
    if first["input"] is None and path == ("finetune", "pretrained"):
        return f"is empty; name a network, or train one without pretrained weights: {without_weights()}"
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
    if first["type"] == "tuple_type" and isinstance(first["input"], int | float):
        advice = f"give a list, for example [{first['input']}]"
    expected = expected.replace("a valid array", "a list")  # as YAML calls it
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
