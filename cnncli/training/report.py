"""One look at a split, in full: metrics, details of each class, and the baseline beside them."""

from typing import Any

from torch import nn

from cnncli.data.bundle import DataBundle, Split
from cnncli.tasks.classification import Classification
from cnncli.training.display import Display
from cnncli.training.engine import evaluate
from cnncli.training.interrupt import StopSignal
from cnncli.training.runtime import Runtime

Report = dict[str, Any]


def report_split(
    model: nn.Module,
    data: DataBundle,
    split: Split,
    task: Classification,
    runtime: Runtime,
    display: Display,
    stop: StopSignal,
) -> Report:
    """``metrics`` (``n``, ``loss``, …), ``per_class``, ``confusion`` and ``baseline`` of ``model`` on ``split``."""
    loader = data.loader(split, runtime.device)
    meter = task.meter(detailed=True)
    batches = display.batches(loader.epoch(0), len(loader), 0, f"evaluating {split}", meter)
    evaluate(model, batches, task, runtime, meter, stop)
    return {
        "metrics": {"n": meter.samples, **meter.compute()},
        **task.details(meter),
        "baseline": task.baseline(data.sources[split].targets),
    }
