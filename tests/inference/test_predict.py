"""Predictions for new rows: found by name, in the target's own unit, and refused in one line."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cnncli.core.errors import ConfigError
from cnncli.inference.predict import predict_rows
from cnncli.inference.predictor import load_predictor
from tests.conftest import Answer

Run = Callable[..., Answer]

HOUSES = "area,kind,price,sold\n" + "".join(
    f"{40 + 3 * n},{('flat', 'house', 'villa')[n % 3]},{100_000 + 5_000 * n},{('no', 'yes')[n % 2]}\n"
    for n in range(60)
)
SETTINGS = """\
name: houses
dataset: {{name: csv, file: houses.csv, batch_size: 16, {data}}}
model: {{name: mlp, hidden: [8]}}
task: {task}
train: {{epochs: 2}}
logging: {{tensorboard: false, samples: false}}
"""


def trained(cnncli: Run, data: str, task: str) -> Path:
    Path("houses.csv").write_text(HOUSES)
    Path("houses.yaml").write_text(SETTINGS.format(data=data, task=task))
    answer = cnncli("train", "houses.yaml", "--name", "houses/one")
    assert answer.code == 0, answer.err
    return Path("runs/houses/one")


def table(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def test_a_regression_predicts_in_the_unit_of_the_target(cnncli: Run) -> None:
    run = trained(cnncli, "target: price, ignore: [sold]", "regression")
    answer = cnncli("predict", "--ckpt", run, "houses.csv")
    assert answer.code == 0, answer.err
    frame = table(answer.out)
    assert list(frame.columns) == ["area", "kind", "price", "sold", "prediction"]
    assert len(frame) == 60
    assert frame["prediction"].between(1e4, 1e6).all(), "euros, not standardised"


def test_several_targets_have_a_column_each(cnncli: Run) -> None:
    run = trained(cnncli, "target: [price, area]", "regression")
    frame = table(cnncli("predict", "--ckpt", run, "houses.csv").out)
    assert list(frame.columns[-2:]) == ["prediction_price", "prediction_area"]


@pytest.mark.parametrize("task", ["classification", "binary"])
def test_classes_are_named_with_their_probability(cnncli: Run, task: str) -> None:
    run = trained(cnncli, "target: sold", task)
    frame = table(cnncli("predict", "--ckpt", run / "best.pt", "houses.csv").out)
    assert set(frame["prediction"]) <= {"no", "yes"}
    assert frame["probability_yes"].between(0, 1).all()
    assert ((frame["probability_yes"] > 0.5) == (frame["prediction"] == "yes")).all()


def test_the_order_of_columns_and_other_columns_change_nothing(cnncli: Run) -> None:
    run = trained(cnncli, "target: price, ignore: [sold]", "regression")
    expected = table(cnncli("predict", "--ckpt", run, "houses.csv").out)["prediction"]
    rows = table(HOUSES)[["kind", "area"]].assign(colour="red")[["colour", "kind", "area"]]
    rows.to_csv("shuffled.csv", index=False)
    found = table(cnncli("predict", "--ckpt", run, "shuffled.csv").out)
    assert list(found.columns) == ["colour", "kind", "area", "prediction"]
    assert found["prediction"].equals(expected)
    from_frame = predict_rows(load_predictor(run), rows)
    assert from_frame["prediction"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)


def test_predictions_are_written_in_the_form_asked_for(cnncli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(cnncli, "target: sold", "classification")
    expected = cnncli("predict", "--ckpt", run, "houses.csv").out
    assert cnncli("predict", "--ckpt", run, "houses.csv", "--out", "answers.csv").out == ""
    assert Path("answers.csv").read_text() == expected
    records = json.loads(cnncli("predict", "--ckpt", run, "houses.csv", "--format", "json").out)
    assert records[1]["area"] == 43
    assert records[1]["kind"] == "house"
    assert records[1]["prediction"] == table(expected)["prediction"][1]
    shown = cnncli("predict", "--ckpt", run, "houses.csv", "--format", "table").out
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0] == ["area", "kind", "price", "sold", "prediction", "probability_no", "probability_yes"]
    assert [line[:5] for line in lines[1:]] == [line.split(",")[:5] for line in expected.splitlines()[1:]]
    assert [[float(p) for p in line[5:]] for line in lines[1:]] == [
        [float(f"{float(p):.5g}") for p in line.split(",")[5:]] for line in expected.splitlines()[1:]
    ]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(HOUSES.encode())))
    assert cnncli("predict", "--ckpt", run, "-").out == expected
    answer = cnncli("predict", "--ckpt", run, "houses.csv", "--format", "jsn")
    assert answer.code == 2
    assert "did you mean 'json'?" in answer.err


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ("size,kind,price\n50,flat,1\n", "error: new.csv: column 'area' is missing (extra: 'size'); add it\n"),
        ("area,kind,price\n50,flat,1\nbig,flat,1\n", "error: new.csv:3: column 'area' has 'big'"),
        ("area,kind,price\n50,barn,1\n", "error: new.csv:2: column 'kind' has 'barn', unknown in training"),
        ("area,kind,price\n50,,1\n", "error: new.csv:2: column 'kind' has no value"),
        ("", "error: new.csv: is empty"),
    ],
)
def test_rows_that_cannot_be_taken_end_with_3(cnncli: Run, rows: str, cause: str) -> None:
    run = trained(cnncli, "target: sold", "classification")
    Path("new.csv").write_text(rows)
    answer = cnncli("predict", "--ckpt", run, "new.csv")
    assert answer.code == 3
    assert answer.out == ""
    assert answer.err.startswith(cause)
    assert len(answer.err.splitlines()) == 1
    assert cnncli("predict", "--ckpt", run, "nowhere.csv").code == 3


def test_a_table_without_header_is_predicted_without(cnncli: Run) -> None:
    Path("plain.csv").write_text(HOUSES.split("\n", 1)[1])
    run = trained(cnncli, "target: -1", "classification")
    Path("houses.yaml").write_text(
        SETTINGS.format(data="target: -1, header: false", task="classification").replace("houses.csv", "plain.csv")
    )
    assert cnncli("train", "houses.yaml", "--name", "houses/plain").code == 0
    frame = table(cnncli("predict", "--ckpt", run.with_name("plain"), "plain.csv").out)
    assert list(frame.columns[:5]) == ["0", "1", "2", "3", "prediction"]
    assert len(frame) == 60


def test_a_table_is_refused_by_a_network_of_pictures(cnncli: Run, tiny: Path) -> None:
    assert cnncli("train", tiny, "train.epochs=1", "--name", "tiny/one").code == 0
    Path("rows.csv").write_text("a\n1\n")
    answer = cnncli("predict", "--ckpt", "runs/tiny/one", "rows.csv")
    assert answer.code == 3
    assert "rows.csv: cannot be read as a picture" in answer.err
    with pytest.raises(ConfigError, match="it learned from pictures; use cnncli predict with pictures"):
        predict_rows(load_predictor(Path("runs/tiny/one")), pd.DataFrame({"a": [1]}))


def test_a_column_of_that_name_is_not_overwritten_and_padded_digits_stay(cnncli: Run) -> None:
    run = trained(cnncli, "target: price, ignore: [sold]", "regression")
    Path("codes.csv").write_text("code,area,kind\n00123,50,flat\n00124,60,villa\n")
    records = json.loads(cnncli("predict", "--ckpt", run, "codes.csv", "--format", "json").out)
    assert [record["code"] for record in records] == ["00123", "00124"]
    Path("mine.csv").write_text("area,kind,prediction\n50,flat,mine\n")
    answer = cnncli("predict", "--ckpt", run, "mine.csv")
    assert answer.code == 3
    assert answer.err == "error: mine.csv: has a column 'prediction' already; rename it\n"
