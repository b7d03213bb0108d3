"""What is said of curves: each rule where it holds, and silence where there is nothing to say."""

from collections.abc import Sequence

import pytest

from cnncli.core.results import Values
from cnncli.runs.reading import Reading, read_curves, tried_in


def history(training: Sequence[float], validation: Sequence[float] = (), **more: float) -> list[Values]:
    records = [{"epoch": n, "lr": 0.01, "train/loss": loss, **more} for n, loss in enumerate(training, 1)]
    return [record | ({"val/loss": validation[n]} if validation else {}) for n, record in enumerate(records)]


FALLING = (1.0, 0.6, 0.4, 0.3, 0.25, 0.22, 0.20, 0.18)


def test_overfitting_is_dated_and_the_kept_epoch_named() -> None:
    found = read_curves(history(FALLING, (1.0, 0.7, 0.5, 0.45, 0.48, 0.55, 0.6, 0.65)), best_epoch=3)
    assert found.overfits_from == 5
    assert found.sentence is not None
    assert found.sentence.startswith("validation loss has risen since epoch 5 while training loss fell: overfitting")
    assert "best epoch 3 kept" in found.sentence


@pytest.mark.parametrize(
    "validation",
    [
        (1.0, 0.7, 0.5, 0.45, 0.44, 0.43, 0.425, 0.42),  # falls to the end, slower and slower
        (1.0, 0.7, 0.5, 0.45, 0.42, 0.425, 0.423, 0.428),  # noise after the lowest
        (1.0, 0.7, 0.5, 0.45, 0.44, 0.43, 0.42, 0.9),  # one epoch is no trend
    ],
)
def test_silence_where_nothing_is_wrong(validation: Sequence[float]) -> None:
    assert read_curves(history(FALLING, validation), best_epoch=8) == Reading()


@pytest.mark.parametrize(
    ("validation", "best"),
    [
        ((0.8358, 0.7059, 0.7143, 0.7616, 0.7478, 0.7095), 6),  # of eight pictures; the last epoch is the best
        ((0.8358, 0.7059, 0.7143, 0.7616, 0.7478, 0.7095), 2),
        ((0.82, 0.9051, 0.88, 0.87, 0.89, 0.88), 1),  # highest at once, and never that high again
        ((0.82, 0.60, 0.75, 0.64, 0.80, 0.66, 0.78, 0.70), 2),  # jumps by as much as it has risen
    ],
)
def test_noise_of_few_samples_is_no_overfitting(validation: Sequence[float], best: int) -> None:
    found = read_curves(history(FALLING[: len(validation)], validation), best)
    assert found.overfits_from is None
    assert "overfitting" not in (found.sentence or "")


def test_the_last_epoch_being_the_best_is_no_overfitting() -> None:
    rising = (1.0, 0.7, 0.5, 0.45, 0.48, 0.55, 0.6, 0.65)
    assert read_curves(history(FALLING, rising), best_epoch=8).overfits_from is None
    assert read_curves(history(FALLING, rising), best_epoch=7).overfits_from == 5


def test_what_is_tried_already_is_not_advised() -> None:
    curves = history(FALLING, (1.0, 0.7, 0.5, 0.45, 0.48, 0.55, 0.6, 0.65))
    config = {"dataset": {"augment": [{"name": "random_flip"}]}, "optimizer": {"name": "adamw", "weight_decay": 0.01}}
    ends = {
        "; try augmentation, weight decay, or more data": {"dataset": {"augment": []}, "optimizer": {"name": "adam"}},
        "; try weight decay or more data": {**config, "optimizer": {"weight_decay": 0.0}},
        "; try more data": config,
    }
    for end, used in ends.items():
        sentence = read_curves(curves, 3, tried_in(used)).sentence
        assert sentence is not None
        assert sentence.endswith(end)


def test_rising_together_with_training_loss_is_no_overfitting() -> None:
    rising = (1.0, 0.5, 0.4, 0.42, 0.44, 0.46)
    assert read_curves(history(rising, rising), best_epoch=3).overfits_from is None


def test_nothing_learned() -> None:
    flat = (2.303, 2.302, 2.303, 2.304, 2.303)
    sentence = read_curves(history(flat, flat), best_epoch=2).sentence
    assert sentence is not None
    assert "hardly changed (2.303 in the first epoch, 2.303 at the end)" in sentence
    assert "optimizer.lr (now 0.01)" in sentence
    assert read_curves(history(flat, flat), best_epoch=2, simple_loss=7.0) == Reading(), "learned in the first epoch"
    as_good_as_another = history(flat, flat, **{"baseline/loss": 7.0})  # the baseline to beat may be a strong one
    assert read_curves(as_good_as_another, best_epoch=2).sentence == sentence


def test_a_jump_is_unsteady() -> None:
    sentence = read_curves(history((1.0, 0.5, 0.3, 0.2, 0.9, 0.4)), best_epoch=4).sentence
    assert sentence is not None
    assert sentence.startswith("training loss jumped from 0.2 to 0.9 in epoch 5")


def test_epochs_without_use_and_epochs_that_lack() -> None:
    still = (1.0, 0.5, 0.45, *[0.455] * 9)
    sentence = read_curves(history([1.0 - 0.05 * n for n in range(12)], still), best_epoch=3).sentence
    assert sentence is not None
    assert "not improved since epoch 3, for 9 epochs" in sentence
    assert "train.epochs=4" in sentence
    falling = (1.0, 0.8, 0.6, 0.5)
    sentence = read_curves(history(falling, falling), best_epoch=4).sentence
    assert sentence is not None
    assert sentence.endswith("more epochs may help: train.epochs=8")


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_few_epochs_say_nothing(epochs: int) -> None:
    assert read_curves(history((2.0, 2.0, 2.0)[:epochs], (1.0, 2.0, 3.0)[:epochs]), best_epoch=1) == Reading()


def test_numbers_that_are_none_say_nothing() -> None:
    nan = float("nan")
    assert read_curves(history((1.0, nan, 1.0, 1.0, 1.0)), best_epoch=1) == Reading()
    assert read_curves(history(FALLING, (nan, *FALLING[1:])), best_epoch=8) == Reading()
