"""Whether the learning rate lies where the loss falls."""

import math
from dataclasses import replace
from itertools import islice
from statistics import fmean

from cnncli.insight.checkup.bench import Bench
from cnncli.insight.checkup.finding import Checked, number
from cnncli.insight.checkup.range_test import RangeTest, range_test

LOW, HIGH, STEPS = 1e-6, 10.0, 80
SAMPLES = 32  # of a step: with smaller batches more steps are taken
MOST = 5  # times as many
TRIED = (1e-1, 1e-2, 1e-3)  # rates at which the loss may still fall where the range test shows no fall
FALLS = 0.02  # of the first loss: less is no fall
MOVED = 0.1  # of the fall that some rate gives in as many steps: less is no progress
NOT_ASKED = ("lbfgs", "rprop")


def check_rate(bench: Bench, seconds: float) -> Checked:
    """A range test; then whether the config's own rate makes the loss fall, and is not too small for the run."""
    found, config = Checked("learning rate"), bench.experiment.config
    if config.optimizer.name in NOT_ASKED or "lr" not in config.optimizer.args:
        found.measured = f"not looked for: {config.optimizer.name} chooses the size of its steps itself"
        return found
    own = bench.rates[0]
    if own <= 0:
        found.find("optimizer.lr", "is 0, so that nothing is learned", "set a rate (cnncli lr-find)")
        return found
    steps = STEPS * min(max(SAMPLES // (config.dataset.batch_size * config.train.accumulate), 1), MOST)
    bench.limit_steps(2 * steps, seconds)
    test = range_test(bench, LOW, HIGH, steps)
    start, lowest = fmean(test.losses[:3]), test.smoothed[test.lowest]
    fall = start - lowest
    found.measured = f"{number(own)}; the loss is lowest at {number(test.rates[test.lowest])}"
    if not fall > FALLS * abs(start):
        if any(_falls_at(bench, rate / own, steps) for rate in (*TRIED, own)):
            found.measured = f"{number(own)}; the loss falls too slowly to tell a better one"
            return found
        found.find("optimizer", f"no learning rate from {LOW:g} to {HIGH:g} makes the loss fall", _why_none(bench))
    elif own > test.rates[test.lowest]:
        _check_high(bench, found, test, start, fall)
    else:
        _check_low(bench, found, test, start, fall)
    return found


def _advice(test: RangeTest) -> str:
    place = test.steepest
    rate = test.rates[test.lowest] / 10 if place is None else test.rates[place]
    return f"set optimizer.lr near {rate:.1g} (cnncli lr-find)"


def _check_high(bench: Bench, found: Checked, test: RangeTest, start: float, fall: float) -> None:
    """A finding where some steps at the config's rate do not make the loss fall.

    With a warm-up it is enough that the loss is low when the rising rate gets there.
    """
    own, wanted = bench.rates[0], start - MOVED * fall
    if bench.warms_up:
        reached = [loss for rate, loss in zip(test.rates, test.smoothed, strict=True) if rate >= own]
        if reached and reached[0] < wanted:
            return
    losses = bench.train(len(test.losses), go_on=lambda losses: math.isfinite(losses[-1]))
    last = losses[-max(len(losses) // 5, 1) :]
    end = fmean(last) if all(map(math.isfinite, last)) else math.inf
    bench.restore()
    if end < wanted:
        return
    told = f"{number(own)} is too high: in {len(losses)} steps, the loss goes from {number(start)} to {number(end)}"
    found.find("optimizer.lr", told, _advice(test))


def _check_low(bench: Bench, found: Checked, test: RangeTest, start: float, fall: float) -> None:
    """A finding where all steps of the run together move the weights less than it took to begin to learn.

    At small rates a step goes as far as its rate says, so that sums of rates can be compared.
    """
    halfway = next(i for i, loss in enumerate(test.smoothed) if loss <= start - 0.5 * fall)
    needed = sum(test.rates[: halfway + 1])
    config = bench.experiment.config
    size = len(bench.whole.sources["train"])
    steps = -(-size // (config.dataset.batch_size * config.train.accumulate)) * config.train.epochs
    if steps * bench.rates[0] >= needed:
        return
    told = f"{number(bench.rates[0])} is too low: all {steps:,} steps of the run move the weights only "
    told += f"{number(100 * steps * bench.rates[0] / needed)} % of the way to half of what other rates reach"
    found.find("optimizer.lr", told, _advice(test))


def _why_none(bench: Bench) -> str:
    """Which setting is in the way: the first without which the loss falls."""
    experiment = bench.experiment
    decayed = [group for group in experiment.state.optimizer.param_groups if group.get("weight_decay")]
    config = experiment.config
    clips = config.train.model_copy(update={"clip_grad_norm": None, "clip_grad_value": None})
    if clips != config.train:
        free = replace_settings(bench, clips)
        if _falls(free):
            which = "clip_grad_norm" if config.train.clip_grad_norm is not None else "clip_grad_value"
            return f"without train.{which} it falls: raise it, or leave it out"
    if decayed:
        return "lower optimizer.weight_decay"
    return "look at the loss and the labels, or use adam"


def replace_settings(bench: Bench, train: object) -> Bench:
    """The bench with other settings of the loop."""
    config = bench.experiment.config.model_copy(update={"train": train})
    return Bench(replace(bench.experiment, config=config), bench.whole)


def _falls_at(bench: Bench, factor: float, steps: int) -> bool:
    """Whether the loss falls at this many times the config's rate."""
    losses = bench.train(steps, factor, go_on=lambda losses: math.isfinite(losses[-1]))
    bench.restore()
    start, end = fmean(losses[:3]), fmean(losses[-max(len(losses) // 5, 1) :])
    return start - end > FALLS * abs(start)


def _falls(bench: Bench) -> bool:
    test = range_test(bench, LOW, HIGH, STEPS // 2)
    start = fmean(islice(test.losses, 3))
    return start - test.smoothed[test.lowest] > FALLS * abs(start)
