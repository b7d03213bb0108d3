"""Text continued by a trained network, one character after the other, or as a whole by beam search.

Every network here remembers what it has read (``step`` and its state), so that a character costs the same however
long the text has grown.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from cnncli.compute.failures import ANSWERING, explained
from cnncli.core.errors import ConfigError
from cnncli.core.spec import Text
from cnncli.inference.predictor import Predictor

MAX_BEAMS = 4096  # each is a row of the batch, with a cache of its own
FEWER_BEAMS = f"search with fewer beams, {ANSWERING}"
UNKNOWN = 0
"""The id that stands for every character unknown to the training part."""


@runtime_checkable
class TextModel(Protocol):
    """A network that reads a text piece by piece; the state is its own affair, None at the beginning."""

    def step(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """New ids ``[B, t]`` to the logits ``[B, V]`` after the last, and the state to hand back (once)."""

    def reorder(self, state: Any, indices: Tensor) -> Any:
        """The state of the batch rows ``indices``."""


def text_of(predictor: Predictor) -> Text:
    """The vocabulary of a text model; raises ``ConfigError`` for any other network."""
    return predictor.spec.require(Text, f"{predictor.path}: generate", predictor.advice)


def encode(prompt: str, text: Text) -> tuple[list[int], list[str]]:
    """The ids of the prompt's characters, and those unknown to the vocabulary, each once."""
    ids = {character: number for number, character in enumerate(text.vocabulary) if number != UNKNOWN}
    unknown = dict.fromkeys(character for character in prompt if character not in ids)
    return [ids.get(character, UNKNOWN) for character in prompt], list(unknown)


@torch.inference_mode()
def sample(
    model: TextModel,
    ids: Sequence[int],
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    unknown_id: int = UNKNOWN,
) -> Iterator[int]:
    """``length`` ids that follow ``ids``, drawn one at a time; temperature 0 takes the most probable each time.

    ``unknown_id`` is never drawn. The draws depend on ``seed`` alone, not on torch's own generator.
    """
    generator = torch.Generator().manual_seed(seed)
    new, state = _tensor(model, [list(ids)]), None
    for _ in range(length):
        logits, state = _step(model, new, state)
        scores = logits[0].cpu().double()
        scores[unknown_id] = -inf
        chances, order = candidates(scores, temperature, top_k, top_p)
        chosen = int(order[chances.multinomial(1, generator=generator)])
        yield chosen
        new = new.new_tensor([[chosen]])


def candidates(
    scores: Tensor, temperature: float, top_k: int | None = None, top_p: float | None = None
) -> tuple[Tensor, Tensor]:
    """The probabilities ``[n]`` to draw with and the ids ``[n]`` they belong to, from scores ``[V]``, best first.

    ``top_k`` keeps the best k; of these ``top_p`` keeps the smallest number that has this much of the probability
    (Holtzman et al. 2020).
    """
    scores, order = scores.sort(descending=True, stable=True)
    kept = 1 if temperature == 0 else min(top_k or len(scores), len(scores))
    # less the highest, so that a temperature near 0 gives minus infinity and never infinity
    chances = ((scores[:kept] - scores[0]) / (temperature or 1.0)).softmax(dim=0)
    if top_p is not None and top_p < 1:
        before = chances.cumsum(dim=0) - chances
        kept = int((before < top_p).sum())
        chances = chances[:kept] / chances[:kept].sum()
    return chances, order[:kept]


@torch.inference_mode()
def beam_search(
    model: TextModel, ids: Sequence[int], length: int, beams: int, unknown_id: int = UNKNOWN
) -> tuple[list[int], float]:
    """The most probable continuation found by keeping the ``beams`` best at every step, and its log-probability.

    All beams are one batch. With one beam this is the greedy choice; with at least V^(length - 1) it is exact.
    """
    new, state = _tensor(model, [list(ids)]), None
    totals = torch.zeros(1, dtype=torch.float64)
    steps: list[tuple[Tensor, Tensor]] = []  # of each step: which beam was continued, and with which id
    for number in range(length):
        logits, state = _step(model, new, state)
        scores = totals[:, None] + logits.cpu().double().log_softmax(dim=1)
        scores[:, unknown_id] = -inf
        rows, width = scores.shape
        totals, best = scores.flatten().topk(min(beams, rows * (width - 1)))
        parents, chosen = best // width, best % width
        steps.append((parents, chosen))
        if number < length - 1:
            with explained(FEWER_BEAMS):
                state = model.reorder(state, parents.to(new.device))
            new = chosen[:, None].to(new.device)
    row, found = 0, []  # topk gives the best first
    for parents, chosen in reversed(steps):
        found.append(int(chosen[row]))
        row = int(parents[row])
    return found[::-1], float(totals[0])


def generate(
    predictor: Predictor,
    prompt: str,
    length: int = 500,
    temperature: float = 0.8,
    top_k: int | None = 40,
    top_p: float | None = None,
    beams: int | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """The characters that follow ``prompt``, one at a time; with ``beams`` all at the end, and nothing is drawn.

    An empty prompt continues a line break. Raises ``ConfigError``, at once, when the network is no text model or an
    option is out of range.
    """
    if beams is not None:
        return iter(most_probable(predictor, prompt, length, beams)[0])
    text, model, ids = _begin(predictor, prompt, length)
    _check(0 <= temperature < inf, f"--temperature {temperature}: use 0 (the most probable) or more")
    _check(top_k is None or top_k >= 1, f"--top-k {top_k}: use 1 or more")
    _check(top_p is None or 0 < top_p <= 1, f"--top-p {top_p}: use a number above 0 and at most 1")
    _check(0 <= seed < 2**63, f"--seed {seed}: use 0 or more, below 2^63")
    drawn = sample(model, ids, length, temperature, top_k, top_p, seed)
    return (text.vocabulary[number] for number in drawn)


def most_probable(predictor: Predictor, prompt: str, length: int, beams: int) -> tuple[str, float]:
    """The continuation that beam search finds, and its log-probability; raises ``ConfigError`` as ``generate``."""
    text, model, ids = _begin(predictor, prompt, length)
    _check(1 <= beams <= MAX_BEAMS, f"--beam {beams}: use 1 to {MAX_BEAMS}")
    found, log_probability = beam_search(model, ids, length, beams)
    return "".join(text.vocabulary[number] for number in found), log_probability


def _begin(predictor: Predictor, prompt: str, length: int) -> tuple[Text, TextModel, list[int]]:
    """What both ways of continuing need: the vocabulary, the network, and the ids to start from."""
    text = text_of(predictor)
    if not isinstance(predictor.network, TextModel):
        name = predictor.config.model.name
        raise ConfigError(f"{predictor.path}: its {name} has no step() and reorder() to generate with; add them")
    _check(length >= 1, f"--length {length}: use 1 or more")
    start = prompt or ("\n" if "\n" in text.vocabulary else text.vocabulary[1])
    return text, predictor.network, encode(start, text)[0]


def _check(fits: bool, fault: str) -> None:
    if not fits:
        raise ConfigError(fault)


def _step(model: TextModel, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
    """``model.step``; raises ``TrainingError`` where the device's memory does not suffice."""
    with explained(ANSWERING if len(ids) == 1 else FEWER_BEAMS):
        return model.step(ids, state)


def _tensor(model: TextModel, ids: list[list[int]]) -> Tensor:
    weights = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    return torch.tensor(ids, dtype=torch.int64, device=None if weights is None else weights.device)
