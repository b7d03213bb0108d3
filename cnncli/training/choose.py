"""What only a measurement can tell: whether mixed precision, or compiling, makes this network faster here.

A choice is remembered beside the decoded pictures, so that the same run on the same machine is the same run again.
"""

import copy
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn

from cnncli import __version__
from cnncli.compute.compiling import compile_network
from cnncli.compute.machine import made_for_bf16, processor
from cnncli.compute.runtime import Runtime
from cnncli.config.sections import Compiling, Config
from cnncli.core.errors import StorageError
from cnncli.core.files import CHOICES, cache_folder, remember
from cnncli.core.spec import DataSpec
from cnncli.core.targets import Shares
from cnncli.core.waiting import waiting
from cnncli.data.loaders import Batch, Loader
from cnncli.tasks.protocol import Task
from cnncli.training.network import example_inputs

WORTH_A_TRIAL = 5e11  # floating-point operations of a run: a few seconds of a CPU
CLEARLY_FASTER = 1.15
TRIAL_SECONDS, TRIAL_ROUNDS = 3.0, 8
WORTH_COMPILING = {"cuda": 600.0, "cpu": 3600.0}  # seconds of a run: a trial alone may take a minute or two


@dataclass(frozen=True)
class Choice:
    """How a run computes, and why."""

    precision: str
    compiling: Compiling
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """A network with a batch of its data, to be timed; the network itself is not touched."""

    config: Config
    spec: DataSpec
    model: nn.Module
    task: Task
    loader: Loader
    runtime: Runtime

    @property
    def steps(self) -> int:
        """Batches of the whole run."""
        return len(self.loader) * self.config.train.epochs


def choose(trial: Trial, measure: bool) -> Choice:
    """Settle ``precision: auto`` and ``compute.compile: auto`` by measuring, or by what was measured before.

    Unless it may ``measure``, what is open is fp32, not compiled.
    """
    asked, compiling = trial.config.precision, trial.config.compute.compile
    measurable = trial.spec.kind.trials_pay and not trial.runtime.synced  # one rank alone would wait for ever
    precision = asked if asked != "auto" else "fp32"
    open_precision = asked == "auto" and measurable and made_for_bf16(trial.runtime.device)
    open_compile = compiling == "auto" and measurable and trial.runtime.device.type in ("cpu", "cuda")
    choice = Choice(precision, "off" if compiling == "auto" else compiling)
    if not (open_precision or open_compile):
        return choice
    if remembered := _remembered(trial):
        return remembered
    if operations(trial) >= WORTH_A_TRIAL:
        if not measure:
            return replace(choice, reason="training begins with a trial of what is faster")
        with _same_random_numbers(trial.runtime.device), waiting("timing what is fastest for this network here"):
            choice = _measure(trial, precision, open_precision, open_compile)
    with suppress(OSError, StorageError):  # of a folder that cannot be written; the next run measures again
        remember(_file(trial), TypeAdapter(Choice).dump_json(choice, indent=1).decode(), keep=1000)
    return choice


def operations(trial: Trial) -> float:
    """Floating-point operations of the whole run: three times those of the forward passes (Kaplan et al. 2020)."""
    from torch.utils.flop_counter import FlopCounterMode

    example = example_inputs(trial.spec, trial.runtime.device)
    was_training = trial.model.training
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        trial.model.eval()(example)
    trial.model.train(was_training)
    samples = trial.steps * trial.config.dataset.batch_size
    forward: float = counter.get_total_flops() / len(example)
    return 3 * forward * samples


def _measure(trial: Trial, precision: str, open_precision: bool, open_compile: bool) -> Choice:
    batch = next(iter(trial.loader.epoch(0)))
    candidates = [precision, "bf16"] if open_precision else [precision]
    steps = {name: _stepper(trial, copy.deepcopy(trial.model), name, batch) for name in candidates}
    seconds = timed(steps)
    reasons = []
    if open_precision:
        gain = seconds[precision] / seconds["bf16"]
        precision = "bf16" if gain >= CLEARLY_FASTER else precision
        reasons.append(f"bf16 was {gain:.2f} times as fast as fp32 in a trial")
    asked = trial.config.compute.compile
    compiling: Compiling = "off" if asked == "auto" else asked
    whole = seconds[precision] * trial.steps
    if open_compile and whole > WORTH_COMPILING[trial.runtime.device.type]:
        compiling, reason = _compiling_that_pays(trial, precision, batch, seconds[precision])
        reasons.append(reason)
    elif open_compile and not reasons:
        reasons.append(
            f"not compiled: by a trial all steps take {max(whole, 1):,.0f} s, too short a run to gain from it"
        )
    return Choice(precision, compiling, "; ".join(reasons))


def _compiling_that_pays(trial: Trial, precision: str, batch: Batch, eager: float) -> tuple[Compiling, str]:
    """The way of compiling that saves most time of the whole run, if it is more than compiling takes, and why."""
    from torch._dynamo.exc import TorchDynamoException

    ways: dict[Compiling, str] = {"on": "compiled"}
    alone = trial.runtime.ranks.count == 1 and trial.config.train.accumulate == 1  # see check_graphs
    if trial.runtime.device.type == "cuda" and alone:
        ways["cuda_graphs"] = "with CUDA graphs"
    saved: dict[Compiling, float] = {"off": 0.0}
    reasons = []
    for way, words in ways.items():
        try:
            cost, seconds = _compiled(trial, way, precision, batch)
        except (TorchDynamoException, RuntimeError) as error:  # no compiler here, or a network it cannot take
            reasons.append(f"torch.compile failed ({str(error).strip().splitlines()[0][:80]})")
            break
        saved[way] = (eager - seconds) * trial.steps - cost
        reasons.append(f"{words} {eager / seconds:.2f} times as fast in a trial, {cost:.0f} s to compile")
    return max(saved, key=lambda way: saved[way]), "; ".join(reasons)


def _compiled(trial: Trial, way: Compiling, precision: str, batch: Batch) -> tuple[float, float]:
    """Seconds to compile all that the run will call, and then those of a step."""
    model = copy.deepcopy(trial.model)
    compile_network(model, way)
    try:
        start = time.perf_counter()
        for size in sorted({len(part.indices) for part in trial.loader.order.parts(0)}, reverse=True):
            _stepper(trial, model, precision, _first(batch, size))()
        if trial.config.train.ema_decay is None:  # averaged weights are evaluated by a network that is not compiled
            _evaluate(trial, model, precision, batch)
        cost = time.perf_counter() - start
        return cost, timed({way: _stepper(trial, model, precision, batch)})[way]
    finally:
        torch._dynamo.reset()  # what was compiled for the copy; the run finds most of it in inductor's cache on disk


def _first(batch: Batch, size: int) -> Batch:
    """The first samples of a batch."""
    inputs, targets = batch
    shorter = Shares(targets.values[:size]) if isinstance(targets, Shares) else targets[:size]
    return inputs[:size], shorter


@torch.inference_mode()
def _evaluate(trial: Trial, model: nn.Module, precision: str, batch: Batch) -> None:
    """Batches of two sizes, as an evaluation has them."""
    inputs = batch[0].clone()  # made in here, as those of an evaluation are
    model.eval()
    for part in (inputs, inputs[: max(len(inputs) // 2, 1)].clone()):
        with replace(trial.runtime, precision=precision).autocast():
            model(part)


def _stepper(trial: Trial, model: nn.Module, precision: str, batch: Batch) -> Callable[[], None]:
    """One forward and backward pass of ``model``, a copy of the trial's, waiting for the device."""
    model.train()
    runtime = replace(trial.runtime, precision=precision)
    inputs, targets = batch

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with runtime.autocast():
            outputs = model(inputs)
        trial.task.loss(outputs.float(), targets).backward()
        if runtime.device.type == "cuda":
            torch.cuda.synchronize(runtime.device)

    return step


def timed(steps: dict[str, Callable[[], None]]) -> dict[str, float]:
    """The shortest time of each step in seconds; they take turns, so that a disturbance strikes them all."""
    best = dict.fromkeys(steps, float("inf"))
    start = time.perf_counter()
    for number in range(TRIAL_ROUNDS + 2):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            if number >= 2 or time.perf_counter() - start > TRIAL_SECONDS:  # the first rounds warm up
                best[name] = min(best[name], time.perf_counter() - began)
        if time.perf_counter() - start > TRIAL_SECONDS and all(value < float("inf") for value in best.values()):
            break
    return best


def _file(trial: Trial) -> Path:
    """Where the choice is remembered: by everything that it may depend on."""
    config, runtime = trial.config, trial.runtime
    parts: list[Any] = [
        __version__, processor(runtime.device), torch.__version__, torch.get_num_threads(), config.precision,
        config.compute.model_dump(mode="json"), config.model.model_dump(mode="json"), config.loss.name,
        config.finetune and config.finetune.strategy, config.dataset.batch_size, trial.steps,
        trial.spec.input_shape, trial.spec.outputs, WORTH_A_TRIAL, CLEARLY_FASTER, runtime.ranks.count,
    ]  # fmt: skip
    return cache_folder() / CHOICES / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}.json"


def _remembered(trial: Trial) -> Choice | None:
    """The choice of an earlier run; a damaged file is as good as none."""
    try:
        return TypeAdapter(Choice).validate_json(_file(trial).read_bytes())
    except (OSError, StorageError, ValueError):
        return None


@contextmanager
def _same_random_numbers(device: torch.device) -> Iterator[None]:
    """A trial draws (dropout, say) without moving the generators of the run: the host's, and that of its own card."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" and torch.cuda.is_initialized() else ()):
        yield
