"""Targets of windows that overlap, computed when a batch asks for them: stored, each value would lie there often."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map


@dataclass(frozen=True)
class Ahead:
    """What the targets of one series' windows are computed from.

    ``own`` float64 ``[L, K]`` are its target columns, ``level`` the same or their logarithms, ``mean`` and ``std``
    ``[K]`` their scale. ``ends`` ``[N]`` are the first unknown positions of the windows.
    """

    own: Tensor
    level: Tensor
    mean: Tensor
    std: Tensor
    ends: Tensor
    horizon: int
    period: int
    difference: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, H, K, 4)``."""
        return (len(self.ends), self.horizon, self.own.shape[1], 4)

    @property
    def nbytes(self) -> int:
        """The bytes that these values take, those of ``by_step`` included."""
        kept = (self.own, self.level, self.mean, self.std, self.ends)
        steps = 4 * self.own.nbytes if self.horizon <= min(self.period, self.difference or self.period) else 0
        return sum(values.nbytes for values in kept) + steps

    @cached_property
    def by_step(self) -> Tensor | None:
        """What is the same for a step in whatever window it lies: ``[L, K, 4]``, the naive forecast left open.

        None where it is not the same, as the horizon reaches beyond ``difference`` or ``period``.
        """
        if self.horizon > min(self.period, self.difference or self.period):
            return None
        offsets = torch.zeros_like(self.own) if self.difference is None else self._before(self.level, self.difference)
        learned = (self.level - offsets - self.mean) / self.std
        return torch.stack([learned, offsets, offsets, self._before(self.own, self.period)], dim=-1)

    @staticmethod
    def _before(values: Tensor, steps: int) -> Tensor:
        """The value so many steps before each, NaN where there is none."""
        found = torch.full_like(values, torch.nan)
        found[steps:] = values[:-steps]
        return found

    def compute(self) -> Tensor:
        """All of them; see ``windows.make_windows``."""
        end = self.ends[:, None]
        ahead = end + torch.arange(self.horizon, device=end.device)
        if self.by_step is not None:
            found = self.by_step.index_select(0, ahead.flatten()).view(self.shape)
            found[..., 2] = _rows(self.own, end - 1)
            return found
        found = self.own.new_empty(self.shape)
        offsets = torch.zeros_like(found[..., 0])
        if self.difference is not None:
            offsets = _rows(self.level, end + self._back(self.difference))
        found[..., 0] = (_rows(self.level, ahead) - offsets - self.mean) / self.std
        found[..., 1] = offsets
        found[..., 2] = _rows(self.own, end - 1)
        seasons = end + self._back(self.period)
        seasonal = _rows(self.own, seasons.clamp_min(0))
        found[..., 3] = seasonal.masked_fill((seasons < 0)[..., None], torch.nan)
        return found

    def _back(self, period: int) -> Tensor:
        """How far the step ``period`` before, or a multiple of it that is known, lies from the end."""
        steps = [h - period * ceil((h + 1) / period) for h in range(self.horizon)]
        return torch.tensor(steps, device=self.ends.device)

    def to(self, device: torch.device) -> "Ahead":
        """The same on another device; what lies there is not copied."""
        if device == self.own.device:
            return self
        moved = {name: getattr(self, name).to(device) for name in ("own", "level", "mean", "std", "ends")}
        return replace(self, **moved)

    def of(self, windows: Tensor | slice) -> "Ahead":
        """Those of some of the windows."""
        part = replace(self, ends=self.ends[windows])
        part.__dict__["by_step"] = self.by_step  # computed once
        return part


def _rows(values: Tensor, positions: Tensor) -> Tensor:
    """``values[positions]``, by the way that is fast for rows of one value: ``[*positions, K]``."""
    return values.index_select(0, positions.flatten()).view(*positions.shape, values.shape[1])


class LazyTargets(Tensor):
    """A tensor ``[N, H, K, 4]`` of which only the rows that are asked for are computed.

    A slice of it is one, too; rows by their numbers, and whatever else is done with it, give a plain tensor.
    """

    ahead: Ahead

    @staticmethod
    def __new__(cls, ahead: Ahead) -> "LazyTargets":
        return Tensor._make_wrapper_subclass(cls, ahead.shape, dtype=ahead.own.dtype, device=ahead.own.device)

    def __init__(self, ahead: Ahead) -> None:
        self.ahead = ahead

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if getattr(func, "__name__", "") == "__get__" or func in _FACTS:  # of shape, device, dtype
            return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        mine = args[0] if isinstance(args[0], LazyTargets) else None
        if mine is not None and func is Tensor.__getitem__:
            index = args[1]
            if isinstance(index, slice):
                return LazyTargets(mine.ahead.of(index))
            if isinstance(index, Tensor) and index.ndim == 1:
                return mine.ahead.of(index).compute()
        if (
            mine is not None
            and func is Tensor.to
            and len(args) == 2
            and isinstance(args[1], torch.device)
            and not kwargs
        ):
            return LazyTargets(mine.ahead.to(args[1]))
        return cls.__torch_dispatch__(func, types, args, kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch calls it so, whatever its own annotation says
        cls, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        plain, named = tree_map(_computed, (args, dict(kwargs or {})))
        return func(*plain, **named)


_FACTS = {Tensor.__len__, Tensor.dim, Tensor.size, Tensor.numel}


def _computed(value: Any) -> Any:
    return value.ahead.compute() if isinstance(value, LazyTargets) else value
