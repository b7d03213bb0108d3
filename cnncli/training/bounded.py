"""Building a network whose weights are known: one that gets much larger is stopped on the way."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from cnncli.core.errors import CheckpointError

SMALL = 2**16  # bytes of parameters that are never too many
TABLES = 2**25  # bytes of buffers that no file has: positions, masks
FEW = 1_000  # tensors or modules that are never too many


@contextmanager
def no_larger_than(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Raise ``CheckpointError`` where what is built inside needs more memory or parts than a network of ``weights``.

    A parameter is counted when a module takes it in, which is before it is filled: memory that was only asked for
    costs nothing.
    """
    stored = sum(tensor.nbytes for tensor in weights.values())
    # twice: a parameter that two modules share is taken in by both
    left = {"parameters": 2 * stored + SMALL, "buffers": 2 * stored + TABLES, "parts": 20 * len(weights) + FEW}

    def take(what: str, amount: int) -> None:
        left[what] -= amount
        left["parts"] -= 1
        if left[what] < 0 or left["parts"] < 0:
            raise CheckpointError(
                f"its config describes a much larger network than its weights, {stored:,} bytes, are of"
            )

    def parameter(_module: nn.Module, _name: str, taken: Tensor | None) -> None:
        take("parameters", 0 if taken is None else taken.nbytes)

    def buffer(_module: nn.Module, _name: str, taken: Tensor | None) -> None:
        take("buffers", 0 if taken is None else taken.nbytes)

    def part(_module: nn.Module, _name: str, _taken: nn.Module | None) -> None:
        take("parts", 0)

    hooks = [
        register_module_parameter_registration_hook(parameter),
        register_module_buffer_registration_hook(buffer),
        register_module_module_registration_hook(part),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
