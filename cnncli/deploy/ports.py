"""What goes into an exported network and comes out of it, by name."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

DType = Literal["uint8", "int64", "float32", "float64"]
BATCH, STEPS = "N", "T"  # the axes that may have any length


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Port:
    """An input or output: its name, type and shape, where ``N`` is any number of samples and ``T`` of steps."""

    name: str
    dtype: DType
    shape: tuple[int | Literal["N", "T"], ...]

    def example(self, batch: int, steps: int) -> tuple[int, ...]:
        """The shape for so many samples and steps."""
        lengths = {BATCH: batch, STEPS: steps}
        return tuple(lengths[size] if isinstance(size, str) else size for size in self.shape)
