"""The layers of a network, from a config or from a checkpoint."""

import re
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError
from cnncli.core.html import table
from cnncli.core.spec import DataSpec, Pictures
from cnncli.inference.predictor import load_predictor
from cnncli.models.inspect import LayerRow, Totals, inspect_layers, totals
from cnncli.runs.references import RUNS
from cnncli.training.build import blaming, open_data
from cnncli.training.configs import ConfigSource, load_config
from cnncli.training.display import Display
from cnncli.training.finetune import Strategy
from cnncli.training.network import build_model, input_type


class Layers(list[LayerRow]):
    """A network's layers, one after the other; in a notebook a table."""

    @property
    def parameters(self) -> int:
        """The parameters of all layers."""
        return sum(row.parameters for row in self)

    @property
    def totals(self) -> Totals:
        """What the network has and does in all: multiply-adds, bytes of activations, trainable and frozen."""
        return totals(self)

    def _repr_html_(self) -> str:
        whole = self.totals
        rows = [
            [r.name, r.kind, "×".join(map(str, r.output_shape)), r.formula, r.parameters, r.multiply_adds] for r in self
        ]
        columns = ["layer", "type", "output", "how they are counted", "parameters", "multiply-adds"]
        last = ["all", "", "", "", whole.parameters, whole.multiply_adds]
        return table(columns, [*rows, last], left=4)


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
    with blaming(loaded, "finetune"):
        _freeze(model, loaded.config, spec)
    return inspect_layers(model, spec.input_shape, input_type(spec))


def _freeze(model: nn.Module, config: Config, spec: DataSpec) -> None:
    """Let those parameters learn that fine-tuning trains in the first epoch, and no others."""
    if config.finetune is not None:
        Strategy(config.finetune, model, spec.num_outputs).frozen_at(0)


def _spec(shape: str, classes: int) -> DataSpec:
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*){2}", shape) or classes < 1:
        raise ConfigError(f"--input {shape} --classes {classes}: write channels,height,width and a number of classes")
    channels, height, width = map(int, shape.split(","))
    preprocess = Pictures((0.0,) * channels, (1.0,) * channels)
    return DataSpec((channels, height, width), tuple(map(str, range(classes))), preprocess)


def inspect_checkpoint(path: Path, overrides: Sequence[str], plugins: Sequence[Path]) -> list[LayerRow]:
    """The layers of a trained network."""
    predictor = load_predictor(path, overrides, plugins)
    _freeze(predictor.network, predictor.config, predictor.spec)
    return inspect_layers(predictor.network, predictor.spec.input_shape, input_type(predictor.spec))
