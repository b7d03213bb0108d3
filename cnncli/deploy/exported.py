"""An exported ONNX file as something that answers: the same questions, asked in the same way, as of a checkpoint."""

from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from cnncli.config.sections import Config
from cnncli.core.errors import CheckpointError
from cnncli.core.spec import DataSpec, Series
from cnncli.deploy.description import Description
from cnncli.deploy.formats import described, open_as
from cnncli.deploy.judge import as_outputs
from cnncli.deploy.parity import Run
from cnncli.deploy.samples import raw_of
from cnncli.inference.predictor import Predictor
from cnncli.runs.checkpoint import Checkpoint
from cnncli.training.network import use_calibration


def load_exported(path: Path) -> Predictor:
    """The predictor of an ONNX file that ``export`` wrote; raises ``CheckpointError`` for any other.

    It has no PyTorch network: there is nothing to explain or to train on.
    """
    description = described(path)
    own = description.own
    if own is None:
        raise CheckpointError(f"{path}: its description lacks what cnncli answers with; export it again")
    try:
        spec = DataSpec.from_dict(own.spec)
        config = Config.model_validate({**own.config, "device": "cpu", "precision": "fp32"})
    except (ValidationError, TypeError) as error:
        raise CheckpointError(f"{path}: its description is not one of cnncli's export; export it again") from error
    checkpoint = Checkpoint(config, spec, {}, {}, own.calibration, path=path)
    network = _network(open_as(path, description, None), description)
    predictor = Predictor(checkpoint, config, network=network)
    network.predictor = predictor
    use_calibration(predictor.task, checkpoint)
    return predictor


class OnnxNetwork(nn.Module):
    """Samples as the data room gives them to the network's own answers."""

    predictor: Predictor

    def __init__(self, run: Run, description: Description) -> None:
        super().__init__()
        self.run, self.description = run, description

    def forward(self, samples: Tensor) -> Tensor:
        return self._asked(raw_of(self.predictor, samples))

    def _asked(self, raw: dict[str, Tensor]) -> Tensor:
        """What the network gave; of a graph that takes one sample at a time, one by one."""
        if self.description.any_batch:
            return as_outputs(self.run(raw), self.predictor)
        count = len(next(iter(raw.values())))
        parts = [self.run({name: value[i : i + 1] for name, value in raw.items()}) for i in range(count)]
        return torch.cat([as_outputs(part, self.predictor) for part in parts])


class OnnxText(OnnxNetwork):
    """A network of text, which goes on from where it was."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.run({"ids": ids})["logits"]

    def step(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """New ids ``[B, t]`` to the logits ``[B, V]`` after the last, and the state to hand back."""
        text = self.description.text
        assert text is not None
        if text.state:
            answers = self.run({"ids": ids, **(state or {})})
            return answers["logits"][:, -1], {port.name: answers[f"{port.name}_after"] for port in text.state}
        whole = ids if state is None else torch.cat([state, ids], dim=1)
        assert text.block is not None
        assert text.keep is not None
        if whole.shape[1] > text.block:
            whole = whole[:, -text.keep :]
        return self.run({"ids": whole})["logits"][:, -1], whole

    def reorder(self, state: Any, indices: Tensor) -> Any:
        """The state of the batch rows ``indices``."""
        if isinstance(state, Tensor):
            return state.index_select(0, indices)
        return {name: value.index_select(1, indices) for name, value in state.items()}


class OnnxSeries(OnnxNetwork):
    """Windows as the network gets them, taken back to values of a series that has them, and the answers forth."""

    def forward(self, windows: Tensor) -> Tensor:
        spec = self.predictor.spec
        series = spec.require(Series, "a window")
        first = series.parts[0] if series.parts else series
        mean, std = (torch.tensor(values, dtype=torch.float64) for values in (first.mean, first.std))
        level = _levels(windows.double() * std + mean, series.difference or 0)
        raw = {"window": level.exp() if series.log else level}
        if series.parts:
            raw["series"] = torch.zeros(len(windows), dtype=torch.int64)
        found = self.run(raw)["forecast"]
        chosen = [series.columns.index(name) for name in series.targets]
        ahead = found.log() if series.log else found
        if series.difference:
            steps, back = level.shape[1], series.difference
            ends = [steps + h - back * (h // back + 1) for h in range(ahead.shape[1])]
            ahead = ahead - level[:, :, chosen][:, ends]
        return ((ahead - mean[chosen]) / std[chosen]).float()


def _levels(moves: Tensor, back: int) -> Tensor:
    """A series ``[N, back + T, F]`` that begins with zeros and whose differences over ``back`` steps are ``moves``."""
    if not back:
        return moves
    level = torch.zeros(len(moves), back + moves.shape[1], moves.shape[2], dtype=moves.dtype)
    for step in range(moves.shape[1]):
        level[:, back + step] = level[:, step] + moves[:, step]
    return level


def _network(run: Run, description: Description) -> OnnxNetwork:
    kinds = {"text": OnnxText, "series": OnnxSeries}
    return kinds.get(description.kind, OnnxNetwork)(run, description)
