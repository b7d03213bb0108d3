"""A decoder-only transformer (GPT-2, Radford et al. 2019): pre-norm, causal attention, a GELU layer of four widths."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.core.errors import ConfigError
from cnncli.core.numbers import Count, Probability
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.models.kinds import takes

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines ``[T, D/2]`` of the angles of the positions."""


@dataclass(frozen=True)
class Cache:
    """What decoding remembers: ids ``[B, block]``, keys and values ``[layers, 2, B, heads, block, D]``.

    ``length`` positions of them are filled. A step writes into the tensors: a cache handed to it is used up.
    """

    ids: Tensor
    keys_values: Tensor
    length: int


def rotation(block: int, size: int) -> Rotation:
    """The angles of rotary positions for heads of ``size`` values (Su et al. 2021, section 3.2.2)."""
    frequencies = 10_000.0 ** (-torch.arange(0, size, 2) / size)
    angles = torch.outer(torch.arange(block).float(), frequencies)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: Rotation) -> Tensor:
    """Turn the pairs (first half, second half) of each head ``[B, heads, T, D]`` by the angles of their position."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = turn
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).type_as(x)


class Attention(nn.Module):
    """Causal self-attention with heads, ``[B, T, width]`` to the same (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, turn: Rotation | None, past: Tensor | None = None, start: int = 0) -> Tensor:
        """``past`` are this layer's keys and values ``[2, B, heads, block, D]``, ``start`` of them filled."""
        steps = x.shape[1]
        # views of one product, [B, heads, T, D] each: nothing is copied
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        if turn is not None:
            query, key = rotate(query, turn), rotate(key, turn)
        mask = None
        if past is not None:
            past[0, :, :, start : start + steps] = key
            past[1, :, :, start : start + steps] = value
            key, value = past[:, :, :, : start + steps].unbind()
            if start and steps > 1:  # is_causal counts from the first key, but these queries come after `start` keys
                mask = torch.ones(steps, start + steps, dtype=torch.bool, device=x.device).tril(start)
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=steps > 1 and mask is None,
        )
        answer: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return answer


class Block(nn.Module):
    """Attention, then two linear layers with a GELU, each on normalised values around a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, turn: Rotation | None, past: Tensor | None = None, start: int = 0) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x), turn, past, start))
        added: Tensor = self.dropout(self.down(F.gelu(self.up(self.norm2(x)))))
        return x + added


class Decoder(nn.Module):
    """Positions, blocks and the last normalisation: what text and series share, ``[B, T, width]`` to the same."""

    cos: Tensor
    sin: Tensor

    def __init__(self, block: int, layers: int, width: int, heads: int, dropout: float, positions: str) -> None:
        super().__init__()
        self.block, self.width, self.heads = block, width, heads
        self.positions = nn.Embedding(block, width) if positions == "learned" else None
        if self.positions is None:
            cos, sin = rotation(block, width // heads)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, past: Tensor | None = None, start: int = 0) -> Tensor:
        """``past`` ``[layers, 2, B, heads, block, D]`` is written to; ``start`` is the position of the first value."""
        stop = start + x.shape[1]
        turn = None
        if self.positions is None:
            turn = self.cos[start:stop], self.sin[start:stop]
        else:
            x = x + self.positions.weight[start:stop]
        x = self.dropout(x)
        for number, block in enumerate(self.blocks):
            x = block(x, turn, None if past is None else past[number], start)
        return x

    def init_weights(self, model: nn.Module) -> None:
        """GPT-2's start for all of ``model``: standard deviation 0.02, smaller where blocks add to the shortcut."""
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        for name, parameter in self.named_parameters():
            if name.endswith(("attention.out.weight", "down.weight")):
                nn.init.normal_(parameter, std=0.02 / sqrt(2 * len(self.blocks)))


class TransformerText(nn.Module):
    """Ids ``[B, T]`` to logits ``[B, T, V]``; the output weights are the embedding's unless ``tie_weights`` is off."""

    def __init__(self, decoder: Decoder, vocabulary: int, tie_weights: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, decoder.width)
        self.decoder = decoder
        self.head = None if tie_weights else nn.Linear(decoder.width, vocabulary, bias=False)
        decoder.init_weights(self)

    def forward(self, ids: Tensor) -> Tensor:
        return self._logits(self.decoder(self.embedding(ids)))

    def _logits(self, features: Tensor) -> Tensor:
        weight = self.embedding.weight if self.head is None else self.head.weight
        return F.linear(self.decoder.norm(features), weight)

    @torch.no_grad()
    def step(self, ids: Tensor, state: Cache | None) -> tuple[Tensor, Cache]:
        """New characters ``[B, t]`` to the logits ``[B, V]`` after the last, and the cache to hand back.

        The network knows the positions of one block. When they are used up, the last half block is encoded anew as
        the beginning of a text: about two positions a character on average, however long the text grows. Up to
        there the answer is that of the whole text; after that, that of its last half block or more.
        """
        state = state or self._empty_cache(len(ids))
        start, block = state.length, self.decoder.block
        if start + ids.shape[1] > block:
            kept = max(1, block // 2)
            ids, start = torch.cat([state.ids[:, :start], ids], dim=1)[:, -kept:], 0
        stop = start + ids.shape[1]
        state.ids[:, start:stop] = ids
        features = self.decoder(self.embedding(ids), state.keys_values, start)
        return self._logits(features[:, -1]), Cache(state.ids, state.keys_values, stop)

    def _empty_cache(self, batch: int) -> Cache:
        decoder, weight = self.decoder, self.embedding.weight
        shape = (len(decoder.blocks), 2, batch, decoder.heads, decoder.block, decoder.width // decoder.heads)
        ids = torch.zeros(batch, decoder.block, dtype=torch.int64, device=weight.device)
        return Cache(ids, weight.new_zeros(shape), 0)

    def reorder(self, state: Cache, indices: Tensor) -> Cache:
        """The cache of the batch rows ``indices``, in that order; a row may be taken more than once."""
        return Cache(state.ids.index_select(0, indices), state.keys_values.index_select(2, indices), state.length)


class TransformerSeries(nn.Module):
    """Windows ``[B, T, F]``, each step projected to the width, to ``[B, *outputs]`` from the last position."""

    def __init__(self, decoder: Decoder, features: int, outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.project = nn.Linear(features, decoder.width)
        self.decoder = decoder
        self.head = nn.Linear(decoder.width, torch.Size(outputs).numel())
        self.outputs = outputs
        decoder.init_weights(self)

    def forward(self, windows: Tensor) -> Tensor:
        features: Tensor = self.decoder(self.project(windows))
        answer: Tensor = self.head(self.decoder.norm(features[:, -1]))
        return answer.view(-1, *self.outputs)


@models.register("transformer")
def transformer(
    spec: DataSpec,
    /,
    layers: Count = 4,
    width: Count = 128,
    heads: Count = 4,
    dropout: Probability = 0.0,
    positions: Literal["learned", "rotary"] = "learned",
    tie_weights: bool = True,
) -> nn.Module:
    """Decoder-only transformer as GPT-2 (Radford et al. 2019), for text and series; `tie_weights` is for text."""
    takes("transformer", spec, "series", "text")
    if width % heads:
        raise ConfigError(f"width={width} cannot be divided among heads={heads}; use a multiple")
    if positions == "rotary" and (width // heads) % 2:
        raise ConfigError(f"rotary positions turn pairs, a head has {width // heads} values; use an even width/heads")
    decoder = Decoder(spec.input_shape[0], layers, width, heads, dropout, positions)
    if spec.kind.every_position:
        return TransformerText(decoder, spec.num_outputs, tie_weights)
    return TransformerSeries(decoder, spec.input_shape[-1], spec.outputs)
