"""The raw window of a series as the network's input, and its answer in the data's unit, inside an exported graph."""

from math import ceil

import torch
from torch import Tensor, nn

from cnncli.core.spec import Series
from cnncli.deploy.ports import BATCH, Port
from cnncli.inference.predictor import Predictor


class FromSeries(nn.Module):
    """``window`` float64 ``[N, T, F]`` of raw values, the oldest first, to the network's windows, and back.

    Of several series ``series`` int64 ``[N]`` says which one a window is of, in the order of the description's
    ``parts``. With ``difference`` the window is that much longer.
    """

    mean: Tensor
    std: Tensor
    half_width: Tensor

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        spec = predictor.spec
        series = spec.require(Series, "an export of a series")
        self.log, self.difference = series.log, series.difference or 0
        self.several = bool(series.parts)
        self.horizon = spec.outputs[0]
        parts = [(part.mean, part.std) for part in series.parts] or [(series.mean, series.std)]
        self.register_buffer("mean", torch.tensor([mean for mean, _ in parts], dtype=torch.float64))
        self.register_buffer("std", torch.tensor([std for _, std in parts], dtype=torch.float64))
        self.chosen = [series.columns.index(name) for name in series.targets]
        width = getattr(predictor.task.calibration, "half_width", [])
        self.register_buffer("half_width", torch.tensor(width, dtype=torch.float64))
        self.gives = ("forecast", "lower", "upper") if width else ("forecast",)
        steps = spec.input_shape[0] + self.difference
        ports = [Port("window", "float64", (BATCH, steps, len(series.columns)))]
        self.ports = tuple([*ports, *([Port("series", "int64", (BATCH,))] if self.several else [])])

    def forward(self, window: Tensor, *which: Tensor) -> Tensor:
        level = window.log() if self.log else window
        if self.difference:
            level = level[:, self.difference :] - level[:, : -self.difference]
        mean, std = self._scale(*which)
        return ((level - mean) / std).float()

    def _scale(self, *which: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each column, to be used with ``[N, T, F]``."""
        if self.several:
            return self.mean[which[0]].unsqueeze(1), self.std[which[0]].unsqueeze(1)
        return self.mean, self.std

    def undo(self, outputs: Tensor, window: Tensor, *which: Tensor) -> tuple[Tensor, ...]:
        """The network's answer ``[N, H, K]`` to ``window`` as values of the series: the forecast and its interval."""
        mean, std = (values[..., self.chosen] for values in self._scale(*which))
        found = outputs.double() * std + mean
        if self.difference:
            level = window[:, :, self.chosen].log() if self.log else window[:, :, self.chosen]
            steps = level.shape[1]
            back = [steps + h - self.difference * ceil((h + 1) / self.difference) for h in range(self.horizon)]
            found = found + level[:, back]
        ends = [found]
        if len(self.gives) > 1:
            width = self.half_width * std if self.several else self.half_width
            ends += [found - width, found + width]
        return tuple(end.exp() if self.log else end for end in ends)
