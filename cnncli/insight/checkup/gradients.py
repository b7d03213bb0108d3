"""Whether every layer learns: gradients that arrive, are numbers, and are not the same for all units."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat

from torch import Tensor, nn

from cnncli.insight.checkup.bench import Bench, first
from cnncli.insight.checkup.finding import Checked, number, some
from cnncli.insight.checkup.own_steps import AT_ONCE, adam_steps, loss_of, putting_back
from cnncli.training.engine import Batch

BATCHES = 4
STEPS, RATE = 10, 1e-3  # of Adam, after which a layer must learn that began with zeros behind it
VANISHED = 1e-7  # of the largest gradient of a layer, root mean square


@dataclass
class Arrived:
    """Of each layer the root mean square of its gradients, and the parameters that none reaches."""

    sizes: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    cut: bool = False  # the loss depends on no parameter at all


def check_gradients(bench: Bench, seconds: float) -> Checked:
    """Gradients of each trainable layer at the beginning, and where they are zero also a few steps later."""
    found = Checked("gradients")
    batches = [(inputs[:AT_ONCE], first(targets, AT_ONCE)) for inputs, targets in islice(bench.batches(), BATCHES)]
    with putting_back(bench):
        before = arrived(bench, batches)
        if before.cut:
            found.find("model", "the loss depends on no trainable parameter",
                       "look for detach(), torch.no_grad() or .data between the parameters and the output")  # fmt: skip
            return found
        later, same = before, list[str]()
        plain = (bench.samples[0].split(32), bench.samples[1].split(32))
        for _ in adam_steps(bench, islice(_again(*plain), STEPS), repeat(RATE), seconds):
            pass
        later = arrived(bench, batches)
        same = equal_units(bench.model)
    _tell(found, before, later, same)
    return found


def _again(inputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, Tensor]]:
    pairs = [pair for pair in zip(inputs, targets, strict=True) if len(pair[0]) > 1]
    while pairs:
        yield from pairs


def _tell(found: Checked, first: Arrived, later: Arrived, same: list[str]) -> None:
    bad = [name for name, size in first.sizes.items() if not math.isfinite(size)]
    if bad:
        found.find("model", f"the gradient of {some(bad)} is no finite number",
                   "look for a root or logarithm of zero, or inputs that are far too large")  # fmt: skip
        return
    zero = [name for name, size in later.sizes.items() if size == 0 and first.sizes[name] == 0]
    largest = max(later.sizes.values(), default=0.0)
    tiny = [name for name, size in later.sizes.items() if 0 < size < VANISHED * largest]
    sizes = [size for size in first.sizes.values() if size > 0]
    if sizes:
        found.measured = f"{len(first.sizes)} layers, {number(min(sizes))} to {number(max(sizes))}"
    if later.missing:
        found.find("model", f"no gradient reaches {some(later.missing)}",
                   "the layer is unused, or cut off by detach() or torch.no_grad(): connect or remove it")  # fmt: skip
    if zero:
        found.find("model", f"the gradient of {some(zero)} is zero in {BATCHES} batches, and after {STEPS} steps",
                   "begin with weights at random instead of zeros, and look for dead units before it")  # fmt: skip
    if tiny:
        told = f"the gradient of {some(tiny)} is {number(later.sizes[tiny[0]])}, that of the largest {number(largest)}"
        found.find("model", f"{told}: it vanishes", "use relu, normalisation or shortcuts, or fewer layers")
    alike = [name for name in same if name not in zero]
    if alike:
        found.find("model", f"all units of {some(alike)} have the same weights after {STEPS} steps",
                   "begin with weights at random: equal units learn the same for ever")  # fmt: skip


def layers(model: nn.Module) -> dict[str, list[tuple[str, nn.Parameter]]]:
    """The trainable parameters by the layer that owns them."""
    found: dict[str, list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found.setdefault(name.rpartition(".")[0] or name, []).append((name, parameter))
    return found


def arrived(bench: Bench, batches: Sequence[Batch]) -> Arrived:
    """The gradients of some batches as training has them."""
    by_layer, squares = layers(bench.model), dict[str, float]()
    reached: set[str] = set()
    for inputs, targets in batches:
        bench.learning_mode()
        bench.model.zero_grad(set_to_none=True)
        loss = loss_of(bench, inputs, targets)
        if not loss.requires_grad:
            return Arrived(cut=True)
        loss.backward()
        for layer, owned in by_layer.items():
            for name, parameter in owned:
                if parameter.grad is not None:
                    reached.add(name)
                    gradient = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
                    squares[layer] = squares.get(layer, 0.0) + gradient.double().square().mean().item()
    bench.model.zero_grad(set_to_none=True)
    missing = [name for owned in by_layer.values() for name, _ in owned if name not in reached]
    return Arrived({layer: math.sqrt(total / len(batches)) for layer, total in squares.items()}, missing)


def equal_units(model: nn.Module) -> list[str]:
    """The layers whose units all have the same weights."""
    found = []
    for layer, owned in layers(model).items():
        matrices = [weight for _, weight in owned if weight.ndim > 1 and len(weight) > 1]
        if matrices and all(_all_rows_equal(weight.detach()) for weight in matrices):
            found.append(layer)
    return found


def _all_rows_equal(weight: Tensor) -> bool:
    largest = weight.abs().max().item()
    return bool(((weight - weight[:1]).abs() <= 1e-6 * largest).all())
