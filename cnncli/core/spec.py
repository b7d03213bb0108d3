"""What the data tells the model: the only thing that data and models know of each other."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Preprocess:
    """How a stored picture becomes the network's input: ``(pixel / 255 - mean) / std``, per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class DataSpec:
    """One sample's shape ``(C, H, W)``, the class names in the order of the logits, and the preprocessing."""

    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    preprocess: Preprocess

    @property
    def num_outputs(self) -> int:
        """How many values the network's last layer gives for one sample."""
        return len(self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as a checkpoint stores them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DataSpec":
        """The inverse of ``to_dict``; lists are accepted where tuples were."""
        preprocess = values["preprocess"]
        return cls(
            input_shape=tuple(values["input_shape"]),
            classes=tuple(values["classes"]),
            preprocess=Preprocess(mean=tuple(preprocess["mean"]), std=tuple(preprocess["std"])),
        )
