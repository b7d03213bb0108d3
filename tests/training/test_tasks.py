"""Every task from its config to its result: baseline, evaluation, resume, pictures, and what does not go together."""

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnncli.runs.checkpoint import load_checkpoint
from tests.conftest import Answer
from tests.training.helpers import assert_same_weights, load, train
from tests.training.test_resume import StopAfter, history

Cli = Callable[..., Answer]
REST = """\
optimizer: {name: adam, lr: 0.01}
train: {epochs: 3}
checkpoint: {every: 1}
logging: {tensorboard: false, samples: false, pictures: false}
"""
CONFIGS = {
    "regression": """\
dataset: {name: diabetes, batch_size: 64}
model: {name: mlp, hidden: [8], dropout: 0.2}
""",
    "binary": """\
dataset: {name: breast_cancer, batch_size: 128}
model: {name: mlp, hidden: [8], dropout: 0.2}
task: {name: binary, positive: malignant, choose: f1}
loss: {class_weights: balanced}
""",
    "forecasting": """\
dataset: {name: series_csv, file: series.csv, window: 12, horizon: 6, period: 12, difference: 12, batch_size: 16}
model: {name: lstm, hidden: 8}
""",
    "lstm": """\
dataset: {name: text, path: tale.txt, block: 16, batch_size: 16}
model: {name: lstm, hidden: 16, embedding: 8, dropout: 0.1}
""",
    "transformer": """\
dataset: {name: text, path: tale.txt, block: 16, batch_size: 16}
model: {name: transformer, layers: 1, width: 16, heads: 2, dropout: 0.1}
""",
}
BASELINES = {
    "regression": {"mean": {"loss", "mae", "rmse", "r2"}},
    "binary": {"commonest class": {"class", "accuracy", "roc_auc"}},
    "forecasting": {name: {"mae", "rmse", "smape", "mase"} for name in ("seasonal naive (12)", "naive")},
    "language_modeling": {name: {"loss", "bits_per_character", "perplexity"} for name in ("bigram", "unigram")},
}
FITTED = {
    "regression": ("ridge", "gradient boosting"),
    "binary": ("logistic regression", "gradient boosting"),
    "forecasting": ("ridge",),
    "language_modeling": ("trigram",),
}
METRICS = {
    "regression": {"loss", "mae", "rmse", "r2"},
    "binary": {"loss", "accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"},
    "forecasting": {"loss", "mae", "rmse", "smape", "mase"},
    "language_modeling": {"loss", "bits_per_character", "perplexity"},
}
TALE = "the cat sat on the mat, the dog on the log; who ran? neither did, said the rat in the hat. "


def task_of(kind: str) -> str:
    return "language_modeling" if kind in ("lstm", "transformer") else kind


def config(kind: str) -> Path:
    """The config of one kind with the data it needs, in the test's own folder."""
    rows = [f"{100 + 2 * i + 20 * math.sin(i * math.pi / 6) + i % 7:.4f}" for i in range(120)]
    Path("series.csv").write_text("value\n" + "\n".join(rows) + "\n")
    Path("tale.txt").write_text("".join(TALE[i % 17 :] for i in range(60)))
    path = Path(f"{kind}.yaml")
    path.write_text(CONFIGS[kind] + REST)
    return path


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_a_task_from_its_config_to_its_evaluation(kind: str, cnncli: Cli) -> None:
    task = task_of(kind)
    answer = cnncli("train", config(kind), "--name", f"{kind}/one", "--json", "logging.tensorboard=true")
    assert answer.code == 0, answer.err
    result, run = answer.json, Path(f"runs/{kind}/one")
    assert json.loads((run / "result.json").read_text()) == result
    fitted = {name: {"seconds", *METRICS[task]} for name in FITTED[task]}
    found = {found["name"]: {*found} - {"name"} for found in result["baselines"]}
    assert found == BASELINES[task] | fitted
    assert result["baseline"] == result["baselines"][0]
    assert result["headline"]["metric"] in set(result["baseline"]) & set(result["metrics"]["test"])
    for split in ("val", "test"):
        assert set(result["metrics"][split]) == {"n", *METRICS[task]}
        assert all(math.isfinite(value) for value in result["metrics"][split].values())

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    of_baseline = [{key: line[key] for key in line if key.startswith("baseline/")} for line in lines]
    assert set(of_baseline[0]) == {f"baseline/{name}" for name in METRICS[task]}
    assert of_baseline == [of_baseline[0]] * 3, "it does not learn"
    events = EventAccumulator(str(run)).Reload()
    for key, value in of_baseline[0].items():
        drawn = events.Scalars(f"val/{key}")
        assert [(event.step, event.value) for event in drawn] == [(n, pytest.approx(value)) for n in (1, 2, 3)]

    for split in ("test", "val"):
        report = cnncli("eval", "--ckpt", run, "--split", split, "--json").json
        assert report["metrics"][split] == pytest.approx(result["metrics"][split], rel=1e-6)
    report = cnncli("eval", "--ckpt", run, "--json").json
    details = {key: value for key, value in report.items() if key not in ("checkpoint", "metrics", "test_looks")}
    assert details == {key: result[key] for key in details}


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(kind: str, cnncli: Cli) -> None:
    path = config(kind)
    whole, part = train(path, "whole"), train(path, "part")
    answer = cnncli("train", "--resume", f"runs/{kind}/part/epoch-1.pt", "--json")
    assert answer.code == 0, answer.err
    assert_same_weights(whole["last"], part["last"])
    assert_same_weights(whole["best"], part["best"])
    assert history(Path(f"runs/{kind}/whole")) == history(Path(f"runs/{kind}/part"))
    assert answer.json["metrics"] == whole["metrics"]
    assert load_checkpoint(Path(whole["best"])).calibration == load_checkpoint(Path(part["best"])).calibration


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_a_run_stopped_in_the_middle_of_an_epoch_goes_on_with_its_sums(
    kind: str, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(kind)
    whole = train(path, "whole")
    steps = load_checkpoint(Path(whole["last"])).training.global_step // 3
    assert steps > 1
    with monkeypatch.context() as patch:
        StopAfter(patch, steps + steps // 2, signal.SIGTERM)
        assert cnncli("train", path, "--name", f"{kind}/part").code == 143
    assert cnncli("train", "--resume", f"runs/{kind}/part").code == 0
    assert_same_weights(whole["last"], f"runs/{kind}/part/last.pt")
    assert history(Path(f"runs/{kind}/whole")) == history(Path(f"runs/{kind}/part"))


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("diabetes", ("regression", "mse", "val/loss")),
        ("synthetic_linear", ("regression", "mse", "val/loss")),
        ("breast_cancer", ("binary", "bce_with_logits", "val/roc_auc")),
        ("iris", ("classification", "cross_entropy", "val/accuracy")),
        ("digits", ("classification", "cross_entropy", "val/accuracy")),
        ("{name: series_csv, file: x.csv}", ("forecasting", "mse", "val/loss")),
        ("{name: text, path: x.txt}", ("language_modeling", "cross_entropy", "val/loss")),
        ("python_stdlib", ("language_modeling", "cross_entropy", "val/loss")),
    ],
)
def test_the_data_say_what_the_config_leaves_out(
    dataset: str, expected: tuple[str, str, str], write_config: Callable[..., Path]
) -> None:
    found = load(write_config(f"dataset: {dataset}\nmodel: linear\n")).config
    assert (found.task.name, found.loss.name, found.checkpoint.monitor) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("task: classification", ("classification", "cross_entropy", "val/accuracy")),
        ("task: {name: binary, threshold: 0.3}", ("binary", "bce_with_logits", "val/roc_auc")),
        ("loss: soft_margin", ("binary", "soft_margin", "val/roc_auc")),
        ("loss: {class_weights: balanced}", ("binary", "bce_with_logits", "val/roc_auc")),
        ("checkpoint: {monitor: val/f1}", ("binary", "bce_with_logits", "val/f1")),
        ("checkpoint: {every: 2}", ("binary", "bce_with_logits", "val/roc_auc")),
        ("task: regression\nloss: l1\ncheckpoint: {monitor: train/mae}", ("regression", "l1", "train/mae")),
    ],
)
def test_what_the_config_says_wins(
    lines: str, expected: tuple[str, str, str], write_config: Callable[..., Path]
) -> None:
    found = load(write_config(f"dataset: breast_cancer\nmodel: linear\n{lines}\n")).config
    assert (found.task.name, found.loss.name, found.checkpoint.monitor) == expected


def test_another_task_on_the_command_line_brings_its_own_loss_and_monitor(write_config: Callable[..., Path]) -> None:
    path = write_config("dataset: breast_cancer\nmodel: linear\n")
    found = load(path, "task=classification").config
    assert (found.loss.name, found.checkpoint.monitor) == ("cross_entropy", "val/accuracy")
    found = load(path, "dataset=diabetes", "loss=huber").config
    assert (found.task.name, found.loss.name, found.checkpoint.monitor) == ("regression", "huber", "val/loss")


def test_the_resolved_config_of_a_run_trains_the_same_again(cnncli: Cli) -> None:
    first = train(config("binary"), "one")
    again = train(Path("runs/binary/one/config.yaml"), "again")
    assert_same_weights(first["last"], again["last"])


def test_another_threshold_can_be_tried_in_evaluation(cnncli: Cli) -> None:
    result = train(config("binary"), "one")
    chosen = load_checkpoint(Path(result["best"])).calibration["threshold"]
    reports = {
        text: cnncli("eval", "--ckpt", "runs/binary/one", "--json", *([f"task.threshold={text}"] if text else [])).json
        for text in ("", "0.3", "0.01", "0.99")
    }
    assert [report["threshold"] for report in reports.values()] == [chosen, 0.3, 0.01, 0.99]
    recalls = [reports[text]["metrics"]["test"]["recall"] for text in ("0.01", "0.3", "0.99")]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] > recalls[-1]
    assert len({report["metrics"]["test"]["roc_auc"] for report in reports.values()}) == 1, "of the order alone"
    for report in reports.values():
        (_, wrong), (missed, hits) = report["confusion"]  # benign, malignant
        assert report["positive"] == "malignant"
        assert report["metrics"]["test"]["recall"] == pytest.approx(hits / (hits + missed))
        assert report["metrics"]["test"]["precision"] == pytest.approx(hits / max(hits + wrong, 1))


def test_a_threshold_is_for_binary_only(cnncli: Cli) -> None:
    train(config("regression"), "one", "train.epochs=1")
    answer = cnncli("eval", "--ckpt", "runs/regression/one", "task.threshold=0.3")
    one_line(answer, 2, "task.threshold: unknown key")
    one_line(cnncli("eval", "--ckpt", "runs/regression/one", "task.standardize=false"), 2, "task.standardize=false")


def test_a_network_that_does_not_beat_the_baseline_says_so(cnncli: Cli) -> None:
    sentence = "The network does not beat the baseline ridge: rmse "
    path = config("regression")
    assert sentence in cnncli("train", path, "optimizer.lr=1e-9", "train.epochs=1", "--name", "r/bad").out
    assert sentence in cnncli("eval", "--ckpt", "runs/r/bad").out
    network = "model={name: linear}", "optimizer.lr=0.1", "train.epochs=10", "baselines=none"
    good = cnncli("train", path, *network, "--name", "r/good")
    assert good.code == 0, good.err
    assert "baseline: mean on test" in good.out
    assert "does not beat" not in good.out
    bad = cnncli("train", config("lstm"), "optimizer.lr=1e-9", "train.epochs=1")
    assert "The network does not beat the baseline trigram: bits per character " in bad.out


@pytest.mark.parametrize("scaled", [True, False])
def test_a_linear_regression_shows_what_it_learned_beside_what_is_true(cnncli: Cli, scaled: bool) -> None:
    Path("line.yaml").write_text(
        "dataset: {name: synthetic_linear, weights: [2.0, -3.4, 0.5], bias: 4.2, batch_size: 10, val_fraction: 0, "
        f"normalize: {'dataset' if scaled else 'none'}}}\n"
        f"model: linear\ntask: {{name: regression, standardize: {str(scaled).lower()}}}\n"
        "optimizer: {name: sgd, lr: 0.05}\ntrain: {epochs: 3}\ncheckpoint: {monitor: train/loss}\n"
        "logging: {tensorboard: false, pictures: false}\n"
    )
    answer = cnncli("train", "line.yaml", "--name", "line/one")
    assert answer.code == 0, answer.err
    rows = json.loads(Path("runs/line/one/result.json").read_text())["coefficients"]
    assert [(row["name"], row["true"]) for row in rows] == [("x1", 2.0), ("x2", -3.4), ("x3", 0.5), ("intercept", 4.2)]
    for row in rows:
        assert row["error"] == pytest.approx(row["learned"] - row["true"])
        assert abs(row["error"]) < 0.01
    table = [line.split("\t") for line in answer.out.splitlines()]
    start = table.index(["coefficient", "learned", "true", "error"])
    assert [line[0] for line in table[start + 1 : start + 5]] == ["x1", "x2", "x3", "intercept"]
    assert [line[2] for line in table[start + 1 : start + 5]] == ["2", "-3.4", "0.5", "4.2"]
    assert [float(line[1]) for line in table[start + 1 : start + 5]] == pytest.approx(
        [row["learned"] for row in rows], rel=1e-4
    )
    assert cnncli("eval", "--ckpt", "runs/line/one", "--json").json["coefficients"] == rows


def test_coefficients_are_in_the_units_of_the_columns_and_only_of_linear_networks(cnncli: Cli) -> None:
    random = torch.Generator().manual_seed(0)
    sizes = 50 + 100 * torch.rand(400, generator=random)
    lines = [
        f"{size:.3f},{'old' if i % 2 else 'new'},{3 * size - 20 * (i % 2) + 7:.4f}" for i, size in enumerate(sizes)
    ]
    Path("flats.csv").write_text("size,kind,price\n" + "\n".join(lines) + "\n")
    Path("flats.yaml").write_text(
        "dataset: {name: csv, file: flats.csv, target: price, batch_size: 20}\nmodel: linear\ntask: regression\n"
        "optimizer: {name: adam, lr: 0.02}\ntrain: {epochs: 30}\n"
        "logging: {tensorboard: false, pictures: false}\n"
    )
    found = {row["name"]: row["learned"] for row in train(Path("flats.yaml"), "one")["coefficients"]}
    assert list(found) == ["size", "kind=new", "kind=old", "intercept"]
    assert found["size"] == pytest.approx(3, abs=0.02)
    assert found["kind=old"] - found["kind=new"] == pytest.approx(-20, abs=0.5)
    assert found["intercept"] + found["kind=new"] == pytest.approx(7, abs=2)
    assert "coefficients" not in train(Path("flats.yaml"), "two", "model=mlp", "train.epochs=1")


def test_small_coefficients_of_large_values_are_not_lost() -> None:
    lines = [
        f"{1_600_000_000 + 86_400 * i},{i * 7 % 11},{3 * (i * 7 % 11) + 1e-4 * 86_400 * i:.4f}" for i in range(300)
    ]
    Path("times.csv").write_text("time,b,y\n" + "\n".join(lines) + "\n")
    Path("times.yaml").write_text(
        "dataset: {name: csv, file: times.csv, target: y, batch_size: 300}\nmodel: linear\ntask: regression\n"
        "optimizer: {name: lbfgs, lr: 0.5}\ntrain: {epochs: 10}\nlogging: {tensorboard: false, pictures: false}\n"
    )
    found = {row["name"]: row["learned"] for row in train(Path("times.yaml"), "one")["coefficients"]}
    assert found["time"] == pytest.approx(1e-4, rel=0.01)
    assert found["b"] == pytest.approx(3, rel=0.01)


def test_what_is_chosen_on_validation_needs_validation(cnncli: Cli) -> None:
    Path("cancer.yaml").write_text(
        "dataset: {name: breast_cancer, val_fraction: 0}\nmodel: linear\ntask: {name: binary, choose: f1}\n"
        "checkpoint: {monitor: train/loss}\n"
    )
    one_line(cnncli("train", "cancer.yaml"), 2, "cancer.yaml:3: task: what it chooses needs validation data")


def one_line(answer: Answer, code: int, *parts: str) -> None:
    assert answer.code == code, answer.err
    errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, answer.err
    assert "Traceback" not in answer.err
    for part in parts:
        assert part in errors[0]


@pytest.mark.parametrize(
    ("dataset", "lines", "code", "message"),
    [
        ("iris", "task: regression", 2, "iris has classes to learn, the task wants numbers"),
        ("iris", "task: binary", 2, "binary is for two classes, the data have 3; set task: classification"),
        ("digits", "task: forecasting", 2, "digits has classes to learn, the task wants windows"),
        ("digits", "task: language_modeling", 2, "digits has classes to learn, the task wants characters"),
        ("digits", "task: regression", 2, "digits has classes to learn, the task wants numbers"),
        ("diabetes", "task: language_modeling", 2, "the task wants characters"),
        ("diabetes", "task: classification", 3, "set task: regression"),
        ("diabetes", "loss: cross_entropy", 2, "cross_entropy is not for regression; use mse"),
        ("diabetes", "task: {name: regression, threshold: 0.5}", 2, "task.threshold: unknown key"),
        ("breast_cancer", "loss: mse", 2, "mse is not for binary; use bce_with_logits"),
        ("breast_cancer", "task: {name: binary, threshold: 1.5}", 2, "task.threshold"),
        ("breast_cancer", "checkpoint: {monitor: val/mae}", 2, "there is no metric 'val/mae'"),
        ("{name: series_csv, file: series.csv}", "task: regression", 2, "has windows to learn, the task wants numbers"),
        ("{name: series_csv, file: series.csv, window: 6, horizon: 3}", "loss: nll", 2, "nll is not for forecasting"),
        ("{name: text, path: tale.txt}", "task: classification", 2, "has characters to learn, the task wants classes"),
        ("{name: text, path: tale.txt}", "", 2, "linear takes no text; use lstm"),
    ],
)
def test_data_and_task_that_do_not_go_together_are_one_line(
    cnncli: Cli, dataset: str, lines: str, code: int, message: str
) -> None:
    config("lstm")  # writes the files
    Path("wrong.yaml").write_text(f"dataset: {dataset}\nmodel: linear\n{lines}\n")
    one_line(cnncli("train", "wrong.yaml"), code, message)
    assert not Path("runs").exists()


@pytest.mark.parametrize(("kind", "precision"), [("lstm", "bf16"), ("lstm", "fp16"), ("transformer", "bf16")])
def test_mixed_precision_trains_a_language_model(kind: str, precision: str, cnncli: Cli) -> None:
    path = config(kind)
    answer = cnncli("train", path, f"precision={precision}", "train.epochs=1", "--name", f"{kind}/mixed", "--json")
    assert answer.code == 0, answer.err
    mixed = answer.json["metrics"]["test"]["loss"]
    assert mixed == pytest.approx(train(path, "full", "train.epochs=1")["metrics"]["test"]["loss"], rel=0.05)
    assert mixed < math.log(len(set(TALE)) + 1), "better than knowing nothing"
    report = cnncli("eval", "--ckpt", f"runs/{kind}/mixed", "--json").json
    assert report["metrics"]["test"]["loss"] == pytest.approx(mixed, rel=1e-3)


@pytest.mark.parametrize("kind", ["regression", "binary", "forecasting", "lstm"])
def test_pictures_are_drawn_when_they_are_wanted(kind: str) -> None:
    train(config(kind), "one", "logging.pictures=true", "train.epochs=2")
    drawn = sorted(path.name for path in Path(f"runs/{kind}/one").glob("*.png"))
    assert drawn == ["curves.png", "result.png"]
    for name in drawn:
        assert Path(f"runs/{kind}/one/{name}").read_bytes().startswith(b"\x89PNG")
    train(config(kind), "two", "train.epochs=1")
    assert not list(Path(f"runs/{kind}/two").glob("*.png"))


@pytest.mark.parametrize(
    ("kind", "override", "message"),
    [
        ("forecasting", "dataset.window=6", "window of 6"),
        ("lstm", "dataset.block=8", "blocks of 8, the checkpoint was trained on blocks of 16"),
        ("transformer", "dataset.block=32", "blocks of 32, the checkpoint was trained on blocks of 16"),
    ],
)
def test_a_checkpoint_is_not_judged_on_windows_of_another_size(
    kind: str, override: str, message: str, cnncli: Cli
) -> None:
    train(config(kind), "one", "train.epochs=1")
    one_line(cnncli("eval", "--ckpt", f"runs/{kind}/one", override), 3, message)
