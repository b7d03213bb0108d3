"""One look at a split, in full: metrics, details of each class, and the baseline beside them."""

import copy
from typing import Any

import torch
from torch import nn

from cnncli.compute.interrupt import StopSignal
from cnncli.compute.runtime import Runtime
from cnncli.core.spec import DataSpec, Split, Table
from cnncli.data.bundle import DataBundle
from cnncli.data.sources import ArraySource, Source
from cnncli.tasks.protocol import Task
from cnncli.training.display import Display
from cnncli.training.engine import evaluate

Report = dict[str, Any]


def report_split(
    model: nn.Module,
    data: DataBundle,
    split: Split,
    task: Task,
    runtime: Runtime,
    display: Display,
    stop: StopSignal,
) -> Report:
    """``metrics`` (``n``, ``loss``, …), ``baseline`` and the task's details of ``model`` on ``split``."""
    loader = data.loader(split, runtime.device)
    meter = task.meter(detailed=True)
    batches = display.batches(loader.epoch(0), len(loader), 0, f"evaluating {split}", meter)
    evaluate(model, batches, task, runtime, meter, stop)
    if stop.requested:
        return {}
    source = data.sources[split]
    baselines = ranked_baselines(task, source)
    return {
        "metrics": {"n": len(source), **meter.compute()},
        "headline": {"metric": task.headline, "lower_is_better": task.headline in task.lower_is_better},
        "baseline": baselines[0],
        "baselines": baselines,
        **task.details(meter),
        **coefficients(model, data.spec, task),
    }


def ranked_baselines(task: Task, source: Source) -> list[dict[str, Any]]:
    """The task's baselines on a split, the strongest by the task's headline first: the one to beat.

    Pictures from files are not read for a baseline.
    """
    inputs = source.inputs if isinstance(source, ArraySource) and source.rows is None else None
    found = task.baselines(source.targets, inputs)
    lower = task.headline in task.lower_is_better
    return sorted(found, key=lambda baseline: float(baseline[task.headline]), reverse=not lower)


def coefficients(model: nn.Module, spec: DataSpec, task: Task) -> dict[str, list[dict[str, Any]]]:
    """The weights of a linear regression in the units of its columns, beside the true ones where they are known."""
    layers = [module for module in model.modules() if list(module.parameters(recurse=False))]
    table = spec.preprocess
    if not isinstance(table, Table) or spec.classes or spec.outputs != (1,):
        return {}
    if len(layers) != 1 or not isinstance(layers[0], nn.Linear):
        return {}
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
    found: list[dict[str, Any]] = [{"name": n, "learned": value} for n, value in zip(names, learned, strict=True)]
    for row, true in zip(found, table.truth or (), strict=False):
        row |= {"true": true, "error": row["learned"] - true}
    return {"coefficients": found}
