"""Loggers: several are told the same, one of your own is ten lines, and one that fails is dropped."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.runs.loggers import Loggers
from tests.conftest import TINY, Answer

Cli = Callable[..., Answer]
OWN = """\
from cnncli.core.registry import loggers

@loggers.register("diary")
class Diary:
    '''Writes a diary.'''
    def __init__(self, run, /, file: str = "diary.txt"):
        self.path = run.folder / file
        self.write(f"{run.name} {run.settings['seed']} from epoch {run.epoch}, step {run.step}")
    def write(self, *words):
        with self.path.open("a") as file:
            print(*words, file=file)
    def log(self, record, step):
        self.write(step, *record)
    def close(self):
        self.write("closed")
"""


class Told:
    """Keeps what it is told, and fails from a step on."""

    def __init__(self, fails_at: int = 100) -> None:
        self.fails_at, self.heard = fails_at, list[int]()

    def log(self, record: dict[str, float], step: int) -> None:
        if step >= self.fails_at:
            raise ConnectionError("server\nis away")
        self.heard.append(step)
        record.clear()  # what one does to its record, the next does not see

    def close(self) -> None:
        self.heard.append(-1)


def test_one_that_fails_is_dropped_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    several, good, bad = Loggers(), Told(), Told(fails_at=2)
    several.add("the bad one", lambda: bad)
    several.add("the good one", lambda: good)
    several.add("the worst", lambda: Told(1 // 0))
    for step in (1, 2, 3):
        several.log({"loss": 1.0}, step)
    several.close()
    assert (bad.heard, good.heard) == ([1], [1, 2, 3, -1])
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("warning: the worst cannot be written (integer division or modulo by zero")
    assert told[1:] == ["warning: the bad one cannot be written (server is away); the run goes on without it"]


@pytest.fixture
def own(write_config: Callable[..., Path]) -> Path:
    (Path.cwd() / "diary.py").write_text(OWN)
    text = TINY.replace("logging: {", "logging: {steps: 5, loggers: [{name: diary, file: d.txt}, csv], ")
    return write_config(f"plugins: [diary.py]\n{text}", "own.yaml")


def test_a_logger_of_your_own_is_told_epochs_steps_and_the_end(own: Path, cnncli: Cli) -> None:
    assert cnncli("train", own, "--name", "tiny/one").code == 0
    first, *lines, last = Path("runs/tiny/one/d.txt").read_text().splitlines()
    assert (first, last) == ("tiny/one 0 from epoch 0, step 0", "closed")
    by_step = [line.split() for line in lines]
    steps = [int(words[0]) for words in by_step if words[1] == "train/step/loss"]
    assert steps == [1, 6, 11, 16, 21]
    epochs = [words for words in by_step if words[1] == "epoch"]
    assert [int(words[0]) for words in epochs] == [11, 22]
    assert {"val/accuracy", "train/loss", "baseline/accuracy"} <= set(epochs[0])
    assert by_step[-1][:3] == ["22", "best_epoch", "final/test/accuracy"], "the headline is the first"
    assert cnncli("train", "--resume", "runs/tiny/one", "train.epochs=3").code == 0
    assert "tiny/one 0 from epoch 2, step 22" in Path("runs/tiny/one/d.txt").read_text()
    answer = cnncli("predict", "--ckpt", "runs/tiny/one", "no-such.png")
    assert "diary" not in answer.err, "what logged a run is not needed to use it"


def test_the_table_of_metrics_is_that_of_the_lines(own: Path, cnncli: Cli) -> None:
    assert cnncli("train", own, "--name", "tiny/one").code == 0
    assert cnncli("train", "--resume", "runs/tiny/one", "train.epochs=3").code == 0
    lines = [json.loads(line) for line in Path("runs/tiny/one/metrics.jsonl").read_text().splitlines()]
    with Path("runs/tiny/one/metrics.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == lines
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("self.path = run.folder / file", "diary.py:7: ZeroDivisionError"),
        ("self.write(step, *record)", "diary.py:13: ZeroDivisionError"),
    ],
)
def test_a_plugin_that_fails_costs_nothing_but_itself(own: Path, cnncli: Cli, line: str, told: str) -> None:
    Path("diary.py").write_text(OWN.replace(line, "1 / 0"))
    answer = cnncli("train", own, "--name", "tiny/one")
    assert answer.code == 0, answer.err
    assert answer.err.count("warning: what the logger diary keeps cannot be written") == 1
    assert told in answer.err
    assert len(Path("runs/tiny/one/metrics.csv").read_text().splitlines()) == 3, "the other one goes on"


def test_names_and_arguments_of_loggers_are_checked_before_anything_runs(own: Path, cnncli: Cli) -> None:
    wrong = cnncli("train", own, "logging.loggers=[diarry]")
    assert wrong.code == 2
    assert "logging.loggers.0.name: unknown logger 'diarry'; did you mean 'diary'?" in wrong.err
    wrong = cnncli("train", own, "logging.loggers=[{name: diary, fil: x}]")
    assert wrong.code == 2
    assert "did you mean 'file'?" in wrong.err
    assert not Path("runs").exists()
    listed = cnncli("list", "loggers", "--json").json["loggers"]
    assert {"csv", "diary"} == {entry["name"] for entry in listed}
