"""The next character: one figure in three units, and baselines that count characters."""

from collections import Counter
from itertools import pairwise
from math import exp, log, log2

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.spec import DataSpec, Text
from cnncli.data.text import blocks
from cnncli.tasks.language_modeling import LanguageModeling, language_values

fill_registries()
CPU = torch.device("cpu")
VOCABULARY, BLOCK = "?abcde", 8


def ids_of(size: int, seed: int) -> Tensor:
    """Characters of which each depends on the one before; the last of the vocabulary never occurs."""
    steps = torch.randint(1, 4, (size,), generator=torch.Generator().manual_seed(seed))
    return steps.cumsum(0) % 4 + 1


def task(train: Tensor | None = None, **loss: object) -> LanguageModeling:
    spec = DataSpec((BLOCK,), (), Text(tuple(VOCABULARY)), (BLOCK, len(VOCABULARY)))
    targets = blocks(ids_of(100, 0), BLOCK).targets if train is None else train
    made = LanguageModeling(spec, LossConfig.model_validate({"name": "cross_entropy", **loss}), CPU)
    made.fit(targets)
    return made


def some_logits(count: int, seed: int = 3) -> Tensor:
    return torch.randn(count, BLOCK, len(VOCABULARY), generator=torch.Generator().manual_seed(seed))


def test_nats_bits_and_perplexity_are_one_figure() -> None:
    values = language_values(1.7)
    assert values["loss"] == 1.7
    assert values["bits_per_character"] == pytest.approx(log2(exp(1.7)))
    assert values["perplexity"] == pytest.approx(2 ** values["bits_per_character"]) == pytest.approx(exp(1.7))


def test_a_network_that_knows_nothing_is_as_perplexed_as_it_has_characters() -> None:
    modeling, meter = task(), task().meter()
    source = blocks(ids_of(50, 1), BLOCK)
    logits = torch.zeros(len(source), BLOCK, len(VOCABULARY))
    meter.update(modeling.eval_loss(logits, source.targets), len(source), logits, source.targets)
    assert meter.compute()["perplexity"] == pytest.approx(len(VOCABULARY))
    assert meter.compute()["bits_per_character"] == pytest.approx(log2(len(VOCABULARY)))


def test_a_hopeless_loss_does_not_overflow() -> None:
    assert language_values(1e6)["perplexity"] == exp(700)


@pytest.mark.parametrize("size", [12, 5, 1])
def test_averages_do_not_depend_on_the_batches(size: int) -> None:
    modeling = task()
    source = blocks(ids_of(100, 1), BLOCK)
    logits = some_logits(len(source))
    meter = modeling.meter(detailed=True)
    for x, y in zip(logits.split(size), source.targets.split(size), strict=True):
        meter.update(modeling.eval_loss(x, y), len(y), x, y)
    probabilities = logits.double().softmax(2).tolist()
    nats = [
        -log(probabilities[block][position][character])
        for block, row in enumerate(source.targets.tolist())
        for position, character in enumerate(row)
    ]
    assert len(source) == 12
    assert meter.samples == len(nats) == 12 * BLOCK, "characters"
    assert meter.compute()["loss"] == pytest.approx(sum(nats) / len(nats), rel=1e-6)


@pytest.mark.parametrize("seed", [0, 1])  # the training part itself, and another
def test_baselines_are_what_a_slow_count_gives(seed: int) -> None:
    train, source = blocks(ids_of(100, 0), BLOCK), blocks(ids_of(70, seed), BLOCK)
    text = [character for block in train.targets.tolist() for character in block]
    single, pairs = Counter(text), Counter(pairwise(text))
    before = Counter(text[:-1])
    unigram = bigram = 0.0
    for inputs, targets in zip(source.inputs.tolist(), source.targets.tolist(), strict=True):
        for known, wanted in zip(inputs, targets, strict=True):
            unigram -= log((single[wanted] + 1) / (len(text) + len(VOCABULARY)))
            bigram -= log((pairs[known, wanted] + 1) / (before[known] + len(VOCABULARY)))
    count = source.targets.numel()
    first, second = (found.to_json() for found in task(train.targets).baselines(source.targets, source.inputs))
    assert (first["name"], second["name"]) == ("bigram", "unigram")
    assert first["loss"] == pytest.approx(bigram / count)
    assert second["loss"] == pytest.approx(unigram / count)
    for found in (first, second):
        assert found["bits_per_character"] == pytest.approx(found["loss"] / log(2))
        assert found["perplexity"] == pytest.approx(exp(found["loss"]))
    assert first["loss"] < second["loss"], "each character depends on the one before"


def test_a_character_that_training_never_saw_has_a_finite_price() -> None:
    unseen = torch.full((1, BLOCK), VOCABULARY.index("e"))
    for baseline in task().baselines(unseen, unseen):
        assert 0 < baseline.metrics["loss"] < 10


def test_without_inputs_there_is_only_the_unigram_baseline() -> None:
    assert [found.name for found in task().baselines(blocks(ids_of(50, 1), BLOCK).targets, None)] == ["unigram"]


def test_the_loss_is_the_mean_over_all_characters_and_smoothing_is_for_training_only() -> None:
    source, logits = blocks(ids_of(50, 1), BLOCK), some_logits(6)
    flat, wanted = logits.reshape(-1, len(VOCABULARY)), source.targets.reshape(-1)
    smoothed = task(label_smoothing=0.2)
    assert torch.allclose(task().loss(logits, source.targets), F.cross_entropy(flat, wanted))
    assert torch.allclose(smoothed.loss(logits, source.targets), F.cross_entropy(flat, wanted, label_smoothing=0.2))
    assert torch.allclose(smoothed.eval_loss(logits, source.targets), F.cross_entropy(flat, wanted))


@pytest.mark.parametrize("weights", ["balanced", {"a": 2.0}])
def test_class_weights_are_refused(weights: object) -> None:
    with pytest.raises(ConfigError, match="characters are not weighted"):
        task(class_weights=weights)


@pytest.mark.parametrize("name", ["nll", "mse", "bce_with_logits", "multi_margin"])
def test_other_losses_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is not for language_modeling; use cross_entropy"):
        task(name=name)


def test_the_meter_goes_on_from_its_state() -> None:
    source, logits = blocks(ids_of(50, 1), BLOCK), some_logits(6)
    meter, other = task().meter(), task().meter()
    meter.update(torch.tensor(1.5), 6, logits, source.targets)
    other.load_state_dict(meter.state_dict())
    assert (other.compute(), other.samples) == (meter.compute(), meter.samples)
    meter.update(torch.tensor(0.5), 3, logits[:3], source.targets[:3])
    other.update(torch.tensor(0.5), 3, logits[:3], source.targets[:3])
    assert (other.compute(), other.samples) == (meter.compute(), 9 * BLOCK)
    assert meter.compute()["loss"] == pytest.approx((1.5 * 6 + 0.5 * 3) / 9)


def test_the_prediction_is_the_likeliest_character_behind_each_text() -> None:
    logits = torch.zeros(2, BLOCK, len(VOCABULARY))
    logits[0, -1, 4], logits[1, -1, 2], logits[1, 0, 5] = 1.0, 1.0, 9.0
    assert task().predictions(logits) == {"prediction": [4, 2]}
