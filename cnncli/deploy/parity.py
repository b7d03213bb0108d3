"""Whether an exported network answers what its checkpoint answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cnncli.core.errors import CheckpointError
from cnncli.core.spec import DataSpec
from cnncli.deploy.samples import Compared, batches

Run = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""An exported network: the raw inputs by name to its outputs by name."""

LIMIT = 1e-4  # of float32
SIZES = (1, 7)  # of the batches
BATCHES = 8  # of each size


@dataclass(frozen=True)
class Parity:
    """The largest difference of each output, and of all; ``samples`` says what they were compared on."""

    differences: dict[str, float]
    samples: tuple[str, ...]

    @property
    def largest(self) -> float:
        """Of all outputs."""
        return max(self.differences.values())

    def __str__(self) -> str:
        each = ", ".join(f"{name} {value:.1e}" for name, value in self.differences.items())
        return f"largest difference {self.largest:.1e} ({each}) on {' and '.join(self.samples)}"


def compare(run: Run, samples: Sequence[Compared], spec: DataSpec, sizes: Sequence[int] = SIZES) -> Parity:
    """The largest differences at several batch sizes.

    Logits and numbers count in standard deviations, probabilities as they are. Two outputs of which one is not finite
    differ without end.
    """
    found: dict[str, float] = {}
    for compared in samples:
        for size in sizes:
            for part in batches(compared, min(size, len(compared)), BATCHES):
                answers = run(part.inputs)
                for name, wanted in part.answers.items():
                    own = _in_deviations(name, answers[name], spec)
                    difference = _difference(own, wanted) / compared.spread[name]
                    found[name] = max(found.get(name, 0.0), difference)
    return Parity(found, tuple(compared.what for compared in samples))


def _in_deviations(name: str, values: Tensor, spec: DataSpec) -> Tensor:
    return values / torch.tensor(spec.numbers.std) if name == "values" and spec.numbers is not None else values


def _difference(own: Tensor, wanted: Tensor) -> float:
    if own.shape != wanted.shape:
        return torch.inf
    largest = float((own.double() - wanted.double()).abs().max())
    return largest if largest == largest else torch.inf  # NaN is not itself


def require_parity(parity: Parity, path: str, limit: float = LIMIT) -> None:
    """Raise ``CheckpointError`` where the answers differ by more than ``limit``."""
    if not parity.largest <= limit:
        raise CheckpointError(f"{path}: does not answer as the checkpoint does: {parity}; {limit:g} is allowed")
