"""Whether the labels can be right: in range, of every class, and belonging to their samples."""

import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from cnncli.core.spec import DataSpec
from cnncli.insight.checkup.bench import Bench
from cnncli.insight.checkup.finding import Checked, number, some
from cnncli.insight.checkup.own_steps import adam_steps, best_constant, outputs_of, putting_back

LOW_RATE, HIGH_RATE = 3e-4, 0.3  # of Adam, from the first step to the last: one of them suits
STEPS, BATCH, LOOKS = 320, 32, 8
ENOUGH = 40  # steps: after fewer a slow network need not have learned anything
FEW = 1500  # samples of which every one is judged, by a network that has not seen it
MOST_JUDGED = 384
ROUNDING = 1e-4  # of the loss
SHARES = (1.0, 0.1)  # of the network's answer in what is judged: overconfident ones are told by the smaller
CERTAIN = 3.5  # standard errors by which the network must be better than the best constant answer


def check_targets(bench: Bench) -> Checked:
    """The labels of the whole training part, counted."""
    spec, targets = bench.experiment.data.spec, bench.whole.sources["train"].targets
    found = Checked("labels", f"{len(targets):,} in training")
    if spec.kind.only is not None:  # a series or a text is its own label
        return found
    if spec.classes:
        _check_classes(found, targets, spec)
    else:
        _check_numbers(found, targets, spec)
    return found


def _check_classes(found: Checked, targets: Tensor, spec: DataSpec) -> None:
    count = len(spec.classes)
    found.measured += f", {count} classes"
    if targets.ndim > 1:
        counts, wrong = targets.double().sum(0), int(((targets < 0) | (targets > 1)).any(1).sum())
        always = [name for name, number_ in zip(spec.classes, counts.tolist(), strict=True) if number_ == len(targets)]
        if always:
            found.find("dataset", f"every sample has the label {some(always)}", "correct the labels, or drop the class")
    else:
        wrong = int(((targets < 0) | (targets >= count)).sum())
        counts = torch.bincount(targets.clamp(0, count - 1), minlength=count).double()
    if wrong:
        found.find("dataset", f"{wrong:,} of {len(targets):,} labels lie outside the {count} classes",
                   f"number the classes from 0 to {count - 1}")  # fmt: skip
    absent = [name for name, number_ in zip(spec.classes, counts.tolist(), strict=True) if not number_]
    if absent:
        found.find("dataset", f"{len(absent)} of {count} classes have no training sample: {some(absent)}",
                   "add samples of them, or declare only the classes that occur")  # fmt: skip
    elif len(spec.classes) == 1 and targets.ndim == 1:
        found.find("dataset", f"all samples are of the class {spec.classes[0]}", "add samples of another class")


def _check_numbers(found: Checked, targets: Tensor, spec: DataSpec) -> None:
    values = targets.double().reshape(len(targets), -1)
    names = spec.numbers.names if spec.numbers is not None else ("target",)
    if not bool(values.isfinite().all()):
        found.find("dataset", f"{int((~values.isfinite()).any(1).sum()):,} targets are no finite numbers",
                   "remove or correct them (cnncli data check)")  # fmt: skip
        return
    constant = [name for name, spread in zip(names, (values.amax(0) - values.amin(0)).tolist(), strict=False)
                if spread == 0]  # fmt: skip
    if constant:
        found.find("dataset", f"the target {some(constant)} has one value in all samples", "choose another target")


def check_shuffled(bench: Bench, seconds: float) -> Checked:
    """Whether what the network learns from labels holds for samples that it has not seen, and only from true ones."""
    found = Checked("shuffled")
    if bench.experiment.data.spec.kind.only is not None:
        found.measured = "not looked for: the samples are their own labels"
        return found
    inputs, targets = bench.samples
    if len(targets) < 20:
        found.measured = f"not looked for: {len(targets)} samples are too few"
        return found
    start = time.perf_counter()
    true = _gain(bench, inputs, targets, STEPS, seconds / 2)
    generator = torch.Generator().manual_seed(bench.experiment.config.seed)
    mixed = targets[torch.randperm(len(targets), generator=generator).to(targets.device)]
    permuted = _gain(bench, inputs, mixed, true.steps, time.perf_counter() - start)
    guess = number(true.constant)
    found.measured = (f"held-out loss {number(true.loss)}, with permuted labels {number(permuted.loss)}, "
                      f"of one answer for all {guess}")  # fmt: skip
    if true.certainty >= CERTAIN and true.certainty > permuted.certainty:
        return found
    if true.steps < ENOUGH:
        found.measured += f": {true.steps} steps are too few to tell"
    else:
        told = (f"after {true.steps} steps on its labels the loss on {true.judged:,} held-out training samples is "
                f"{number(true.loss)}, with permuted labels {number(permuted.loss)}, of one answer for all {guess}: "
                "the labels tell nothing about the inputs")  # fmt: skip
        found.find("dataset", told, "compare labels and samples (cnncli data show): they may be shuffled or shifted")
    return found


class Gain:
    """How much better than by the best constant answer the held-out samples are answered, at the best of some looks."""

    def __init__(self) -> None:
        self.gain = self.certainty = -math.inf
        self.loss = self.constant = math.nan
        self.steps = self.judged = 0

    def look(self, own: Tensor, constant: Tensor) -> None:
        """Take in the losses of held-out samples, ``[N]`` both."""
        gains = constant - own
        # of a network whose units have died the gains are rounding errors alone
        spread = gains.std().item() / math.sqrt(len(gains)) + ROUNDING * abs(constant.mean().item()) + 1e-12
        certainty = gains.mean().item() / spread
        if math.isfinite(certainty) and certainty > self.certainty:
            self.gain, self.certainty = gains.mean().item(), certainty
            self.loss, self.constant, self.judged = own.mean().item(), constant.mean().item(), len(own)


def _gain(bench: Bench, inputs: Tensor, targets: Tensor, steps: int, seconds: float) -> Gain:
    """Train on a part of the samples and judge on the rest; of few samples twice, so that each is judged."""
    size = len(targets)
    halves = size < FEW
    cut = size // 2 if halves else size - min(size // 4, MOST_JUDGED)
    parts = [(slice(0, cut), slice(cut, size))]
    if halves:
        parts.append((parts[0][1], parts[0][0]))
    looks: list[list[tuple[Tensor, Tensor]]] = []
    found = Gain()
    for learned, judged in parts:
        kept, found.steps = _looks(bench, (inputs[learned], targets[learned]), (inputs[judged], targets[judged]),
                                   steps, seconds / len(parts))  # fmt: skip
        looks.append(kept)
    for of_parts in zip(*looks, strict=False):
        own, constant = (torch.cat(losses) for losses in zip(*of_parts, strict=True))
        found.look(own, constant)
    return found


def _looks(
    bench: Bench, learned: tuple[Tensor, Tensor], judged: tuple[Tensor, Tensor], steps: int, seconds: float
) -> tuple[list[tuple[Tensor, Tensor]], int]:
    """The losses of the held-out samples, and those of the best constant answer, at some moments; and the steps."""
    task, spec = bench.experiment.task, bench.experiment.data.spec
    found: list[tuple[Tensor, Tensor]] = []
    with putting_back(bench):
        example = outputs_of(bench, judged[0])
        truth = judged[1][: len(example)]
        one = best_constant(task, learned[1], example, spec.kind.every_position)
        constant = _each(bench, one.expand_as(example), truth)
        taken, due = 0, steps / LOOKS
        start = time.perf_counter()
        for _ in adam_steps(bench, _batches(*learned), _rates(steps, seconds), seconds):
            taken += 1
            looks = len(found) // len(SHARES) + 1
            late = time.perf_counter() - start > seconds * looks / LOOKS
            if taken >= due * looks or late:
                found += _shares(bench, outputs_of(bench, judged[0]), one, truth, constant)
    return found, taken


def _shares(bench: Bench, outputs: Tensor, one: Tensor, truth: Tensor, constant: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The losses of the best constant answer with some of what the network tells samples apart by."""
    own = outputs - outputs.mean(0, keepdim=True)
    return [(_each(bench, one + share * own, truth), constant) for share in SHARES]


def _rates(steps: int, seconds: float) -> Iterator[float]:
    """Rates that rise from the lowest to the highest, over the steps or the time, whichever ends first."""
    start = time.perf_counter()
    for step in range(steps):
        done = max(step / max(steps - 1, 1), (time.perf_counter() - start) / seconds)
        yield LOW_RATE * (HIGH_RATE / LOW_RATE) ** min(done, 1.0)


def _batches(inputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    size = min(BATCH, len(targets))
    while True:
        order = torch.randperm(len(targets), generator=generator).to(targets.device)
        for start in range(0, len(targets) - size + 1, size):
            chosen = order[start : start + size]
            yield inputs[chosen], targets[chosen]


def _each(bench: Bench, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of every single sample, ``[N]``."""
    task = bench.experiment.task
    with torch.no_grad():
        return torch.stack([task.eval_loss(outputs[i : i + 1], targets[i : i + 1]) for i in range(len(targets))]).cpu()
