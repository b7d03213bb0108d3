"""The parts of a report: what each is in JSON, and that all of them come back as they were."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cnncli.core.intervals import wilson
from cnncli.core.results import (
    Baseline,
    Block,
    Column,
    CurveBlock,
    FactsBlock,
    Line,
    LinesBlock,
    MatrixBlock,
    Mistake,
    MistakesBlock,
    Rate,
    RatesBlock,
    ReliabilityBlock,
    ScatterBlock,
    SplitReport,
    TableBlock,
)

NAMED = (Column("name", "coefficient"), Column("learned", "learned", ".5g"), Column("true", "true", ".5g"))
RECORDS = TableBlock("coefficients", "Coefficients", NAMED, (("area", 1.5, 1.0), ("bias", 0.1, None)), brief=True)
BY_NAME = TableBlock(
    "per_class",
    "Per class",
    (Column("class", "class"), Column("recall", "recall", ".4f"), Column("support", "samples", "d")),
    (("ants", 0.5, 8), ("bees", None, 0)),
    shape="by_name",
)
BY_COLUMN = TableBlock(
    "backtest",
    "Walk-forward",
    (Column("step", "step ahead", "d"), Column("mae_per_step", "MAE", ".5g")),
    ((1, 2.5), (2, 3.5)),
    shape="by_column",
    facts={"windows": 18, "inside": 0.75},
    notes=("75.0 % of the true values lay inside",),
)
MATRIX = MatrixBlock("confusion", "Confusion", ("ants", "bees"), ((7, 1), (0, 8)))
CURVE = CurveBlock("roc", "false_rate", "true_rate", (0.0, 0.5, 1.0), (0.0, 0.9, 1.0), diagonal=True)
SCATTER = ScatterBlock("points", "price", (1.0, 2.0), (1.5, 1.75))
LINES = LinesBlock("forecasts", "load", "hour", (Line("true", "true", (1.0, 2.0)), Line("last", "last", (2.5,), 2)))
FACTS = FactsBlock({"threshold": 0.25, "positive": "bees"}, "bees from a probability of 0.25 on")
KEYED = FactsBlock({"temperature": 1.5}, "calibration error 0.1", key="calibration")
RATES = RatesBlock("intervals", ("ants", "bees"), (Rate("recall", "recall", (7, 0), (8, 0)),))
RELIABILITY = ReliabilityBlock("reliability", "the predicted class is right", (0.55, 0.97), (3, 22), (6, 22))
MISTAKES = MistakesBlock(
    "mistakes", "Mistakes", (Mistake(3, "ants", "bees", 0.9, "a.png"), Mistake(0, "bees", "ants", 0.5))
)
EVERY: list[tuple[Block, dict[str, Any]]] = [
    (
        RECORDS,
        {"coefficients": [{"name": "area", "learned": 1.5, "true": 1.0}, {"name": "bias", "learned": 0.1}]},
    ),
    (BY_NAME, {"per_class": {"ants": {"recall": 0.5, "support": 8}, "bees": {"support": 0}}}),
    (BY_COLUMN, {"backtest": {"windows": 18, "inside": 0.75, "mae_per_step": [2.5, 3.5]}}),
    (MATRIX, {"confusion": [[7, 1], [0, 8]]}),
    (CURVE, {"roc": {"false_rate": [0.0, 0.5, 1.0], "true_rate": [0.0, 0.9, 1.0]}}),
    (SCATTER, {"points": {"target": "price", "true": [1.0, 2.0], "predicted": [1.5, 1.75]}}),
    (LINES, {"forecasts": {"target": "load", "true": [1.0, 2.0], "last": [2.5]}}),
    (FACTS, {"threshold": 0.25, "positive": "bees"}),
    (KEYED, {"calibration": {"temperature": 1.5}}),
    (RATES, {"intervals": {"ants": {"recall": list(wilson(7, 8))}, "bees": {}}}),
    (
        RELIABILITY,
        {"reliability": {"probability": [0.55, 0.97], "frequency": [0.5, 1.0], "samples": [6, 22]}},
    ),
    (
        MISTAKES,
        {
            "mistakes": [
                {"sample": 3, "true": "ants", "predicted": "bees", "probability": 0.9, "path": "a.png"},
                {"sample": 0, "true": "bees", "predicted": "ants", "probability": 0.5},
            ]
        },
    ),
]
COMMONEST = Baseline("commonest class", {"accuracy": 0.5}, always="ants")
OTHER = Baseline("guessing", {"accuracy": 0.25})


def report(reached: float = 0.75, lower_is_better: bool = False) -> SplitReport:
    blocks = tuple(block for block, _ in EVERY)
    metrics = {"loss": 0.3, "accuracy": reached}
    return SplitReport("test", 16, metrics, "accuracy", lower_is_better, (COMMONEST, OTHER), blocks)


@pytest.mark.parametrize(("block", "expected"), EVERY, ids=lambda value: getattr(value, "key", None))
def test_every_part_has_its_form_in_json(block: Block, expected: dict[str, Any]) -> None:
    assert json.loads(json.dumps(block.to_json())) == block.to_json() == expected


@pytest.mark.parametrize("block", [block for block, _ in EVERY], ids=lambda block: str(block.key))
def test_making_json_of_a_part_does_not_change_it(block: Block) -> None:
    before = TypeAdapter(Block).dump_json(block)
    block.to_json().clear()
    for value in block.to_json().values():
        if isinstance(value, dict | list):
            value.clear()
    assert TypeAdapter(Block).dump_json(block) == before


def test_a_baseline_names_the_class_that_it_always_answers() -> None:
    assert COMMONEST.to_json() == {"name": "commonest class", "class": "ants", "accuracy": 0.5}
    assert OTHER.to_json() == {"name": "guessing", "accuracy": 0.25}
    assert (str(COMMONEST), str(OTHER)) == ("commonest class (ants)", "guessing")


def test_a_report_puts_its_parts_beside_each_other() -> None:
    found = report().to_json()
    assert found.pop("split") == "test"
    assert found.pop("headline") == {"metric": "accuracy", "lower_is_better": False}
    assert found.pop("baseline") == COMMONEST.to_json(), "the first is the one to beat"
    assert found.pop("baselines") == [COMMONEST.to_json(), OTHER.to_json()]
    assert found.pop("beats_baseline") is report().beats_baseline
    assert found == {key: value for _, part in EVERY for key, value in part.items()}


@pytest.mark.parametrize(("reached", "higher", "lower"), [(0.75, True, False), (0.5, False, False), (0.3, False, True)])
def test_a_network_as_good_as_the_baseline_does_not_beat_it(reached: float, higher: bool, lower: bool) -> None:
    assert report(reached).beats_baseline is higher
    assert report(reached, lower_is_better=True).beats_baseline is lower


def test_a_report_comes_back_from_json_as_it_was() -> None:
    adapter = TypeAdapter(SplitReport)
    again = adapter.validate_python(json.loads(json.dumps(adapter.dump_python(report(), mode="json"))))
    assert again == report()
    assert [type(block) for block in again.blocks] == [type(block) for block, _ in EVERY]
    assert again.to_json() == report().to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"type": "picture"}, {"type": "matrix"}, {"color": "red"}, {"rows": 3}, {"shape": "by_row"},
        {"columns": [{"key": "a"}]},
    ],
)  # fmt: skip
def test_what_is_no_part_of_a_report_is_refused(change: dict[str, Any]) -> None:
    adapter = TypeAdapter(Block)
    plain = adapter.dump_python(RECORDS, mode="json")
    assert adapter.validate_python(plain) == RECORDS
    with pytest.raises(ValidationError):
        adapter.validate_python({**plain, **change})
