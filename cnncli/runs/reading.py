"""What the curves of a run say, in one sentence: the terminal, curves.png and all that comes later use it."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from cnncli.core.results import Values

FEWEST = 4  # epochs below which curves say nothing
RECENT = 3  # the last epochs, of which the median counts: one noisy epoch is no trend
MOVED = 0.05  # a loss has moved that has changed by so much of its value and of the whole way that it has come
NOISE = 1.2  # times the median second difference: two standard deviations of independent noise
AUGMENTATION, DECAY = "augmentation", "weight decay"


@dataclass(frozen=True)
class Reading:
    """``sentence`` tells what to see and what to try; None where there is nothing to say.

    ``overfits_from`` is the epoch (from 1) since which validation loss rises while training loss falls.
    """

    overfits_from: int | None = None
    sentence: str | None = None


def read_curves(
    history: Sequence[Values], best_epoch: int, tried: Collection[str] = (), simple_loss: float | None = None
) -> Reading:
    """Read the records of all epochs (``epoch``, ``train/loss``, ``val/loss``, ``lr``), of which one was kept as best.

    What was ``tried`` already (``tried_in``) is not advised.

    The rules, of which the first that holds is told. Losses "at the end" are the median of the last three epochs.

    1. *Not learning*: training loss at the end is less than 1 % below that of the first epoch, and less than 5 % below
       ``simple_loss`` where that is known: what a network has that learned nothing.
    2. *Unsteady*: in the second half, training loss once rises to more than 1.5 times the lowest before it.
    3. *Overfitting*: in each of the last three epochs validation loss is above its lowest by more than 5 % of the
       lowest and 5 % of the way from the first epoch to the lowest; at the end it is above the lowest by more than it
       jumps from epoch to epoch, and not below the epoch after the lowest; training loss is lower than it was then;
       and the last epoch is not the best.
    4. *Standing still*: the lowest validation loss lies two thirds of the epochs (at least five) back.
    5. *Unfinished*: the last epoch has the lowest validation loss, lower than the one before by more than 2 %.
    """
    if len(history) < FEWEST or not all(math.isfinite(record["train/loss"]) for record in history):
        return Reading()
    training = [record["train/loss"] for record in history]
    sentence = _not_learning(training, history, simple_loss) or _unsteady(training, history)
    if sentence is not None or any("val/loss" not in record for record in history):
        return Reading(sentence=sentence)
    validation = [record["val/loss"] for record in history]
    if not all(map(math.isfinite, validation)):
        return Reading()
    lowest = min(range(len(validation)), key=validation.__getitem__)
    epoch = int(history[lowest]["epoch"])
    if best_epoch != history[-1]["epoch"] and _overfits(training, validation, lowest):
        return Reading(epoch + 1, _overfitting(epoch, best_epoch, tried))
    return Reading(sentence=_still(epoch, history) or _unfinished(validation, history))


def tried_in(config: Mapping[str, Any]) -> list[str]:
    """Which means against overfitting a resolved config uses."""
    found = {
        AUGMENTATION: (config.get("dataset") or {}).get("augment"),
        DECAY: (config.get("optimizer") or {}).get("weight_decay"),
    }
    return [name for name, value in found.items() if value]


def _recent(losses: Sequence[float]) -> float:
    return median(losses[-RECENT:])


def _not_learning(training: Sequence[float], history: Sequence[Values], simple_loss: float | None) -> str | None:
    first, end = training[0], _recent(training)
    rate = max(record["lr"] for record in history)
    learned = simple_loss is not None and simple_loss - end > MOVED * abs(simple_loss)
    if learned or first - end > 0.01 * abs(first):
        return None
    return (
        f"training loss has hardly changed ({first:.4g} in the first epoch, {end:.4g} at the end): the network does "
        f"not learn; try another optimizer.lr (now {rate:.3g}), or look at the data with cnncli data show"
    )


def _unsteady(training: Sequence[float], history: Sequence[Values]) -> str | None:
    for number in range(len(training) // 2, len(training)):
        before = min(training[:number])
        if training[number] - before > 0.5 * abs(before) and training[number] - before > MOVED * (
            max(training) - min(training)
        ):
            return (
                f"training loss jumped from {before:.4g} to {training[number]:.4g} in epoch "
                f"{int(history[number]['epoch'])}: training is unsteady; try a lower optimizer.lr "
                f"(now {history[number]['lr']:.3g}) or train.clip_grad_norm=1"
            )
    return None


def _overfits(training: Sequence[float], validation: Sequence[float], lowest: int) -> bool:
    after = validation[lowest + 1 :]
    if len(after) < 2 or _recent(training[lowest + 1 :]) >= training[lowest]:
        return False
    low, end = validation[lowest], _recent(after)
    enough = MOVED * max(abs(low), validation[0] - low)
    lasts = min(after[-RECENT:]) - low > enough and end >= after[0]
    return lasts and end - low > NOISE * _roughness(validation[lowest:])


def _roughness(losses: Sequence[float]) -> float:
    """The median second difference: a steady rise has none, however steep; noise has."""
    triples = zip(losses, losses[1:], losses[2:], strict=False)
    return median(abs(before - 2 * here + then) for before, here, then in triples)


def _overfitting(lowest: int, best_epoch: int, tried: Collection[str]) -> str:
    *others, last = [name for name in (AUGMENTATION, DECAY, "more data") if name not in tried]
    advice = f"{', '.join(others)}{',' * (len(others) > 1)} or {last}" if others else last
    return (
        f"validation loss has risen since epoch {lowest + 1} while training loss fell: overfitting; best epoch "
        f"{best_epoch} kept; try {advice}"
    )


def _still(lowest: int, history: Sequence[Values]) -> str | None:
    since = int(history[-1]["epoch"]) - lowest
    if since < max(5, 2 / 3 * len(history)):
        return None
    return (
        f"validation loss has not improved since epoch {lowest}, for {since} epochs; fewer epochs would do: "
        f"train.epochs={lowest + 1}, or train.early_stopping"
    )


def _unfinished(validation: Sequence[float], history: Sequence[Values]) -> str | None:
    last, before = validation[-1], min(validation[:-1])
    if before - last <= 0.02 * abs(before):
        return None
    epochs = int(history[-1]["epoch"])
    return f"validation loss was still falling in the last epoch; more epochs may help: train.epochs={2 * epochs}"
