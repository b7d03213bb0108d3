"""What a word means where a checkpoint or a run is meant: one rule, decided without torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.core.notices import collecting
from cnncli.runs.references import find_checkpoint, find_resumable, means_checkpoint, run_names, runs_in, settled
from tests.conftest import ROOT


def make_run(folder: str, written: int, *files: str) -> Path:
    """A folder with checkpoints, all ``written`` at one second."""
    run = Path(folder)
    run.mkdir(parents=True)
    for file in files or ("best.pt", "last.pt"):
        (run / file).write_bytes(b"PK\x03\x04")
        os.utime(run / file, (written, written))
    return run


@pytest.fixture(autouse=True)
def _runs() -> None:
    make_run("runs/digits/20260101-000000", 30)
    make_run("runs/digits/20260102-000000", 20)
    make_run("runs/mnist/first", 10)
    make_run("runs/insects/beetles/20260103-000000", 5)
    make_run("other/iris/one", 40)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("runs/digits/20260102-000000/best.pt", "runs/digits/20260102-000000/best.pt"),
        ("runs/digits/20260102-000000/last.pt", "runs/digits/20260102-000000/last.pt"),
        ("runs/digits/20260102-000000", "runs/digits/20260102-000000/best.pt"),
        ("runs/digits/", "runs/digits/20260101-000000/best.pt"),
        ("runs", "runs/digits/20260101-000000/best.pt"),
        ("digits", "runs/digits/20260101-000000/best.pt"),
        ("digits/20260102-000000", "runs/digits/20260102-000000/best.pt"),
        ("digits/20260102-000000/last.pt", "runs/digits/20260102-000000/last.pt"),
        ("insects/beetles", "runs/insects/beetles/20260103-000000/best.pt"),
        ("insects", "runs/insects/beetles/20260103-000000/best.pt"),
        ("latest", "runs/digits/20260101-000000/best.pt"),
        ("other", "other/iris/one/best.pt"),
    ],
)
def test_a_word_means_a_file_a_folder_or_a_run(word: str, found: str) -> None:
    assert find_checkpoint(word) == Path(found)
    resumed = found if word.endswith(".pt") else found.replace("best.pt", "last.pt")
    assert find_resumable(word, Path("runs"), None) == Path(resumed)


def test_another_folder_of_runs_is_looked_into_when_it_is_named() -> None:
    assert find_checkpoint("latest", Path("other")) == find_checkpoint("iris", Path("other"))
    assert find_checkpoint(Path("iris"), Path("other")) == Path("other/iris/one/best.pt")


def test_a_file_wins_over_a_run_of_its_name_and_a_folder_without_runs_does_not() -> None:
    Path("digits/cats").mkdir(parents=True)
    Path("digits/cats/1.png").touch()
    assert find_checkpoint("digits") == Path("runs/digits/20260101-000000/best.pt")
    Path("mnist").write_bytes(b"PK\x03\x04")
    assert find_checkpoint("mnist") == Path("mnist")
    Path("latest").touch()
    assert find_checkpoint("latest") == Path("runs/digits/20260101-000000/best.pt")
    assert find_checkpoint("./latest") == Path("latest")


def test_the_newest_is_the_one_written_last_whatever_its_id_says() -> None:
    assert run_names() == ["digits", "mnist", "insects/beetles"]
    assert runs_in(Path("runs"))[0] == Path("runs/digits/20260101-000000")
    make_run("runs/mnist/second", 50, "last.pt")
    assert find_resumable("latest", Path("runs"), None) == Path("runs/mnist/second/last.pt")
    assert find_resumable("latest", Path("runs"), "digits") == Path("runs/digits/20260101-000000/last.pt")
    assert find_checkpoint("latest") == Path("runs/digits/20260101-000000/best.pt")  # of those that have one
    assert run_names()[0] == "mnist"


def test_which_run_a_name_stands_for_is_told() -> None:
    with collecting() as told:
        find_checkpoint("digits")
        find_checkpoint("runs/digits/20260101-000000")
    assert [notice.text for notice in told] == ["digits is runs/digits/20260101-000000/best.pt"]


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("digts", "digts: no such checkpoint or run; did you mean 'digits'?"),
        ("runs/digits/20260102-00000/best.pt", "did you mean 'runs/digits/20260102-000000/best.pt' or "),
        ("photo.png", "the runs in 'runs', newest first: digits, mnist, insects/beetles"),
        ("", "'': no such checkpoint or run; the runs in 'runs'"),
        ("empty", "empty: no run lies there; name a checkpoint"),
    ],
)
def test_an_unknown_word_is_one_line_with_the_nearest_names(word: str, advice: str) -> None:
    Path("empty").mkdir()
    for find in (find_checkpoint, lambda word: find_resumable(word, Path("runs"), None)):
        with pytest.raises(CheckpointError) as error:
            find(word)
        assert advice in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(("more", "ending"), [(5, "z0, z1, z2, z3, z4"), (6, "z0, z1, z2, … (9 in all)")])
def test_eight_names_are_all_shown_and_more_never_hide_one_alone(more: int, ending: str) -> None:
    for number in range(more):
        make_run(f"runs/z{number}/one", 4 - number)
    with pytest.raises(CheckpointError) as error:
        find_checkpoint("photo.png")
    assert str(error.value).endswith(f"newest first: digits, mnist, insects/beetles, {ending}")


def test_where_there_are_no_runs_this_is_said() -> None:
    with pytest.raises(CheckpointError, match="there are no runs in 'nowhere' either"):
        find_checkpoint("digits", Path("nowhere"))
    with pytest.raises(CheckpointError, match="nowhere: no run lies there"):
        find_checkpoint("latest", Path("nowhere"))
    with pytest.raises(CheckpointError, match="nowhere: no run to resume; leave out --resume to start one"):
        find_resumable("latest", Path("nowhere"), None)
    with pytest.raises(ConfigError, match=r"a\.yaml is a config, not a run"):
        find_resumable("a.yaml", Path("runs"), None)


def test_a_run_without_the_checkpoint_that_is_needed_says_what_helps() -> None:
    make_run("runs/begun/one", 60, "last.pt")
    with pytest.raises(CheckpointError, match=r"begun/one: has no best\.pt; .* cnncli train --resume runs/begun/one"):
        find_checkpoint("begun")
    make_run("runs/done/one", 60, "best.pt")
    with pytest.raises(CheckpointError, match=r"done/one: has no last\.pt; .*start_from=runs/done/one/best\.pt"):
        find_resumable("done", Path("runs"), None)


def test_a_word_that_may_be_a_config_is_one_by_its_ending_or_content() -> None:
    Path("digits.yaml").write_text("model: mlp")
    Path("config").write_text("model: mlp")
    Path("weights").write_bytes(b"PK\x03\x04")
    assert [
        word for word in ("digits.yaml", "config", "nowhere", "missing.yaml", "empty") if means_checkpoint(word)
    ] == []
    words = ["weights", "missing.pt", "digits", "latest", "runs/mnist", "runs/mnist/first", "mnist/first"]
    assert [word for word in words if not means_checkpoint(word)] == []


def test_a_name_means_another_checkpoint_later_and_a_path_does_not() -> None:
    runs = Path("runs")
    newest = Path("runs/digits/20260101-000000/best.pt")
    assert settled("digits", runs) == settled("runs/digits", runs) == (newest, Path("runs/digits"))
    assert settled("latest", runs) == (newest, runs)
    for fixed in ("runs/mnist/first", "runs/mnist/first/best.pt", "nowhere"):
        assert settled(fixed, runs) is None


def test_looking_for_runs_imports_no_torch() -> None:
    code = "import sys; from cnncli.runs.references import run_names; assert run_names()[0] == 'digits'"
    heavy = "assert not {'torch', 'pydantic', 'yaml', 'numpy'} & set(sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", f"{code}; {heavy}"], check=True, env=environment)
