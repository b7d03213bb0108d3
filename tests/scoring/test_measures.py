"""The metrics from kept outputs are those that the tasks report, of the samples as they are and drawn anew."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.registry import tasks
from cnncli.core.spec import Column, DataSpec, Numbers, Pictures, Table, Text
from cnncli.runs.outputs import Outputs
from cnncli.scoring.measures import measures
from cnncli.scoring.statistics import resamples
from cnncli.scoring.units import Units
from tests.insight.made_runs import made_outputs
from tests.tasks.test_forecasting import case

fill_registries()
CPU, N = torch.device("cpu"), 60
NAMES = ("a", "b", "c", "d")
Drawn = tuple[Outputs, dict[str, float]]


def _task(name: str, spec: DataSpec, loss: str) -> Any:
    return tasks.get(name).factory(spec, LossConfig.model_validate({"name": loss}), CPU)


def _told(task: Any, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """What the task reports of these samples, in two batches."""
    meter = task.meter(detailed=True)
    for part in (slice(0, 7), slice(7, None)):
        answer, target = outputs[part], targets[part]
        meter.update(task.eval_loss(answer, target), len(target), answer, target)
    return dict(meter.compute())


def _each(task: Any, outputs: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    return np.array([task.eval_loss(outputs[n : n + 1], targets[n : n + 1]).item() for n in range(len(targets))])


def classification(rows: np.ndarray) -> Drawn:
    task = _task("classification", DataSpec((1, 8, 8), NAMES, Pictures((0.0,), (1.0,))), "cross_entropy")
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(N, 4, generator=generator)[rows], torch.randint(3, (N,), generator=generator)[rows]
    found = made_outputs(classes=NAMES, target=targets.numpy(), answer=F.softmax(logits, 1).numpy(),
                         loss=_each(task, logits, targets))  # fmt: skip
    return found, _told(task, logits, targets)


def binary(rows: np.ndarray) -> Drawn:
    task = _task("binary", DataSpec((1, 8, 8), ("no", "yes"), Pictures((0.0,), (1.0,))), "bce_with_logits")
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(N, 1, generator=generator).round(decimals=1)[rows]  # some are equal
    targets = torch.randint(2, (N,), generator=generator)[rows]
    found = made_outputs(task="binary", classes=("no", "yes"), positive="yes", target=targets.numpy(),
                         answer=logits[:, 0].sigmoid().numpy(), thresholds=np.array([0.5]),
                         loss=_each(task, logits, targets))  # fmt: skip
    return found, _told(task, logits, targets)


def multilabel(rows: np.ndarray) -> Drawn:
    task = _task("multilabel", DataSpec((1, 8, 8), NAMES, Pictures((0.0,), (1.0,))), "bce_with_logits")
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(N, 4, generator=generator)[rows]
    targets = (torch.rand(N, 4, generator=generator) < 0.3).float()[rows]
    targets[:, 3] = 0  # a class that does not occur
    found = made_outputs(task="multilabel", classes=NAMES, target=targets.bool().numpy(),
                         answer=logits.sigmoid().numpy(), thresholds=np.full(4, 0.5),
                         loss=_each(task, logits, targets))  # fmt: skip
    return found, _told(task, logits, targets)


def regression(rows: np.ndarray) -> Drawn:
    numbers = Numbers(("p", "q"), (250.0, -3.0), (40.0, 0.5))
    task = _task("regression", DataSpec((1,), (), Table((Column("x"),), numbers.names), (2,), numbers), "mse")
    generator = torch.Generator().manual_seed(3)
    true = torch.tensor(numbers.mean) + torch.tensor(numbers.std) * torch.randn(N, 2, generator=generator)
    true = true[rows].double()
    answer = (torch.randn(N, 2, generator=generator)[rows] * 0.5).double()
    predicted = answer * torch.tensor(numbers.std) + torch.tensor(numbers.mean)
    found = made_outputs(task="regression", classes=numbers.names, target=true.numpy(), answer=predicted.numpy(),
                         loss=_each(task, answer, true))  # fmt: skip
    return found, _told(task, answer, true)


def forecasting(rows: np.ndarray) -> Drawn:
    made = case(True, 1, ("b",))
    rows = rows % len(made.targets)
    outputs, targets = made.outputs[rows], made.targets[rows]
    ids = np.array([f"@{n}" for n in range(len(rows))])
    found = made_outputs(task="forecasting", classes=("b",), order=True, ids=ids,
                         target=made.task.in_unit(targets[..., 0], targets).double().numpy(),
                         answer=made.task.in_unit(outputs, targets).double().numpy(),
                         loss=_each(made.task, outputs, targets))  # fmt: skip
    return found, _told(made.task, outputs, targets)


def language(rows: np.ndarray) -> Drawn:
    spec = DataSpec((5,), (), Text(tuple("abcdef")), (5, 6))
    task = _task("language_modeling", spec, "cross_entropy")
    generator = torch.Generator().manual_seed(4)
    logits, targets = (
        torch.randn(N, 5, 6, generator=generator)[rows],
        torch.randint(6, (N, 5), generator=generator)[rows],
    )
    correct = (logits.argmax(2) == targets).sum(1).double().numpy()
    found = made_outputs(task="language_modeling", order=True, loss=_each(task, logits, targets),
                         weight=np.full(len(rows), 5.0), correct=correct)  # fmt: skip
    return found, _told(task, logits, targets)


KINDS = [classification, binary, multilabel, regression, forecasting, language]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_metrics_are_those_that_the_task_reports(kind: Any) -> None:
    outputs, told = kind(np.arange(N))
    found = measures(outputs, told).values()
    assert found == pytest.approx(told, rel=1e-5)
    assert len(found) >= 3


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_weights_are_how_often_a_sample_is_there(kind: Any) -> None:
    random = np.random.default_rng(5)
    drawn = np.sort(random.integers(30, size=N))
    outputs, told = kind(np.arange(N))
    measured, again = measures(outputs, told), kind(drawn)[1]
    count = len(outputs.ids)
    units = Units("samples", np.arange(count))
    weights = np.stack([np.ones(count), np.bincount(drawn % count, minlength=count)]).astype(float)
    found = measured.replicates(weights, measured.by_unit(units), units, frozenset(told))
    assert {name: values[0] for name, values in found.items()} == pytest.approx(told, rel=1e-5)
    assert {name: values[1] for name, values in found.items()} == pytest.approx(again, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_influences_are_slopes_and_belong_to_the_units(kind: Any) -> None:
    outputs, told = kind(np.arange(N))
    measured, count = measures(outputs, told), len(outputs.ids)
    samples, groups = Units("samples", np.arange(count)), Units("groups", np.arange(count) // 4)
    summed = measured.by_unit(samples)
    by_sample, by_group = (measured.influences(measured.by_unit(units), units) for units in (samples, groups))
    little = 1e-5
    weights = np.concatenate([np.ones((1, count)), np.ones((1, count)) + little * np.eye(count)])
    moved = measured.replicates(weights, summed, samples, frozenset(told))
    for name, influence in by_sample.items():
        assert np.abs(influence.sum()) < 1e-6 * max(np.abs(influence).max(), 1)
        assert by_group[name] == pytest.approx(np.add.reduceat(influence, np.arange(0, count, 4)), abs=1e-9)
        slope = (moved[name][1:] - moved[name][0]) / little
        assert influence == pytest.approx(slope, rel=2e-3, abs=2e-3 * np.abs(slope).max()), name


def test_areas_of_many_samples_by_their_influences_spread_as_those_in_order() -> None:
    random = np.random.default_rng(0)
    truth = random.random(1500) < 0.2
    scores = (1 / (1 + np.exp(1 - 2 * truth - random.normal(size=1500)))).astype(np.float32)
    outputs = made_outputs(classes=("no", "yes"), positive="yes", target=truth.astype(np.int64), answer=scores,
                           thresholds=np.array([0.5]), loss=np.zeros(1500))  # fmt: skip
    measured, units = measures(outputs, {}), Units("samples", np.arange(1500))
    weights = np.concatenate(list(resamples(1500, draws=400)))
    fast = measured.replicates(weights, measured.by_unit(units), units, frozenset({"roc_auc"}))
    slow = measured.ranked[0].values(weights)
    for name in ("roc_auc", "average_precision"):
        assert np.corrcoef(fast[name], slow[name])[0, 1] > 0.995
        assert fast[name].std() == pytest.approx(slow[name].std(), rel=0.05)


def test_mase_of_several_targets_is_left_out_as_it_is_not_one_number_times_mae() -> None:
    made = case(False, None, ("c", "a"))
    ids = np.array([f"@{n}" for n in range(len(made.targets))])
    target = made.task.in_unit(made.targets[..., 0], made.targets).double().numpy()
    outputs = made_outputs(order=True, ids=ids, target=target, answer=target + 1, loss=np.ones(len(ids)))
    assert "mase" not in measures(outputs, {"mae": 1.0, "mase": 2.0}).values()


def test_one_class_alone_has_no_area_and_a_perfect_network_has_everything_right() -> None:
    yes = made_outputs(classes=("no", "yes"), positive="yes", target=np.ones(4, dtype=np.int64), loss=np.zeros(4),
                       answer=np.full(4, 0.9, dtype=np.float32), thresholds=np.array([0.5]))  # fmt: skip
    found = measures(yes, {}).values()
    assert found == {"loss": 0.0, "accuracy": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0}
