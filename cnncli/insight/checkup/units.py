"""Units that are dead: their activation has the same value for every sample, so that nothing can change it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cnncli.insight.checkup.bench import Bench
from cnncli.insight.checkup.finding import Checked, some
from cnncli.insight.checkup.own_steps import outputs_of

SAMPLES = 512
MANY = 0.5  # of a layer's units: behind positive inputs a sixth is dead in sound networks before they learn

Dead = Callable[[Tensor, Tensor], Tensor]
"""Lowest and highest value of each unit → whether it is dead."""


def _rectified(low: Tensor, high: Tensor) -> Tensor:
    return high <= 0


def _bounded(low: Tensor, high: Tensor) -> Tensor:
    return (high <= 0) | (low >= high)


def _sigmoid(low: Tensor, high: Tensor) -> Tensor:
    return (low > 0.99) | (high < 0.01)


def _tanh(low: Tensor, high: Tensor) -> Tensor:
    return (low > 0.99) | (high < -0.99)


def _smooth(low: Tensor, high: Tensor) -> Tensor:
    return torch.maximum(low.abs(), high.abs()) < 1e-3


WATCHED: dict[str, Dead] = {
    "relu": _rectified, "threshold": _rectified, "clamp_min": _rectified, "hardtanh": _bounded, "sigmoid": _sigmoid,
    "tanh": _tanh, "gelu": _smooth, "silu": _smooth, "mish": _smooth, "hardswish": _rectified,
}  # fmt: skip


class Watcher(TorchDispatchMode):
    """Looks at what activations give, whether they are modules or functions."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layer = ""
        self.calls = 0
        self.seen: dict[tuple[str, int, str], list[tuple[Tensor, Tensor]]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.removesuffix("_")
        if name in WATCHED and isinstance(given, Tensor) and given.ndim > 1 and given.is_floating_point():
            self.calls += 1
            key, own = (self.layer, self.calls, name), ranges(given)
            before = self.seen.get(key)
            if before is not None:
                own = [(torch.minimum(low, was_low), torch.maximum(high, was_high))
                       for (low, high), (was_low, was_high) in zip(own, before, strict=True)]  # fmt: skip
            self.seen[key] = own
        return given


def ranges(values: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The lowest and highest values by unit, where units may lie: along the second axis, or the last one."""
    axes = {1, values.ndim - 1} if values.ndim == 3 else {1}
    return [(values.detach().movedim(axis, 0).flatten(1).amin(1), values.detach().movedim(axis, 0).flatten(1).amax(1))
            for axis in sorted(axes)]  # fmt: skip


@contextmanager
def watching(model: nn.Module) -> Iterator[Watcher]:
    """Watch the activations of ``model``, and say in which layer each of them is."""
    watcher = Watcher()

    def enter(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            watcher.layer = name
            if not name:
                watcher.calls = 0

        return hook

    hooks = [module.register_forward_pre_hook(enter(name)) for name, module in model.named_modules()]
    try:
        with watcher:
            yield watcher
    finally:
        for hook in hooks:
            hook.remove()


def dead_shares(bench: Bench) -> dict[str, tuple[int, int]]:
    """Of each activation how many of its units are dead with the weights of now, and how many there are."""
    inputs = bench.samples[0][:SAMPLES]
    with watching(bench.model) as watcher:
        outputs_of(bench, inputs)
    found: dict[str, tuple[int, int]] = {}
    for (layer, call, name), own in watcher.seen.items():
        dead = [WATCHED[name](low, high) for low, high in own]
        worst = max(dead, key=lambda units: units.float().mean().item())
        label = f"{name} {call}" + (f" (in or after {layer})" if layer else "")
        found[label] = int(worst.sum()), len(worst)
    return found


def check_units(bench: Bench) -> Checked:
    """Dead units of the untrained network."""
    found = Checked("units")
    bench.restore()
    shares = dead_shares(bench)
    bench.restore()
    tell(found, shares, "the untrained network")
    return found


def tell(found: Checked, shares: dict[str, tuple[int, int]], when: str) -> None:
    """Add what was measured, and a finding where many units of a layer are dead."""
    if not shares:
        found.measured = "no activation whose units can die"
        return
    dead, every = (sum(counts) for counts in zip(*shares.values(), strict=True))
    found.measured = f"{dead:,} of {every:,} dead in {when}"
    bad = {name: counts for name, counts in shares.items() if counts[0] > MANY * counts[1]}
    if bad:
        told = some([f"{few:,} of {many:,} units after {name}" for name, (few, many) in bad.items()])
        found.find("model", f"in {when} {told} give the same for every sample",
                   "begin with biases near zero and weights of the usual size, or use leaky_relu")  # fmt: skip
