"""One look at a split, in full: metrics, details of each class, and the baseline beside them."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import nn

from cnncli.compute.failures import explained
from cnncli.compute.interrupt import StopSignal
from cnncli.compute.machine import wait_for
from cnncli.compute.runtime import Runtime
from cnncli.core.intervals import wilson
from cnncli.core.results import Baseline, Block, Column, MistakesBlock, SplitReport, TableBlock, Values, in_order
from cnncli.core.spec import DataSpec, Split, Table
from cnncli.data.bundle import DataBundle
from cnncli.data.sources import ArraySource, Source
from cnncli.tasks.protocol import Meter, Task
from cnncli.training.display import Display
from cnncli.training.engine import evaluate
from cnncli.training.loading import loader_of, room_to_evaluate
from cnncli.training.recorder import Recorder
from cnncli.training.together import combine

MOST_COEFFICIENTS = 1000  # more are no table that anyone reads


def evaluate_split(
    model: nn.Module,
    data: DataBundle,
    split: Split,
    task: Task,
    runtime: Runtime,
    display: Display,
    stop: StopSignal,
    recorder: Recorder | None = None,
) -> Meter | None:
    """The detailed meter of ``model`` on ``split``, of the samples of all ranks; None where it was stopped.

    A ``recorder`` keeps what the network answers to each sample.
    """
    loader = loader_of(data, split, runtime.device)
    meter = task.meter(detailed=True)
    watched = nullcontext() if recorder is None else recorder.watching(model, runtime.device)
    with explained(room_to_evaluate(data, loader)), watched:
        batches = display.evaluate(loader.epoch(0), len(loader), f"evaluating {split}", meter)
        evaluate(model, batches, task, runtime, meter if recorder is None else recorder.beside(meter), stop)
        wait_for(runtime.device)  # what goes wrong there is heard of here, and clocks are read later
    runtime.ranks.arrived()
    runtime.ranks.agree(stop)
    if stop.signum is not None:
        return None
    combine(meter, runtime.ranks)
    if recorder is not None:
        recorder.combine(runtime.ranks)
    return meter


def report_split(
    model: nn.Module,
    data: DataBundle,
    split: Split,
    task: Task,
    runtime: Runtime,
    display: Display,
    stop: StopSignal,
    recorder: Recorder | None = None,
) -> SplitReport | None:
    """What ``model`` scores on ``split``, beside the baselines, in full; None where it was stopped."""
    meter = evaluate_split(model, data, split, task, runtime, display, stop, recorder)
    if meter is None:
        return None
    source = data.sources[split]
    blocks = (*(with_files(block, source) for block in task.blocks(meter)), *coefficients(model, data.spec, task))
    metrics = meter.compute()
    baselines = ranked_baselines(task, source)
    headline = _headline(task, baselines)
    lower = headline in task.lower_is_better
    interval = runtime.ranks.from_zero(lambda: _interval(metrics, headline, len(source), recorder))
    return SplitReport(split, len(source), metrics, headline, lower, tuple(baselines), blocks, interval)


def _interval(metrics: Values, headline: str, samples: int, recorder: Recorder | None) -> tuple[float, float] | None:
    """The 95 % interval of the headline: of independent samples Wilson's, of anything else from what was recorded."""
    outputs = None if recorder is None else recorder.judged()
    dependent = outputs is not None and (outputs.order or len(outputs.groups) > 0)
    if headline == "accuracy" and not dependent:
        return wilson(round(metrics[headline] * samples), samples)
    if outputs is None:
        return None
    from cnncli.scoring.intervals import headline_interval  # scipy takes a while to import

    return headline_interval(outputs, headline, metrics)


def with_files(block: Block, source: Source) -> Block:
    """``block`` in which mistakes say which files they are."""
    if not isinstance(block, MistakesBlock) or source.paths is None:
        return block
    named = tuple(replace(one, path=source.paths.texts[one.sample]) for one in block.mistakes)
    return replace(block, mistakes=named)


def ranked_baselines(task: Task, source: Source, fitted: Sequence[Baseline] = ()) -> list[Baseline]:
    """The task's baselines on a split and those ``fitted``, the strongest by the headline first: the one to beat.

    Pictures from files are not read for a baseline.
    """
    inputs = source.inputs if isinstance(source, ArraySource) and source.rows is None else None
    found = task.baselines(source.targets, inputs)
    headline = _headline(task, found)
    return in_order([*found, *fitted], headline, headline in task.lower_is_better)


def _headline(task: Task, baselines: Sequence[Baseline]) -> str:
    """The task's headline, or where these data leave it undefined the first metric that the baselines have."""
    known = baselines[0].metrics
    return next(name for name in (task.headline, *task.metrics) if name in known)


def coefficients(model: nn.Module, spec: DataSpec, task: Task) -> list[Block]:
    """The weights of a linear regression in the units of its columns, beside the true ones where they are known."""
    layers = [module for module in model.modules() if list(module.parameters(recurse=False))]
    table = spec.preprocess
    if not isinstance(table, Table) or spec.numbers is None or spec.outputs != (1,):  # only columns have units
        return []
    if len(layers) != 1 or not isinstance(layers[0], nn.Linear):
        return []
    # a row of raw zeros gives the intercept, one with a single 1 the weight added to it
    zero, step = [], []
    for column in table.columns:  # of a date the first input, its year, has a unit
        rest = len(column.inputs) - (column.categories is None)
        zero += [*([-column.mean / column.std] * (column.categories is None)), *([0.0] * rest)]
        step += [*([1 / column.std] * (column.categories is None)), *([1.0] * rest)]
    if len(zero) > MOST_COEFFICIENTS:
        return []
    rows = torch.tensor(
        [zero, *([*zero[:i], zero[i] + step[i], *zero[i + 1 :]] for i in range(len(zero)))], dtype=torch.float64
    )
    with torch.inference_mode():
        intercept, *sums = task.predictions(copy.deepcopy(model).cpu().double()(rows))["prediction"]
    names = [*(name for column in table.columns for name in column.inputs), "intercept"]
    learned = [*(value - intercept for value in sums), intercept]
    truth = table.truth or (None,) * len(names)
    cells = tuple(
        (name, value, true, None if true is None else value - true)
        for name, value, true in zip(names, learned, truth, strict=True)
    )
    columns = (Column("name", "coefficient"), Column("learned", "learned", ".5g"),
               Column("true", "true", ".5g"), Column("error", "error", "+.5f"))  # fmt: skip
    title = "Coefficients, in the data's own units"
    return [TableBlock("coefficients", title, columns, cells, brief=True)]
