"""Recurrent networks: text ``[B, T]`` to logits ``[B, T, V]``, windows of a series ``[B, T, F]`` to ``[B, H, K]``."""

from functools import partial

import torch
from torch import Tensor, nn

from cnncli.core.errors import ConfigError
from cnncli.core.numbers import Count, Probability
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.kinds import takes

State = Tensor | tuple[Tensor, Tensor]
"""The hidden state ``[layers, B, hidden]``; an LSTM has a cell state of that shape too."""

_CELLS: dict[str, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentText(nn.Module):
    """Embedding, recurrent layers, one linear layer: ids ``[B, T]`` to logits ``[B, T, V]`` of the next characters."""

    def __init__(self, body: nn.RNNBase, vocabulary: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, body.input_size)
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(body.hidden_size, vocabulary)

    def forward(self, ids: Tensor) -> Tensor:
        outputs, _ = self.body(self.embedding(ids))
        logits: Tensor = self.head(self.dropout(outputs))
        return logits

    def read(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Ids ``[B, T]`` to the logits ``[B, T, V]`` of the next characters, going on from a state, and that after."""
        outputs, state = self.body(self.embedding(ids), state)
        return self.head(self.dropout(outputs)), state

    @torch.no_grad()
    def step(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """New characters ``[B, t]`` to the logits ``[B, V]`` after the last, and the hidden state to go on from."""
        outputs, state = self.body(self.embedding(ids), state)
        return self.head(self.dropout(outputs[:, -1])), state

    def reorder(self, state: State, indices: Tensor) -> State:
        """The state of the batch rows ``indices``, in that order; a row may be taken more than once."""
        if isinstance(state, Tensor):
            return state.index_select(1, indices)
        return state[0].index_select(1, indices), state[1].index_select(1, indices)


class RecurrentSeries(nn.Module):
    """Recurrent layers, then one linear layer on the last output: windows ``[B, T, F]`` to ``[B, *outputs]``.

    The direction that reads backwards has its last output at the first position.
    """

    def __init__(self, body: nn.RNNBase, outputs: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(dropout)
        directions = 2 if body.bidirectional else 1
        self.head = nn.Linear(directions * body.hidden_size, torch.Size(outputs).numel())
        self.outputs = outputs

    def forward(self, windows: Tensor) -> Tensor:
        outputs, _ = self.body(windows)
        hidden = self.body.hidden_size
        last = outputs[:, -1]
        if self.body.bidirectional:
            last = torch.cat([outputs[:, -1, :hidden], outputs[:, 0, hidden:]], dim=1)
        answer: Tensor = self.head(self.dropout(last))
        return answer.view(-1, *self.outputs)


def _recurrent(
    spec: DataSpec,
    /,
    cell: str,
    hidden: Count = 256,
    layers: Count = 1,
    dropout: Probability = 0.0,
    bidirectional: bool = False,
    embedding: Count | None = None,
) -> nn.Module:
    """Dropout acts between the layers and before the head; `embedding` is the width of a character's vector."""
    takes(cell, spec, "series", "text")
    is_text = spec.kind.every_position
    if bidirectional and is_text:
        raise ConfigError(f"a bidirectional {cell} would see the characters it has to predict; leave it out for text")
    if embedding is not None and not is_text:
        raise ConfigError("embedding is for text, the data are series; leave it out")
    # cuDNN keeps random numbers of its own for the dropout between layers, and torch makes them anew after every seed,
    # for which it reads a number from the GPU (get_dropout_state): as a step has its seed, so that a resumed run is the
    # same, each of them waits once. Dropout of our own between single layers would not wait, but cuDNN could no longer
    # compute a layer while the one before it goes on, and would copy each layer's weights together in every step.
    body = _CELLS[cell](
        (embedding or hidden) if is_text else spec.input_shape[-1],
        hidden,
        layers,
        batch_first=True,
        dropout=dropout if layers > 1 else 0.0,  # torch warns of a dropout that has no layers to stand between
        bidirectional=bidirectional,
    )
    return RecurrentText(body, spec.num_outputs, dropout) if is_text else RecurrentSeries(body, spec.outputs, dropout)


_DESCRIPTIONS = {
    "rnn": "Recurrent network with tanh units (Elman 1990), for series and text",
    "lstm": "Long short-term memory (Hochreiter & Schmidhuber 1997), for series and text",
    "gru": "Gated recurrent units (Cho et al. 2014), for series and text",
}
for _cell, _description in _DESCRIPTIONS.items():
    models.add(_cell, partial(_recurrent, cell=_cell), description=_description, hidden=("cell",))
