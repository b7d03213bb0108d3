"""``explain`` for tables and series: planted columns, correlated ones, and what is refused."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cnncli.cli.app import run
from cnncli.inference.predictor import load_predictor
from cnncli.insight.explain_rows import ColumnWorth, Importance, alike, columns_of, explain_rows
from cnncli.training.display import Display
from tests.conftest import Answer

Cli = Callable[..., Answer]
LEAST = "baselines: none\nlogging: {tensorboard: false, pictures: false, outputs: false}\n"


def write_table(path: Path) -> None:
    """``price`` depends on ``size`` and ``side``; ``rooms`` says the same as ``size``, ``noise`` says nothing."""
    rng = np.random.default_rng(0)
    size, side, noise = rng.normal(size=600), rng.integers(0, 3, 600), rng.normal(size=600)
    rooms = size + 0.1 * rng.normal(size=600)
    price = 3 * size + 2 * (side == 1)
    lines = [
        f"{a:.4f},{'NSW'[b]},{c:.4f},{d:.4f},{e:.4f}"
        for a, b, c, d, e in zip(size, side, noise, rooms, price, strict=True)
    ]
    path.write_text("\n".join(["size,side,noise,rooms,price", *lines]) + "\n")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    write_table(folder / "houses.csv")
    (folder / "houses.yaml").write_text(
        f"dataset: {{name: csv, path: {folder / 'houses.csv'}, target: price, features: [size, side, noise], "
        "val_fraction: 0.2}\ntask: regression\nmodel: linear\noptimizer: {name: adam, lr: 0.05}\n"
        f"train: {{epochs: 12}}\n{LEAST}"
    )
    values = np.sin(np.arange(300) / 3)
    lines = [f"{i},{a:.4f},{b:.4f}" for i, (a, b) in enumerate(zip(values, np.cos(np.arange(300)), strict=True))]
    (folder / "wave.csv").write_text("\n".join(["step,wave,other", *lines]) + "\n")
    (folder / "series.yaml").write_text(
        f"dataset: {{name: series_csv, path: {folder / 'wave.csv'}, columns: [wave, other], targets: [wave], "
        f"window: 12, horizon: 2, period: 1}}\nmodel: linear\noptimizer: {{name: adam, lr: 0.02}}\n"
        f"train: {{epochs: 8}}\n{LEAST}"
    )
    (folder / "text.txt").write_text("to be or not to be, that is the question. " * 60)
    (folder / "text.yaml").write_text(
        f"dataset: {{name: text, path: {folder / 'text.txt'}, block: 16}}\nmodel: {{name: lstm, hidden: 8}}\n"
        f"train: {{epochs: 1}}\n{LEAST}"
    )
    for name in ("houses", "series", "text"):
        words = ["train", str(folder / f"{name}.yaml"), "--name", f"{name}/one", "--runs-dir", str(folder / "runs")]
        assert run(words) == 0
    return folder / "runs"


def test_the_columns_that_decide_come_first_and_noise_is_worth_nothing(cnncli: Cli, runs: Path) -> None:
    answer = cnncli("explain", "houses", "--runs-dir", runs, "--json")
    assert answer.code == 0, answer.err
    found = answer.json
    assert [each["name"] for each in found["columns"]] == ["size", "side", "noise"]
    size, side, noise = found["columns"]
    assert size["mean"] > 10 * side["deviation"]
    assert side["mean"] > 2 * side["deviation"] > 0
    assert abs(noise["mean"]) < 0.05 * side["mean"]
    assert (found["split"], found["samples"], found["repeats"]) == ("val", 96, 10)
    assert found["alike"] == []
    again = cnncli("explain", "houses", "--runs-dir", runs, "--json").json
    assert again == found


def test_the_commands_of_the_page_run(cnncli: Cli, runs: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text("utf-8")
    commands = re.findall(r"^cnncli (explain houses[^#\n]*)", page, re.M)
    assert len(commands) == 2
    for command in commands:
        assert cnncli(*command.split(), "--runs-dir", runs).code == 0, command


def test_a_column_is_worth_what_is_lost_where_it_is_shuffled_by_hand(runs: Path) -> None:
    predictor = load_predictor(runs / "houses" / "one" / "best.pt")
    found = explain_rows(predictor, 30, Display(quiet=True))
    layer = next(each for each in predictor.network.modules() if isinstance(each, torch.nn.Linear))
    places = columns_of(predictor.spec, "here")
    assert places == {"size": [0], "side": [1, 2, 3], "noise": [4]}
    assert found.metric == "rmse"
    assert predictor.spec.numbers is not None
    # of a linear network with next to no error the root of the mean of (w (x - x'))², where x has the deviation 1
    weight = abs(layer.weight[0, 0].item()) * predictor.spec.numbers.std[0]
    assert found.columns[0].mean == pytest.approx(weight * 2**0.5, rel=0.15)


def test_correlated_columns_are_named_with_what_follows_from_it(
    cnncli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path / "houses.csv")
    Path("net.yaml").write_text(
        "dataset: {name: csv, path: houses.csv, target: price, val_fraction: 0.2}\ntask: regression\nmodel: linear\n"
        f"train: {{epochs: 3}}\n{LEAST}"
    )
    assert cnncli("train", "net.yaml", "--name", "net").code == 0
    answer = cnncli("explain", "net", "--repeats", "3")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == "What each column is worth on 96 val rows, shuffled 3 times"
    assert lines[1].split("\t")[0] == "column"
    assert len(lines) == 2 + 4 + 2
    assert lines[-1].startswith("These columns are correlated: size and rooms (+0.99). Where one of such a pair is")


def test_columns_are_alike_by_their_ranks_whatever_the_sign() -> None:
    values = torch.linspace(-2, 2, 50)
    samples = torch.stack([values, -(values**3), torch.sin(40 * values), torch.ones(50)], dim=1)
    found = alike(samples, {"a": [0], "b": [1], "c": [2, 3]})
    assert [(each.first, each.second, round(each.correlation, 6)) for each in found] == [("a", "b", -1.0)]


def test_where_no_column_matters_that_is_said() -> None:
    def warnings(mean: float) -> list[str]:
        column = ColumnWorth("a", mean, 0.1, 0.0, 0.1)
        return Importance("p", "val", 9, 3, "accuracy", False, 0.5, 0.7, (column,), ()).warnings()

    told = ["No column matters more than by chance: every change is within two standard deviations."]
    assert (warnings(0.19), warnings(0.21)) == (told, [])


def test_columns_of_a_series_are_judged_and_text_is_refused(cnncli: Cli, runs: Path) -> None:
    answer = cnncli("explain", "series", "--runs-dir", runs, "--repeats", "3", "--json")
    assert answer.code == 0, answer.err
    assert [each["name"] for each in answer.json["columns"]] == ["wave", "other"]
    assert answer.json["columns"][0]["loss_mean"] > 5 * abs(answer.json["columns"][1]["loss_mean"])
    answer = cnncli("explain", "text", "--runs-dir", runs)
    told = "learned from text; explain is for pictures, and for columns of tables and series"
    assert (answer.code, told in answer.err) == (2, True), answer.err


def test_a_table_given_beside_the_run_and_lost_data_are_one_line(cnncli: Cli, runs: Path) -> None:
    answer = cnncli("explain", "houses", "new.csv", "--runs-dir", runs)
    assert (answer.code, "'new.csv': the columns are judged on the run's own" in answer.err) == (2, True)
    moved = runs.parent / "houses.csv"
    moved.rename("houses.csv")
    try:
        answer = cnncli("explain", "houses", "--runs-dir", runs)
        assert (answer.code, answer.err.count("error: ")) == (3, 1)
        advice = re.search(r"cnncli (explain --ckpt \S+ dataset\.path=)PLACE$", answer.err.strip())
        assert advice is not None, answer.err
        assert cnncli(*f"{advice.group(1)}houses.csv".split()).code == 0
    finally:
        Path("houses.csv").rename(moved)
