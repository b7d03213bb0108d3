"""One look at a split, in full: metrics, details of each class, and the baseline beside them."""

import copy

import torch
from torch import nn

from cnncli.compute.failures import explained
from cnncli.compute.interrupt import StopSignal
from cnncli.compute.runtime import Runtime
from cnncli.core.results import Baseline, Block, Column, SplitReport, TableBlock
from cnncli.core.spec import DataSpec, Split, Table
from cnncli.data.bundle import DataBundle
from cnncli.data.sources import ArraySource, Source
from cnncli.tasks.protocol import Task
from cnncli.training.display import Display
from cnncli.training.engine import evaluate


def report_split(
    model: nn.Module,
    data: DataBundle,
    split: Split,
    task: Task,
    runtime: Runtime,
    display: Display,
    stop: StopSignal,
) -> SplitReport | None:
    """What ``model`` scores on ``split``, beside the baselines, in full; None where it was stopped."""
    with explained():
        loader = data.loader(split, runtime.device)
        meter = task.meter(detailed=True)
        batches = display.batches(loader.epoch(0), len(loader), 0, f"evaluating {split}", meter)
        evaluate(model, batches, task, runtime, meter, stop)
    if stop.requested:
        return None
    source = data.sources[split]
    baselines = ranked_baselines(task, source)
    blocks = (*task.blocks(meter), *coefficients(model, data.spec, task))
    lower = task.headline in task.lower_is_better
    return SplitReport(split, len(source), meter.compute(), task.headline, lower, tuple(baselines), blocks)


def ranked_baselines(task: Task, source: Source) -> list[Baseline]:
    """The task's baselines on a split, the strongest by the task's headline first: the one to beat.

    Pictures from files are not read for a baseline.
    """
    inputs = source.inputs if isinstance(source, ArraySource) and source.rows is None else None
    found = task.baselines(source.targets, inputs)
    lower = task.headline in task.lower_is_better
    return sorted(found, key=lambda baseline: baseline.metrics[task.headline], reverse=not lower)


def coefficients(model: nn.Module, spec: DataSpec, task: Task) -> list[Block]:
    """The weights of a linear regression in the units of its columns, beside the true ones where they are known."""
    layers = [module for module in model.modules() if list(module.parameters(recurse=False))]
    table = spec.preprocess
    if not isinstance(table, Table) or spec.numbers is None or spec.outputs != (1,):  # only columns have units
        return []
    if len(layers) != 1 or not isinstance(layers[0], nn.Linear):
        return []
    # a row of raw zeros gives the intercept, one with a single 1 the weight added to it
    zero = [v for c in table.columns for v in ([-c.mean / c.std] if c.categories is None else [0.0] * len(c.inputs))]
    step = [v for c in table.columns for v in ([1 / c.std] if c.categories is None else [1.0] * len(c.inputs))]
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
