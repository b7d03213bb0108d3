"""Which classes an answer names, and what is kept of what was chosen on validation."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.registry import tasks
from cnncli.core.spec import Column, DataSpec, Numbers, Pictures, Series, Table, Text
from cnncli.tasks.binary import Binary, BinaryCalibration
from cnncli.tasks.calibration import Risk
from cnncli.tasks.classification import ClassCalibration, Classification
from cnncli.tasks.forecasting import Interval
from cnncli.tasks.multilabel import LabelCalibration
from cnncli.tasks.protocol import Calibration, Naming, Task

fill_registries()
CPU = torch.device("cpu")
COLUMNS = (Column("u"), Column("v"), Column("w"))
SPECS = {
    "classification": DataSpec((1, 4, 4), ("a", "b", "c"), Pictures((0.0,), (1.0,))),
    "multilabel": DataSpec((1, 4, 4), ("a", "b"), Pictures((0.0,), (1.0,))),
    "binary": DataSpec((3,), ("no", "yes"), Table(COLUMNS, ("t",)), (1,)),
    "regression": DataSpec((3,), (), Table(COLUMNS, ("y",)), (1,), Numbers(("y",), (0.0,), (1.0,))),
    "forecasting": DataSpec((4, 1), (), Series(("x",), ("x",), 1, False, None, (0.0,), (1.0,), (1.0,)), (2, 1)),
    "language_modeling": DataSpec((4,), (), Text(("\ufffd", "a", "b")), (4, 3)),
}
CHOSEN: dict[str, Callable[[], Calibration]] = {
    "classification": lambda: ClassCalibration(1.5, Risk([0.5, 0.9], [0.1, 0.0], [1.0, 0.5]), 20),
    "multilabel": lambda: LabelCalibration((0.25, 0.5)),
    "binary": lambda: BinaryCalibration(0.25),
    "regression": Calibration,
    "forecasting": lambda: Interval(0.9, [[1.0], [2.0]]),
    "language_modeling": Calibration,
}


def task(name: str, **args: Any) -> Task:
    loss = tasks.get(name).suggests["loss"]
    made: Task = tasks.build(name, SPECS[name], LossConfig(name=loss), CPU, **args)
    return made


def test_every_task_is_here() -> None:
    assert set(tasks) == set(SPECS) == set(CHOSEN)


@pytest.mark.parametrize("name", SPECS)
def test_what_was_chosen_comes_back_from_plain_values(name: str) -> None:
    made, chosen = task(name), CHOSEN[name]()
    assert type(chosen) is made.calibration_type is type(made.calibration)
    again = TypeAdapter(made.calibration_type).validate_json(TypeAdapter(dict[str, Any]).dump_json(chosen.to_dict()))
    assert again == chosen
    made.use(again)
    assert made.calibration == chosen
    assert TypeAdapter(made.calibration_type).validate_json("{}") == made.calibration_type(), "nothing was chosen"


@pytest.mark.parametrize("name", SPECS)
def test_what_was_chosen_for_one_view_is_kept_for_several_unless_it_was_fitted_to_one(name: str) -> None:
    chosen = CHOSEN[name]()
    assert chosen.for_views() == (ClassCalibration(samples=20) if name == "classification" else chosen)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_of_several_classes_the_likeliest_is_named(temperature: float) -> None:
    made = task("classification")
    made.use(ClassCalibration(temperature))
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = made.naming(logits)
    assert isinstance(made, Classification)
    assert found is not None
    torch.testing.assert_close(found.probabilities, (logits / temperature).softmax(1))
    assert found.chosen.tolist() == [[False, True, False], [True, False, False], [True, False, False]], "one of a tie"
    assert found.names(("a", "b", "c")) == ["b", "a", "a"] == made.predictions(logits)["prediction"]


@pytest.mark.parametrize("positive", ["no", "yes"])
def test_of_two_classes_one_is_named_at_the_threshold(positive: str) -> None:
    made = task("binary", positive=positive, threshold=0.25)
    assert isinstance(made, Binary)
    outputs = torch.tensor([0.2, 0.3, 0.9]).logit()[:, None]
    found = made.naming(outputs)
    said = torch.tensor([0.2, 0.3, 0.9])
    columns = [1 - said, said] if positive == "yes" else [said, 1 - said]
    torch.testing.assert_close(found.probabilities, torch.stack(columns, dim=1))
    other = "no" if positive == "yes" else "yes"
    assert found.names(("no", "yes")) == [other, positive, positive] == made.predictions(outputs)["prediction"]
    assert found.chosen.sum(1).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("regression", torch.zeros(2, 1)), ("forecasting", torch.zeros(2, 2, 1)),
        ("language_modeling", torch.zeros(2, 4, 3)),
    ],
)  # fmt: skip
def test_tasks_without_classes_name_none(name: str, outputs: Tensor) -> None:
    assert task(name).naming(outputs) is None
    assert len(task(name).predictions(outputs)["prediction"]) == 2


def test_several_classes_of_a_sample_are_joined_and_there_may_be_none() -> None:
    chosen = torch.tensor([[True, False, True], [False, False, False], [False, True, False]])
    assert Naming(torch.zeros(3, 3), chosen).names(("a", "b", "c")) == ["a|c", "", "b"]
