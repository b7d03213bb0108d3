"""Text is continued as the network's probabilities say, at the same cost for every character."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec, Text
from cnncli.inference.generate import beam_search, candidates, encode, generate, most_probable, sample
from cnncli.inference.predictor import Predictor
from cnncli.runs.checkpoint import Checkpoint
from tests.conftest import Answer
from tests.models.test_sequences import BLOCK, SMALL, VOCABULARY, picture_spec, text_spec

fill_registries()
TINY = "?abc"
NAMES = list(SMALL)


def network(name: str, spec: DataSpec, scale: float = 6.0) -> Any:
    """Random weights, large enough that some continuations are much likelier than others."""
    torch.manual_seed(3)
    model = models.build(name, spec, **SMALL[name]).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale if name == "transformer" else 2)
    return model


@pytest.fixture
def trained() -> Callable[..., Predictor]:
    """A network of a text as its checkpoint would give it."""

    def make(name: str = "gru", vocabulary: str = VOCABULARY) -> Predictor:
        config = Config.model_validate(
            {
                "dataset": {"name": "python_stdlib", "block": BLOCK}, "model": {"name": name, **SMALL[name]},
                "task": {"name": "language_modeling"}, "device": "cpu", "precision": "fp32",
            }
        )  # fmt: skip
        spec = text_spec(BLOCK, vocabulary)
        weights = network(name, spec).state_dict()
        return Predictor(Checkpoint(config, spec, weights, {}, {}, path=Path("best.pt")), config)

    return make


def log_probability(model: nn.Module, ids: list[int], continuation: tuple[int, ...]) -> float:
    """What the whole forward pass says of a continuation."""
    with torch.no_grad():
        logits = model(torch.tensor([[*ids, *continuation]]))[0].double().log_softmax(dim=1)
    return sum(float(logits[len(ids) - 1 + i, chosen]) for i, chosen in enumerate(continuation))


@pytest.mark.parametrize("name", NAMES)
def test_beam_search_with_room_for_all_finds_the_best_of_all_continuations(name: str) -> None:
    model, ids, length = network(name, text_spec(BLOCK, TINY)), [1, 3, 2], 4
    every = {c: log_probability(model, ids, c) for c in itertools.product(range(1, len(TINY)), repeat=length)}
    found, total = beam_search(model, ids, length, len(TINY) ** (length - 1))
    assert tuple(found) == max(every, key=lambda continuation: every[continuation])
    assert total == pytest.approx(max(every.values()), abs=1e-5)


@pytest.mark.parametrize("name", ["lstm", "transformer"])
@pytest.mark.parametrize("beams", [1, 2, 5])
def test_a_beams_log_probability_is_that_of_its_text(name: str, beams: int) -> None:
    model, ids = network(name, text_spec()), [1, 2, 3]
    found, total = beam_search(model, ids, 10, beams)
    assert len(found) == 10
    assert total == pytest.approx(log_probability(model, ids, tuple(found)), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_greedy_is_one_beam_and_one_candidate(name: str) -> None:
    model = network(name, text_spec())
    greedy = list(sample(model, [1, 2], 40, temperature=0))
    assert greedy == beam_search(model, [1, 2], 40, beams=1)[0]
    assert greedy == list(sample(model, [1, 2], 40, temperature=1.3, top_k=1, seed=5))


def test_one_seed_draws_one_text_whatever_torchs_own_generator_does() -> None:
    model = network("gru", text_spec())
    texts = []
    for own, seed in [(0, 7), (1, 7), (0, 8)]:
        torch.manual_seed(own)
        texts.append(list(sample(model, [1], 60, seed=seed)))
    assert texts[0] == texts[1] != texts[2]


class Fixed(nn.Module):
    """Says the same logits after every text."""

    def __init__(self, probabilities: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(probabilities).log())

    def step(self, ids: Tensor, state: None) -> tuple[Tensor, None]:
        return self.logits.expand(len(ids), -1).clone(), None

    def reorder(self, state: None, indices: Tensor) -> None:
        return None


def test_draws_are_as_frequent_as_probable_and_the_unknown_sign_is_never_drawn() -> None:
    drawn = torch.tensor(list(sample(Fixed([0.9, 0.05, 0.03, 0.02]), [1], 4000)))
    shares = drawn.bincount(minlength=4) / len(drawn)
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.5, 0.3, 0.2]), atol=0.03, rtol=0)
    assert 0 not in beam_search(Fixed([0.9, 0.05, 0.03, 0.02]), [1], 5, 3)[0]
    assert set(sample(Fixed([0.9, 0.1]), [1], 20, temperature=0)) == {1}


@pytest.mark.parametrize(
    ("top_k", "top_p", "ids"),
    [
        (None, None, [2, 0, 3, 1]),
        (3, None, [2, 0, 3]),
        (99, None, [2, 0, 3, 1]),
        (None, 0.45, [2]),
        (None, 0.55, [2, 0]),
        (None, 0.9, [2, 0, 3]),
        (None, 1.0, [2, 0, 3, 1]),
        (2, 0.6, [2]),  # of the two that are left the first has 0.5 / 0.8
        (2, 0.7, [2, 0]),
    ],
)
def test_top_k_keeps_the_best_and_top_p_the_smallest_set(
    top_k: int | None, top_p: float | None, ids: list[int]
) -> None:
    probabilities = torch.tensor([0.3, 0.05, 0.5, 0.15], dtype=torch.float64)
    chances, order = candidates(probabilities.log(), 1.0, top_k, top_p)
    assert order.tolist() == ids
    torch.testing.assert_close(chances, probabilities[ids] / probabilities[ids].sum())


def test_temperature_divides_the_logits_and_may_be_nearly_0() -> None:
    logits = torch.tensor([1.0, 3.0, 2.0], dtype=torch.float64)
    chances, order = candidates(logits, 2.0)
    torch.testing.assert_close(chances, (logits / 2).softmax(0)[order])
    assert candidates(logits, 1e-300)[0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beams", [None, 3])
def test_a_character_costs_the_same_however_long_the_text_is(name: str, beams: int | None) -> None:
    model = network(name, text_spec())
    read: list[int] = []
    model.embedding.register_forward_hook(lambda _module, inputs, _output: read.append(inputs[0].shape[1]))
    length = 20 * BLOCK
    if beams is None:
        list(sample(model, [1] * BLOCK, length))
    else:
        beam_search(model, [1] * BLOCK, length, beams)
    assert len(read) == length, "one call a character"
    most = {"transformer": BLOCK // 2, "tcn": 7}.get(name, 1)
    assert max(read[1:]) == most
    costs = [sum(read[start : start + BLOCK]) for start in range(BLOCK, length, BLOCK)]
    if name == "transformer":  # a block sees one re-encoding or two
        assert max(costs) <= 2 * BLOCK
        assert max(costs[-4:]) == max(costs[:4])
    else:
        assert len(set(costs)) == 1, "the last block costs what the second did"


def test_encode_gives_ids_and_names_each_unknown_character_once() -> None:
    assert encode("abZbaZé", Text(tuple(TINY))) == ([1, 2, 0, 2, 1, 0, 0], ["Z", "é"])
    assert encode("?", Text(tuple(TINY))) == ([0], ["?"])


@pytest.mark.parametrize("name", NAMES)
def test_generate_gives_characters_of_the_vocabulary(name: str, trained: Callable[..., Predictor]) -> None:
    drawn = list(generate(trained(name), "abc", 50))
    assert len(drawn) == 50
    assert set(drawn) <= set(VOCABULARY[1:])
    found, total = most_probable(trained(name), "abc", 20, 3)
    assert "".join(generate(trained(name), "abc", 20, beams=3)) == found
    assert total < 0


def test_an_empty_prompt_starts_at_a_line_break_or_at_the_first_character(trained: Callable[..., Predictor]) -> None:
    with_break, without = trained(vocabulary="?ab\ncdef"), trained()
    assert list(generate(with_break, "", 30)) == list(generate(with_break, "\n", 30))
    assert list(generate(without, "", 30)) == list(generate(without, "a", 30))


def test_characters_come_one_at_a_time(trained: Callable[..., Predictor]) -> None:
    of_text = trained()
    calls: list[int] = []
    of_text.network.embedding.register_forward_hook(lambda *_: calls.append(1))  # type: ignore[union-attr]
    pieces = generate(of_text, "abc", 10**9)
    assert next(pieces)
    assert next(pieces)
    assert len(calls) == 2
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled(), "between two characters the caller's mode holds"


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"temperature": -0.1}, "--temperature -0.1"),
        ({"temperature": float("nan")}, "--temperature nan"),
        ({"top_k": 0}, "--top-k 0"),
        ({"top_p": 0.0}, "--top-p 0.0"),
        ({"top_p": 1.1}, "--top-p 1.1"),
        ({"beams": 0}, "--beam 0"),
        ({"beams": 10**9}, "--beam 1000000000"),
        ({"length": 0}, "--length 0"),
        ({"length": 0, "beams": 2}, "--length 0"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_options_out_of_range_are_refused_at_once(
    options: dict[str, Any], cause: str, trained: Callable[..., Predictor]
) -> None:
    with pytest.raises(ConfigError, match=cause):
        generate(trained(), "a", **options)


def test_networks_that_cannot_continue_a_text_are_refused(trained: Callable[..., Predictor]) -> None:
    of_pictures, foreign = trained(), trained()
    of_pictures.spec = picture_spec()
    with pytest.raises(ConfigError, match=r"best\.pt: generate is for text, the data are pictures; use cnncli predict"):
        generate(of_pictures, "a")
    foreign.network = nn.Linear(1, 1)
    with pytest.raises(ConfigError, match=r"has no step\(\) and reorder\(\)"):
        generate(foreign, "a")


@pytest.fixture
def loads(trained: Callable[..., Predictor], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command finds a trained network without a run before it."""
    (tmp_path / "best.pt").touch()
    monkeypatch.setattr("cnncli.inference.predictor.load_predictor", lambda *_, **__: trained())


@pytest.mark.usefixtures("loads")
def test_the_command_prints_the_prompt_and_what_follows(cnncli: Callable[..., Answer]) -> None:
    command = ("generate", "--ckpt", "best.pt", "--prompt", "abc", "--length", 30)
    plain, streamed = cnncli(*command), cnncli(*command, "--stream")
    assert (plain.code, plain.err) == (0, "")
    assert plain.out == streamed.out
    assert plain.out.startswith("abc")
    assert len(plain.out) == 3 + 30 + 1
    answer = cnncli(*command, "--json").json
    assert answer == {"prompt": "abc", "text": plain.out[3:-1], "length": 30}
    assert cnncli(*command, "--seed", 1).out != plain.out


@pytest.mark.usefixtures("loads")
def test_the_command_searches_with_beams_and_notes_unknown_characters(cnncli: Callable[..., Answer]) -> None:
    answer = cnncli("generate", "--ckpt", "best.pt", "--prompt", "aZbZ", "--length", 8, "--beam", 3, "--json")
    assert answer.code == 0
    assert answer.json.keys() == {"prompt", "text", "length", "log_probability"}
    assert answer.json["log_probability"] < 0
    assert answer.err == "note: the network does not know 'Z'\n"
    refused = cnncli("generate", "--ckpt", "best.pt", "--top-p", 2)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: --top-p 2.0: ")
