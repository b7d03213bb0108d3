"""The command ``runs``: which rows it shows, in which order, and how they look."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from benchmarks.many_runs import make_runs
from cnncli.cli.runs_table import duration, print_runs, seeds_text, spread_text
from cnncli.runs.rows import Spread
from cnncli.runs.shown import shown_runs
from tests.conftest import Answer, printed_twice
from tests.runs.test_listing import CONFIG, RESULT, make_run
from tests.terminal import as_terminal

Cli = Callable[..., Answer]


def result(accuracy: float, loss: float) -> dict[str, object]:
    monitor = {"metric": "val/loss", "mode": "min", "value": loss}
    return {**RESULT, "monitor": monitor, "metrics": {"val": {"loss": loss}, "test": {"accuracy": accuracy}}}


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Four runs called ``a``, three of them of one set of seeds, one damaged run, and one in a group."""
    runs = tmp_path / "runs"
    for seed, accuracy in enumerate((0.7, 0.8, 0.9)):
        config = CONFIG.replace("seed: 0", f"seed: {seed}").replace("lr: 0.1", "lr: 0.2")
        run = make_run(runs / "a" / f"20260310-000000-lr0.2-seed{seed}", result(accuracy, 0.2 + seed / 10), 3, config)
        (run / "seeds.json").write_text('{"set": "x", "seeds": [0, 1, 2]}')
    make_run(runs / "a" / "20260311-091205", result(0.6, 0.1))
    (make_run(runs / "a" / "20260309-000000") / "config.yaml").write_text("[")
    make_run(runs / "昆蟲" / "蜂" / "20260312-000000-cnn", result(0.5, 0.5), 3, CONFIG.replace("mlp", "cnn"))
    return runs


def paths(answer: Answer) -> list[str]:
    assert answer.code == 0, answer.err
    return [Path(run["path"]).name for run in answer.json["runs"]]


def lines(answer: Answer) -> list[list[str]]:
    assert answer.code == 0, answer.err
    return [line.split("\t") for line in answer.out.splitlines()]


def test_a_row_for_each_run_and_set(many: Path, cnncli: Cli) -> None:
    table = lines(cnncli("runs"))
    assert table[0] == ["run", "state", "date", "seed", "model", "lr", "val/loss", "test/accuracy", "baseline", "time",
                        "cause"]  # fmt: skip
    assert [row[0] for row in table[1:]] == [
        "昆蟲/蜂/20260312-000000-cnn", "a/20260311-091205", "a/20260310-000000-lr0.2-seed*", "a/20260309-000000"
    ]  # fmt: skip
    assert table[3][1:10] == [
        "3 finished", "2026-03-10 00:00", "0-2", "mlp", "0.2", "0.3000 ± 0.1000", "80.00 ± 10.00 %", "50.00 %", "18.0 s"
    ]  # fmt: skip
    assert table[4][1] == "damaged"
    assert table[4][-1].startswith("config.yaml cannot be read (")
    assert len(lines(cnncli("runs", "--all"))) == 7


def test_runs_by_name_group_and_folder(many: Path, cnncli: Cli) -> None:
    for word in ("昆蟲", "昆蟲/蜂", "runs/昆蟲", "昆蟲/蜂/20260312-000000-cnn", many / "昆蟲"):
        assert paths(cnncli("runs", word, "--json")) == ["20260312-000000-cnn"]
    assert lines(cnncli("runs", "昆蟲"))[1][0] == "20260312-000000-cnn"
    assert len(paths(cnncli("runs", "a", "--runs-dir", "runs", "--json"))) == 5
    unknown = cnncli("runs", "b")
    assert unknown.code == 4
    assert unknown.err.startswith("error: b: no such run, name of runs or folder; the runs in 'runs', newest first: ")


def test_the_order(many: Path, cnncli: Cli) -> None:
    def order(*words: str) -> list[str]:
        return [row[0].rpartition("/")[2][:10] for row in lines(cnncli("runs", *words))[1:]]

    first, second, third, fourth = "20260312-0", "20260311-0", "20260310-0", "20260309-0"
    assert order("--sort", "date") == order() == [first, second, third, fourth]
    assert order("--sort", "-date") == [fourth, third, second, first]
    assert order("--sort", "metric") == [second, third, first, fourth]
    assert order("--sort", "-metric") == [fourth, first, third, second]
    assert order("--sort", "test/accuracy", "--filter", "state=finished") == [third, second, first]
    assert order("--sort", "model.name", "--filter", "state=finished")[0] == first
    assert order("--sort", "lr", "--filter", "state=finished")[-1] == third
    assert order("--sort", "-lr", "--filter", "state=finished")[0] == third


def test_filters(many: Path, cnncli: Cli) -> None:
    def left(*conditions: str) -> int:
        words = [word for each in conditions for word in ("--filter", each)]
        return len(paths(cnncli("runs", "--json", *words)))

    assert left("optimizer.lr=0.2") == left("lr>0.1") == left("lr!=0.1") == 3
    assert left("lr=0.2", "seed>0") == left("lr=0.2", "seed>=1") == 2
    assert left("test/accuracy<0.65") == 2
    assert left("state=damaged") == 1
    assert left("name=a") == 5
    assert left("model.name=cnn") == 1
    assert left("model.hidden=[16]") == 5
    assert left("date>2026-03-11") == 2
    assert left("lr=word") == 0
    assert "none of the 6 runs in runs fulfils this" in cnncli("runs", "--filter", "lr=7").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--filter", "lr"], "--filter 'lr' is no condition; write key=value, key<value or key>value"),
        (["--filter", "lr<x"], "--filter 'lr<x': 'x' is no number; < compares numbers, = any value"),
        (["--filter", "seeed=1"], "--filter seeed: no run has such a key; did you mean 'seed'?"),
        (["--sort", "loss"], "--sort loss: can be val/loss or test/loss; write one of them"),
        (["--sort", "-nme"], "--sort nme: no run has such a key; did you mean 'name'?"),
    ],
)  # fmt: skip
def test_what_no_run_has_is_refused(many: Path, cnncli: Cli, words: list[str], told: str) -> None:
    answer = cnncli("runs", *words)
    assert (answer.code, answer.err) == (2, f"error: {told}\n")


def test_the_best_of_each_name(many: Path, cnncli: Cli) -> None:
    assert paths(cnncli("runs", "--best", "--json")) == ["20260312-000000-cnn", "20260311-091205"]
    best = cnncli("runs", "a", "--best", "--filter", "lr=0.2", "--all", "--json")
    assert paths(best) == ["20260310-000000-lr0.2-seed0"]


def test_json_has_every_run_and_the_means_of_sets(many: Path, cnncli: Cli) -> None:
    found = cnncli("runs", "a", "--json").json
    assert found["folder"] == "runs/a"
    assert found["differing"] == ["seed", "optimizer.lr"]
    first = found["runs"][0]
    assert first["config"]["optimizer.lr"] == 0.1
    assert first["headline"] == {"metric": "accuracy", "lower_is_better": False, "value": 0.6}
    assert first["baselines"] == [{"name": "commonest class (x)", "value": 0.5}]
    (only,) = found["sets"]
    assert only["seeds"] == [0, 1, 2]
    assert only["metrics"]["test/accuracy"] == {"mean": pytest.approx(0.8), "std": pytest.approx(0.1), "n": 3}


@pytest.mark.parametrize("width", [45, 80, 120])
def test_the_table_in_a_terminal(many: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_terminal(monkeypatch, width)
    print_runs(shown_runs(None, Path("runs"), "date", [], best=False, merge=True), as_json=False)
    assert all(cell_len(line.rstrip()) <= width for line in shown.text.splitlines())
    for word in ("昆蟲/蜂/20260312-000000-cnn", "a/20260310-000000-lr0.2-seed*", "damaged", "80.00"):
        assert word in shown.text
    assert "config.yaml cannot be read" in " ".join(shown.text.split())


def test_no_runs(cnncli: Cli) -> None:
    assert cnncli("runs").out == "runs: no run lies there\n"
    assert cnncli("runs", "--json").json == {"folder": "runs", "differing": [], "runs": [], "sets": []}
    Path("file").write_text("")
    assert "error: file: is no folder" in cnncli("runs", "--runs-dir", "file").err


def test_how_values_are_written() -> None:
    assert [duration(s) for s in (None, 3.21, 59.96, 65, 3600, 9000.4)] == [
        "", "3.2 s", "1 min 0 s", "1 min 5 s", "1 h 0 min", "2 h 30 min"
    ]  # fmt: skip
    assert [seeds_text(s) for s in ([0, 1, 2], [0, 1], [3, 7, 11])] == ["0-2", "0, 1", "3, 7, 11"]
    assert spread_text("test/accuracy", Spread(0.5, None, 1)) == "50.00 %"
    assert spread_text("val/loss", Spread(0.5, 0.25, 2)) == "0.5000 ± 0.2500"


@pytest.mark.slow
def test_five_hundred_folders_are_listed_without_torch_in_a_second(tmp_path: Path) -> None:
    make_runs(tmp_path / "runs")
    code = f"""import json, os, sys
os.chdir({str(tmp_path)!r})
from cnncli.cli.app import run
code = run(["runs", "--all"])
print(json.dumps([code, sorted({{"torch", "numpy", "matplotlib"}} & set(sys.modules))]))"""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        *table, last = printed_twice(code)[0].splitlines()
        seconds.append((time.perf_counter() - start) / 2)
    states = Counter(line.split("\t")[1] for line in table[1:])
    assert states == {"finished": 420, "interrupted": 40, "damaged": 20}
    assert json.loads(last) == [0, []]
    assert min(seconds) < 1
