"""The layers of a network, from a config or from a checkpoint."""

import re
from collections.abc import Sequence
from pathlib import Path

from cnncli.core.errors import ConfigError
from cnncli.core.html import table
from cnncli.core.spec import DataSpec, Pictures
from cnncli.inference.predictor import load_predictor
from cnncli.models.inspect import LayerRow, inspect_layers
from cnncli.runs.references import RUNS
from cnncli.training.build import blaming, open_data
from cnncli.training.configs import ConfigSource, load_config
from cnncli.training.display import Display
from cnncli.training.network import build_model, input_type


class Layers(list[LayerRow]):
    """A network's layers, one after the other; in a notebook a table."""

    @property
    def parameters(self) -> int:
        """The parameters of all layers."""
        return sum(row.parameters for row in self)

    def _repr_html_(self) -> str:
        rows = [[r.name, r.kind, "×".join(map(str, r.output_shape)), r.formula, r.parameters] for r in self]
        return table(["layer", "type", "output", "how they are counted", "parameters"],
                     [*rows, ["all", "", "", "", self.parameters]], left=4)  # fmt: skip


def inspect_config(
    source: ConfigSource, overrides: Sequence[str], shape: str | None, classes: int, runs_dir: Path = RUNS
) -> list[LayerRow]:
    """The layers of the network that a config describes.

    Its data tell the input's shape and the classes, unless ``shape`` (``C,H,W``) is given: then ``classes`` counts
    and no data are needed.
    """
    loaded = load_config(source, overrides, runs_dir=runs_dir)
    if shape is not None:
        spec = _spec(shape, classes)
    else:
        with blaming(loaded, "dataset"):
            spec = open_data(loaded.config, Display().track).spec
    with blaming(loaded, "model"):
        model = build_model(loaded.config, spec)
    return inspect_layers(model, spec.input_shape, input_type(spec))


def _spec(shape: str, classes: int) -> DataSpec:
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*){2}", shape) or classes < 1:
        raise ConfigError(f"--input {shape} --classes {classes}: write channels,height,width and a number of classes")
    channels, height, width = map(int, shape.split(","))
    preprocess = Pictures((0.0,) * channels, (1.0,) * channels)
    return DataSpec((channels, height, width), tuple(map(str, range(classes))), preprocess)


def inspect_checkpoint(path: Path, overrides: Sequence[str], plugins: Sequence[Path]) -> list[LayerRow]:
    """The layers of a trained network."""
    predictor = load_predictor(path, overrides, plugins)
    return inspect_layers(predictor.network, predictor.spec.input_shape, input_type(predictor.spec))
