"""What was saved compared with what would be saved now: keys, types, and the shapes of tensors."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor


def is_finite(tensor: Tensor) -> bool:
    """Whether no element is infinite or NaN; nothing is copied."""
    if not tensor.numel() or not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return bool(torch.isfinite(torch.stack(real.aminmax())).all())  # NaN is both the least and the greatest


def not_finite(value: Any, path: str) -> str | None:
    """The first tensor inside ``value`` with infinite numbers or NaN, as ``dotted.path: cause``; None where all are."""
    if isinstance(value, Tensor):
        return None if is_finite(value) else f"{path}: holds numbers that are infinite or NaN"
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return _first(not_finite(item, f"{path}.{key}") for key, item in items)


def unlike(found: Any, expected: Any, path: str, moving: Collection[str] | None = None) -> str | None:
    """Where ``found`` has another form than ``expected``, as ``dotted.path: cause``; None where it has the same.

    Keys, lengths and types must be the same, and so must the shapes and types of tensors. Unless ``moving`` is None
    numbers and words must be the same as well, except under the keys that it names.
    """
    if isinstance(expected, Tensor):
        return _unlike_tensor(found, expected, path)
    if isinstance(expected, dict):
        return _unlike_dict(found, expected, path, moving)
    if isinstance(expected, list | tuple):
        if type(found) is not type(expected) or len(found) != len(expected):
            return f"{path}: should be a {type(expected).__name__} of {len(expected)}"
        pairs = enumerate(zip(found, expected, strict=True))
        return _first(unlike(item, wanted, f"{path}.{number}", moving) for number, (item, wanted) in pairs)
    types = (int, float) if type(expected) is float else (type(expected),)
    if type(found) not in types:
        return f"{path}: should be {_named(expected)}, not {_named(found)}"
    return f"{path}: is {found!r}, not {expected!r}" if moving is not None and found != expected else None


def _unlike_tensor(found: Any, expected: Tensor, path: str) -> str | None:
    if not isinstance(found, Tensor):
        return f"{path}: should be a tensor, not {_named(found)}"
    if found.shape == expected.shape and found.dtype == expected.dtype:
        return None
    return f"{path}: is {_described(found)}, not {_described(expected)}"


def _unlike_dict(found: Any, expected: dict[Any, Any], path: str, moving: Collection[str] | None) -> str | None:
    if not isinstance(found, dict) or isinstance(found, Counter) != isinstance(expected, Counter):
        return f"{path}: should be a mapping, not {_named(found)}"
    lacking, unknown = [key for key in expected if key not in found], [key for key in found if key not in expected]
    if lacking or unknown:
        return f"{path}.{lacking[0]}: is missing" if lacking else f"{path}.{unknown[0]}: is not known"
    return _first(
        unlike(found[key], value, f"{path}.{key}", None if moving is not None and key in moving else moving)
        for key, value in expected.items()
    )


def _first(faults: Iterable[str | None]) -> str | None:
    return next((fault for fault in faults if fault is not None), None)


def _named(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", tuple: "a list", str: "a word", bool: "true or false"}
    names |= {int: "a whole number", float: "a number", type(None): "empty"}
    return names.get(type(value), f"a {type(value).__name__.lower()}")


def _described(tensor: Tensor) -> str:
    return f"{'×'.join(map(str, tensor.shape)) or 'a single'} {str(tensor.dtype).removeprefix('torch.')}"
