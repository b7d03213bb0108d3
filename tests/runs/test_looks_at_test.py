"""Every look at the test split is counted and shown, and no evaluation fails for the count."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cnncli.runs import test_looks
from cnncli.runs.results import read_result
from cnncli.runs.test_looks import Looks, count_look, looks_file
from tests.conftest import Answer, make_pictures, make_splits
from tests.training.helpers import train

Cli = Callable[..., Answer]
CONFIG = """\
name: tiny
dataset: {name: image_folder, path: pictures, image_size: 8, val_fraction: 0.25%s}
model: {name: mlp, hidden: [8]}
train: {epochs: 1}
logging: {tensorboard: false, samples: false, pictures: false}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with pictures and a run on them, to be copied."""
    folder = tmp_path_factory.mktemp("looks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_splits(Path("pictures"))
        Path("tiny.yaml").write_text(CONFIG % "")
        train(Path("tiny.yaml"), "one")
        yield folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """The run in the folder of this test, looked at once."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return Path("runs/tiny/one")


def counted(path: Path) -> int:
    found: int = json.loads(path.read_text())["count"]
    return found


def test_training_looks_once_and_every_evaluation_on_test_is_counted_and_shown(run: Path, cnncli: Cli) -> None:
    assert counted(run / "test_looks.json") == 1
    assert json.loads((run / "result.json").read_text())["test_looks"] == 1
    answer = cnncli("eval", run)
    assert "Test looked at 2 times." in answer.out.splitlines()
    found = cnncli("eval", run / "last.pt", "--json").json
    assert found["test_looks"] == 3
    assert "earlier_test_looks" not in found
    looks = json.loads((run / "test_looks.json").read_text())["looks"]
    assert [(look["checkpoint"], look["command"]) for look in looks] == [
        ("best.pt", "train"), ("best.pt", "eval"), ("last.pt", "eval")
    ]  # fmt: skip
    assert all(len(look["date"]) == len("2026-01-01T00:00:00+00:00") for look in looks)


def test_training_shows_its_own_look_and_a_finished_run_all_until_now(run: Path, cnncli: Cli) -> None:
    lines = cnncli("train", "tiny.yaml", "--name", "tiny/two").out.splitlines()
    assert lines.count("Test looked at once.") == 1
    assert cnncli("eval", run).code == 0
    answer = cnncli("train", "--resume", run)
    assert "Test looked at 2 times." in answer.out.splitlines()  # the result again, and no look
    assert counted(run / "test_looks.json") == 2


@pytest.mark.parametrize("others", [["--split", "val"], ["--split", "train"], ["--data", "elsewhere"]])
def test_other_splits_and_other_data_count_nothing(run: Path, cnncli: Cli, others: list[str]) -> None:
    make_pictures(Path("elsewhere"), {"ants": 3, "bees": 3}, seed=7)
    answer = cnncli("eval", run, *others)
    assert answer.code == 0
    assert "looked at" not in answer.out
    assert "test_looks" not in cnncli("eval", run, *others, "--json").json
    assert counted(run / "test_looks.json") == 1


def test_without_a_test_split_nothing_is_shown_or_counted(run: Path, cnncli: Cli) -> None:
    shutil.rmtree("pictures/test")
    answer = cnncli("train", "tiny.yaml", "--name", "tiny/two", "dataset.test_fraction=0")
    assert answer.code == 0
    assert "looked at" not in answer.out
    assert not Path("runs/tiny/two/test_looks.json").exists()
    assert "test_looks" not in json.loads(Path("runs/tiny/two/result.json").read_text())


def test_a_copied_checkpoint_says_that_earlier_looks_are_unknown_and_begins_its_own_count(
    run: Path, cnncli: Cli
) -> None:
    Path("kept").mkdir()
    shutil.copy(run / "best.pt", "kept/good.pt")
    assert "Test looked at once; earlier looks are unknown." in cnncli("eval", "kept/good.pt").out.splitlines()
    found = cnncli("eval", "kept/good.pt", "--json").json
    assert (found["test_looks"], found["earlier_test_looks"]) == (2, "unknown")
    assert counted(Path("kept/good.pt.test_looks.json")) == 2
    assert counted(run / "test_looks.json") == 1
    shutil.copytree(run, "moved")  # all of it knows its looks
    assert "Test looked at 2 times." in cnncli("eval", "moved").out.splitlines()


def test_a_run_that_has_a_result_and_no_count_does_not_know_its_looks(run: Path, cnncli: Cli) -> None:
    (run / "test_looks.json").unlink()
    assert "Test looked at once; earlier looks are unknown." in cnncli("eval", run).out.splitlines()
    assert "Test looked at 2 times; earlier looks are unknown." in cnncli("eval", run).out.splitlines()


def test_a_result_of_an_older_version_is_read_without_looks(run: Path) -> None:
    content = json.loads((run / "report.json").read_text())
    assert content.pop("test_looks") == {"count": 1, "earlier": "none"}
    (run / "report.json").write_text(json.dumps(content))
    assert read_result(run / "report.json").test_looks is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"count": 3, "earlier": "none", "looks": [1]}', "[" * 10_000])
def test_a_damaged_count_is_a_warning_and_begins_anew(run: Path, cnncli: Cli, content: str) -> None:
    (run / "test_looks.json").write_text(content)
    answer = cnncli("eval", run)
    assert answer.code == 0
    assert "Test looked at once; earlier looks are unknown." in answer.out.splitlines()
    (warning,) = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert warning.startswith(f"warning: {run}/test_looks.json: cannot be read (")
    assert warning.endswith("looks at the test split are counted from zero")
    assert counted(run / "test_looks.json") == 1


def test_no_evaluation_fails_where_the_count_cannot_be_written(
    run: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / "test_looks.json").unlink()
    (run / "test_looks.json").mkdir()
    answer = cnncli("eval", run)
    assert answer.code == 0
    assert "this look at the test split is not counted" in answer.err
    (run / "test_looks.json").rmdir()
    (run / ".test_looks.json.lock").unlink()
    (run / ".test_looks.json.lock").mkdir()
    answer = cnncli("eval", run)
    assert answer.code == 0
    assert "this look at the test split is not counted" in answer.err
    assert not (run / "test_looks.json").exists()


def test_who_holds_the_count_for_long_is_not_waited_for_for_ever(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(test_looks, "WAIT", 0.05)
    with test_looks.FileLock(run / ".test_looks.json.lock"):
        assert count_look(run / "best.pt", "eval", warnings.append) == Looks(2)
    assert [line.partition(" (")[0] for line in warnings] == [
        f"{run}/test_looks.json: this look at the test split is not counted"
    ]
    assert counted(run / "test_looks.json") == 1


def test_looks_at_the_same_time_are_all_counted(run: Path) -> None:
    warnings: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: count_look(run / "best.pt", "eval", warnings.append).count, range(24)))
    assert sorted(found) == list(range(2, 26))
    assert counted(looks_file(run / "best.pt")) == 25
    assert not warnings
