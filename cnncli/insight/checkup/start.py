"""The loss before the first step, and whether a few samples can be learned by heart."""

import math
import time
from itertools import repeat

import torch
from torch import Tensor

from cnncli.insight.checkup.bench import Bench
from cnncli.insight.checkup.finding import Checked, Finding, number
from cnncli.insight.checkup.own_steps import adam_steps, best_constant, outputs_of, putting_back

LOOKED_AT = 512  # samples
ZEROS = 0.1  # of the outputs
FAR, NEAR = 2.5, 0.5  # times the loss of guessing
LEARNED_BY_HEART = 8  # samples
REACHED = 0.2  # of the loss of the best constant answer
RATES = (1e-2, 1e-3, 1e-1)  # of Adam, tried in turn
STEPS = 200
ENOUGH = 60  # steps: after fewer a slow network need not have come down


def check_start(bench: Bench) -> Checked:
    """The loss of the untrained network against that of an answer of zeros: equal chances, or the mean."""
    found, task = Checked("initial loss"), bench.experiment.task
    inputs, targets = (part[:LOOKED_AT] for part in bench.samples)
    with putting_back(bench):
        outputs = outputs_of(bench, inputs)
    targets = targets[: len(outputs)]
    if not bool(outputs.isfinite().all()):
        found.find("model", "the untrained network gives values that are no finite numbers",
                   "look for a division by zero, a logarithm of zero, or weights that are far too large")  # fmt: skip
        return found
    loss, guess = (task.eval_loss(answer, targets).item() for answer in (outputs, torch.zeros_like(outputs)))
    found.measured = f"{number(loss)}, guessing gives {number(guess)}"
    if not math.isfinite(loss):
        found.find("loss", f"the loss of the untrained network is {loss}", "choose another loss, or bound its inputs")
    elif loss > FAR * guess > 0:
        told = f"the untrained network has a loss of {number(loss)}, guessing one of {number(guess)}"
        size = number(outputs.std().item())
        found.find("model", f"{told}, for its outputs are too large (standard deviation {size})",
                   "begin with smaller weights in its last layer, or normalise the inputs")  # fmt: skip
    elif 0 < loss < NEAR * guess and not _was_trained(bench):
        told = f"the untrained network has a loss of {number(loss)}, guessing one of {number(guess)}"
        found.find("loss", told, "see whether the inputs hold the answer, and what the loss computes")
    found.findings += _after_last_layer(outputs, bench)
    return found


def _was_trained(bench: Bench) -> bool:
    config = bench.experiment.config
    return config.finetune is not None or config.train.start_from is not None


def _after_last_layer(outputs: Tensor, bench: Bench) -> list[Finding]:
    """A finding where an activation follows the last layer, of which the loss takes the values as they are."""
    told = ""
    several = bench.experiment.data.spec.classes and outputs.shape[-1] > 1
    if bool((outputs >= 0).all()):
        if several and bool(((outputs.sum(-1) - 1).abs() < 1e-3).all()):
            told = "the outputs are probabilities (those of each sample sum to 1), the loss expects logits"
        elif (outputs == 0).float().mean().item() > ZEROS:
            told = f"no output is below 0, and {100 * (outputs == 0).float().mean().item():.0f} % are exactly 0"
    advice = "leave out the activation after the last layer (softmax, relu)"
    return [Finding("initial loss", "model", told, advice)] if told else []


def check_overfit(bench: Bench, seconds: float) -> Checked:
    """Whether the network can learn a few samples by heart: if not, something in it or in the loss is in the way."""
    found, spec = Checked("overfit"), bench.experiment.data.spec
    learning = sum(parameter.numel() for parameter in bench.model.parameters() if parameter.requires_grad)
    count = min(max(learning // spec.num_outputs, 2), LEARNED_BY_HEART, len(bench.samples[1]))
    with putting_back(bench):
        count = _affordable(bench, count, seconds / len(RATES))
        inputs, targets = _different(*bench.samples, count)
        outputs = outputs_of(bench, inputs)
    one = best_constant(bench.experiment.task, targets, outputs, spec.kind.every_position)
    constant = bench.experiment.task.eval_loss(one.expand_as(outputs), targets).item()
    if constant <= 1e-6:
        found.measured = "not looked for: all samples have the same answer"
        return found
    best, steps, done = math.inf, 0, False
    for rate in RATES:
        loss, taken, done = _fit(bench, inputs, targets, rate, REACHED * constant, seconds / len(RATES))
        if loss < best:
            best, steps = loss, taken
        if done:
            break
    found.measured = f"{count} samples: loss {number(best)} after {steps} steps, of one answer {number(constant)}"
    if done:
        return found
    if steps < ENOUGH:
        found.measured += ": too few to tell"
    else:
        told = f"{count} samples cannot be learned by heart: after {steps} steps of Adam their loss is {number(best)}, "
        told += f"that of one answer for all is {number(constant)}"
        found.find("model", told, _advice(bench, learning))
    return found


def _affordable(bench: Bench, count: int, seconds: float) -> int:
    """At most ``count`` samples, fewer where so many steps with them take too long."""
    inputs, targets = (part[:count] for part in bench.samples)
    start = time.perf_counter()
    list(adam_steps(bench, repeat((inputs, targets), 2), repeat(1e-6), math.inf))
    took = (time.perf_counter() - start) / 2
    return min(max(int(count * seconds / (took * STEPS)), 2), count)


def _different(inputs: Tensor, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first samples whose inputs differ: equal ones with different labels cannot be told apart."""
    chosen: list[int] = []
    for number_ in range(min(len(inputs), 20 * count)):
        if all(not torch.equal(inputs[number_], inputs[other]) for other in chosen):
            chosen.append(number_)
        if len(chosen) == count:
            break
    return inputs[chosen], targets[chosen]


def _fit(
    bench: Bench, inputs: Tensor, targets: Tensor, rate: float, wanted: float, seconds: float
) -> tuple[float, int, bool]:
    """The lowest loss, the steps, and whether it came down to what is ``wanted``."""
    lowest, taken, start = math.inf, 0, time.perf_counter()
    task = bench.experiment.task
    with putting_back(bench):
        batches = repeat((inputs, targets), STEPS)
        for _ in adam_steps(bench, batches, repeat(rate), seconds):
            taken += 1
            if taken % 5 == 0 or time.perf_counter() - start > seconds:
                lowest = min(lowest, task.eval_loss(outputs_of(bench, inputs), targets).item())
                if lowest <= wanted:
                    return lowest, taken, True
    return lowest, taken, False


def _advice(bench: Bench, learning: int) -> str:
    every = sum(parameter.numel() for parameter in bench.model.parameters())
    if learning < every:
        return f"only {learning:,} of {every:,} parameters are trainable: let more of them learn"
    return "look for an activation after the last layer, a loss that does not suit the task, or too small a network"
