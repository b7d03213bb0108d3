"""Convolutions over time: series ``[B, T, F]`` to ``[B, H, K]``, text ``[B, T]`` to logits ``[B, T, V]``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.core.numbers import Count, Probability
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.kinds import takes


class CausalBlock(nn.Module):
    """Two causal dilated convolutions around a shortcut ``[B, C, T]`` (Bai et al. 2018, figure 1b, no weight norm).

    Where the channels change the shortcut is a convolution of size 1.
    """

    def __init__(self, before: int, width: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.padding = (kernel_size - 1) * dilation
        self.conv1 = nn.Conv1d(before, width, kernel_size, dilation=dilation)
        self.conv2 = nn.Conv1d(width, width, kernel_size, dilation=dilation)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Identity() if before == width else nn.Conv1d(before, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(F.relu(self.conv1(F.pad(x, (self.padding, 0)))))
        out = self.dropout(F.relu(self.conv2(F.pad(out, (self.padding, 0)))))
        return F.relu(out + self.shortcut(x))


def _causal_blocks(before: int, width: int, layers: int, kernel_size: int, dropout: float) -> nn.Sequential:
    blocks = []
    for number in range(layers):
        blocks.append(CausalBlock(before, width, kernel_size, 2**number, dropout))
        before = width
    return nn.Sequential(*blocks)


class TCNText(nn.Module):
    """Embedding, causal blocks, one linear layer: ids ``[B, T]`` to logits ``[B, T, V]`` of the next characters."""

    def __init__(self, body: nn.Sequential, vocabulary: int, width: int, window: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.body = body
        self.head = nn.Linear(width, vocabulary)
        self.window = window

    def _features(self, ids: Tensor) -> Tensor:
        features: Tensor = self.body(self.embedding(ids).transpose(1, 2)).transpose(1, 2)
        return features

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self._features(ids))
        return logits

    @torch.no_grad()
    def step(self, ids: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """New characters ``[B, t]`` to the logits ``[B, V]`` after the last, and the ids ``[B, ≤ window]`` to keep.

        The last answer is computed anew from the ids it can depend on: as far as the convolutions reach, and at most
        a block of the training, so that a character costs the same however long the text is.
        """
        state = (ids if state is None else torch.cat([state, ids], dim=1))[:, -self.window :]
        return self.head(self._features(state)[:, -1]), state

    def reorder(self, state: Tensor, indices: Tensor) -> Tensor:
        """The state of the batch rows ``indices``, in that order; a row may be taken more than once."""
        return state.index_select(0, indices)


class TCNSeries(nn.Module):
    """Causal blocks, then one linear layer on the last position: windows ``[B, T, F]`` to ``[B, *outputs]``."""

    def __init__(self, body: nn.Sequential, outputs: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, torch.Size(outputs).numel())
        self.outputs = outputs

    def forward(self, windows: Tensor) -> Tensor:
        answer: Tensor = self.head(self.body(windows.transpose(1, 2))[:, :, -1])
        return answer.view(-1, *self.outputs)


@models.register("tcn")
def tcn(
    spec: DataSpec,
    /,
    channels: Count = 64,
    layers: Count = 4,
    kernel_size: Count = 3,
    dropout: Probability = 0.0,
) -> nn.Module:
    """Causal residual convolutions whose dilation doubles each layer (Bai et al. 2018), for series and text."""
    takes("tcn", spec, "series", "text")
    if spec.kind.every_position:
        reach = 1 + 2 * (kernel_size - 1) * (2 ** min(layers, 32) - 1)  # more than any block has
        body = _causal_blocks(channels, channels, layers, kernel_size, dropout)
        return TCNText(body, spec.num_outputs, channels, min(reach, spec.input_shape[0]))
    body = _causal_blocks(spec.input_shape[-1], channels, layers, kernel_size, dropout)
    return TCNSeries(body, spec.outputs, channels)


class Conv1dStack(nn.Module):
    """Convolutions with ReLU, the mean over time, one linear layer: windows ``[B, T, F]`` to ``[B, *outputs]``."""

    def __init__(self, body: nn.Sequential, outputs: tuple[int, ...], width: int, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, torch.Size(outputs).numel())
        self.outputs = outputs

    def forward(self, windows: Tensor) -> Tensor:
        answer: Tensor = self.head(self.dropout(self.body(windows.transpose(1, 2)).mean(dim=2)))
        return answer.view(-1, *self.outputs)


@models.register("conv1d")
def conv1d(
    spec: DataSpec,
    /,
    channels: tuple[Count, ...] = (32, 64),
    kernel_size: Count = 3,
    dropout: Probability = 0.0,
) -> nn.Module:
    """[conv over time, ReLU] for each of `channels`, the mean over time, a linear layer; for series."""
    takes("conv1d", spec, "series")
    body: list[nn.Module] = []
    before = spec.input_shape[-1]
    for width in channels:
        body += [nn.Conv1d(before, width, kernel_size, padding=kernel_size // 2), nn.ReLU()]
        before = width
    return Conv1dStack(nn.Sequential(*body), spec.outputs, before, dropout)
