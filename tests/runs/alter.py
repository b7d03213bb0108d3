"""Checkpoints altered on purpose and hashed anew: what is changed, and what it is changed to."""

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor

from cnncli.runs.checkpoint import digest

Change = Callable[[Any, Random], Any]
REMOVED = object()  # what a change gives for an entry that is to go


class DoesNotApply(Exception):
    """The checkpoint has no such entry, or one that the change would leave as it is."""


def altered(content: dict[str, Any], pattern: str, change: Change, random: Random) -> tuple[dict[str, Any], str]:
    """A copy of a checkpoint's ``content`` with one entry changed, and the entry's path.

    ``*`` in ``pattern`` stands for any key; raises ``DoesNotApply`` where nothing matches.
    """
    content = copy.deepcopy(content)
    places = list(_places(content, pattern.split("/"))) if pattern else [()]
    random.shuffle(places)
    for place in places:
        try:
            return _changed(content, place, change, random), ".".join(map(str, place))
        except DoesNotApply:
            continue
    raise DoesNotApply(pattern)


def _places(value: Any, parts: list[str]) -> Iterator[tuple[Any, ...]]:
    if not parts:
        yield ()
        return
    keys = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list | tuple) else []
    )
    for key in keys:
        if parts[0] in ("*", str(key)):
            yield from ((key, *rest) for rest in _places(value[key], parts[1:]))


def _changed(value: Any, place: tuple[Any, ...], change: Change, random: Random) -> Any:
    if not place:
        return change(value, random)
    inner = _changed(value[place[0]], place[1:], change, random)
    if isinstance(value, dict):
        kept = {key: inner if key == place[0] else item for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not REMOVED}
    items = [inner if number == place[0] else item for number, item in enumerate(value)]
    return type(value)(item for item in items if item is not REMOVED)


def write(content: dict[str, Any], path: Path, sealed: bool = True) -> None:
    """Write ``content`` as a checkpoint, with the hash that is its own unless it is not ``sealed``."""
    content = {key: value for key, value in content.items() if key != "sha256" or not sealed}
    torch.save({**content, "sha256": digest(content)} if sealed else content, path)


def to(value: Any) -> Change:
    """Changed to ``value``."""

    def change(old: Any, random: Random) -> Any:
        if type(old) is type(value) and not isinstance(old, Tensor) and old == value:
            raise DoesNotApply
        return value

    return change


def removed(old: Any, random: Random) -> Any:
    """Taken out."""
    return REMOVED


def added(key: str, value: Any) -> Change:
    """A mapping with one entry more."""

    def change(old: Any, random: Random) -> Any:
        if not isinstance(old, dict):
            raise DoesNotApply
        return {**old, key: value}

    return change


def other_type(old: Any, random: Random) -> Any:
    """A value of a type that no entry like this one may have."""
    if old is None:
        return {"a": 1}
    wrong = {
        float: ["x", [], {}, None], int: ["x", [], {}, 1.5, None], bool: ["x", [], 5], str: [[], {}, 5, 1.5],
        list: [5, "x", {}, None], tuple: [5, "x", {}, None], dict: [5, "x", [], 1.5],
    }  # fmt: skip
    return random.choice(wrong.get(type(old), [5, "x", [1.0], None]))


def mapping_type(old: Any, random: Random) -> Any:
    """Something that is no mapping, and not nothing."""
    if not isinstance(old, dict):
        raise DoesNotApply
    return random.choice([5, "x", [], 1.5])


def filled(old: Any, random: Random) -> Any:
    """A mapping where there should be nothing."""
    if old is not None:
        raise DoesNotApply
    return {"a": torch.ones(2)}


def of_tensor(function: Callable[[Tensor, Random], Tensor], floating: bool = False) -> Change:
    """A change of tensors, or of those of floats."""

    def change(old: Any, random: Random) -> Any:
        if not isinstance(old, Tensor) or (floating and not (old.is_floating_point() and old.numel())):
            raise DoesNotApply
        return function(old, random)

    return change


def _reshaped(old: Tensor, random: Random) -> Tensor:
    shapes = [
        torch.cat([old.reshape(-1), old.reshape(-1)[:1]]),
        old.unsqueeze(0),
        old.new_zeros(0),
        old.new_zeros(2, 3, 5),
    ]
    if old.ndim == 2 and old.shape[0] != old.shape[1]:
        shapes.append(old.t().contiguous())
    return random.choice([shape for shape in shapes if shape.shape != old.shape])


def _retyped(old: Tensor, random: Random) -> Tensor:
    others = [torch.float64, torch.float16, torch.int32, torch.int64, torch.float32, torch.bool]
    return old.to(random.choice([dtype for dtype in others if dtype != old.dtype]))


def _with(value: float) -> Callable[[Tensor, Random], Tensor]:
    def change(old: Tensor, random: Random) -> Tensor:
        flat = old.clone().reshape(-1)
        flat[random.randrange(len(flat))] = value
        return flat.reshape(old.shape)

    return change


reshaped, retyped = of_tensor(_reshaped), of_tensor(_retyped)
nan, infinite = of_tensor(_with(math.nan), True), of_tensor(_with(-math.inf), True)
negative = of_tensor(_with(-1))
noisy = of_tensor(lambda old, random: old * (0.9 + 0.2 * random.random()), True)
halved = of_tensor(lambda old, random: old * 0.5, True)
strided = of_tensor(
    lambda old, random: old.t().contiguous().t() if old.ndim == 2 else old.expand(2, *old.shape).clone()[1]
)


def of_list(function: Callable[[list[Any], Random], list[Any]]) -> Change:
    """A change of lists that hold something."""

    def change(old: Any, random: Random) -> Any:
        if not isinstance(old, list | tuple) or not old:
            raise DoesNotApply
        return type(old)(function(list(old), random))

    return change


longer = of_list(lambda old, random: [*old, copy.deepcopy(old[-1])])
shorter = of_list(lambda old, random: old[:-1])
doubled = of_list(lambda old, random: [old[-1], *old[1:]] if len(old) > 1 else [*old, *old])
emptied = of_list(lambda old, random: [])
blank = of_list(lambda old, random: [random.choice(["", "  "]), *old[1:]])


def times(factor: float) -> Change:
    """A number multiplied."""

    def change(old: Any, random: Random) -> Any:
        if type(old) is not float or not math.isfinite(old) or old == 0:
            raise DoesNotApply
        return old * factor

    return change


def plus(amount: int) -> Change:
    """A whole number with something added."""

    def change(old: Any, random: Random) -> Any:
        if type(old) is not int:
            raise DoesNotApply
        return old + amount

    return change


def lists(old: Any, random: Random) -> Any:
    """Lists for tuples all the way down."""
    if isinstance(old, dict):
        return {key: lists(value, random) for key, value in old.items()}
    return [lists(value, random) for value in old] if isinstance(old, list | tuple) else old


def tuples(old: Any, random: Random) -> Any:
    """Tuples for lists all the way down."""
    if isinstance(old, dict):
        return {key: tuples(value, random) for key, value in old.items()}
    return tuple(tuples(value, random) for value in old) if isinstance(old, list | tuple) else old


def reordered(old: Any, random: Random) -> Any:
    """A mapping in another order, as an ``OrderedDict``, as those of torch are."""
    if not isinstance(old, dict):
        raise DoesNotApply
    return OrderedDict(reversed(old.items()))


def of_one_storage(old: Any, random: Random) -> Any:
    """Tensors that are views of one."""
    names = [name for name, value in old.items() if isinstance(value, Tensor) and value.dtype == torch.float32]
    flat = torch.cat([old[name].reshape(-1) for name in names])
    parts = flat.split([old[name].numel() for name in names])
    return {**old, **{name: part.view(old[name].shape) for name, part in zip(names, parts, strict=True)}}
