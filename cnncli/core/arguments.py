"""A component's signature as a pydantic model, so that its arguments are checked before anything is built."""

import inspect
import types
import typing
from collections.abc import Callable, Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

_PLAIN = (bool, int, float, str)


def arguments_model(factory: Callable[..., Any], hidden: Collection[str] = ()) -> type[BaseModel]:
    """The YAML arguments of ``factory`` as a pydantic model that forbids all others.

    What cnncli itself hands over stands before the ``/`` of the signature, or in ``hidden`` for callables of
    other libraries; it is left out, and so is everything that a YAML value can never be (a tensor, a function).
    """
    fields: dict[str, Any] = {}
    for parameter in _signature(factory).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in hidden:
            continue
        annotation = _annotation(parameter)
        if annotation is None:
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (annotation, default)
    # defaults are validated too, so that a 0 standing for a float is printed as one
    config = ConfigDict(
        extra="forbid",
        strict=True,
        validate_default=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )
    return create_model(getattr(factory, "__name__", "Arguments"), __config__=config, **fields)


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(factory, eval_str=True)
    except (NameError, AttributeError, TypeError, SyntaxError):  # an annotation that only a type checker can see
        return inspect.signature(factory)


def _annotation(parameter: inspect.Parameter) -> Any:
    """The parameter's type as far as YAML can express it, or None when it cannot."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        return None
    if annotation is not parameter.empty:
        return _plain(annotation)
    default_type = type(parameter.default)
    if default_type is int or default_type is float:
        return int | float
    return default_type if default_type in _PLAIN else Any


def _plain(annotation: Any) -> Any:
    """``annotation`` without the members of unions that YAML cannot express; None when nothing is left."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        kept = [plain for member in typing.get_args(annotation) if (plain := _plain(member)) is not None]
        if all(member is type(None) for member in kept):
            return None
        return typing.Union[tuple(kept)]  # noqa: UP007 - built at run time
    if origin is tuple:
        members = tuple(member if member is ... else _plain(member) for member in typing.get_args(annotation))
        return types.GenericAlias(tuple, members)
    if origin is not None or annotation in (*_PLAIN, type(None), Any, dict, list, tuple):
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None
