"""A checkpoint, a run folder, a run's name and ``latest``, by position and by option, in every command."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.cli.app import run
from tests.conftest import TINY, Answer

Cli = Callable[..., Answer]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs: ``tiny/one`` and, newer, ``tiny/two``."""
    folder = tmp_path_factory.mktemp("trained")
    before = Path.cwd()
    os.chdir(folder)
    try:
        Path("tiny.yaml").write_text(TINY)
        for run_id in ("one", "two"):
            assert run(["train", "tiny.yaml", "--name", f"tiny/{run_id}", "train.epochs=1"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _there(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has runs of its own: some add others."""
    monkeypatch.chdir(shutil.copytree(trained, tmp_path / "trained"))


ONE = "runs/tiny/one/best.pt"
TWO = "runs/tiny/two/best.pt"


@pytest.mark.parametrize(
    ("words", "judged"),
    [
        ([ONE], ONE), (["runs/tiny/one"], ONE), (["tiny/one"], ONE), (["tiny"], TWO), (["latest"], TWO),
        (["--ckpt", "tiny"], TWO), (["--ckpt", "latest"], TWO), (["device=cpu", "--ckpt", ONE], ONE),
        (["device=cpu", "tiny/one"], ONE), (["one", "--runs-dir", "runs/tiny"], ONE),
    ],
)  # fmt: skip
def test_eval_takes_a_checkpoint_or_run_by_position_and_by_option(cnncli: Cli, words: list[str], judged: str) -> None:
    answer = cnncli("eval", *words, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["checkpoint"] == judged
    told = next(word for word in words if "=" not in word and word != "--ckpt")
    assert (answer.err == "") is Path(told).exists()
    assert Path(told).exists() or answer.err == f"note: {told} is {judged}\n"


def test_a_folder_of_that_name_without_runs_does_not_hide_which_run_is_meant(cnncli: Cli) -> None:
    Path("tiny").mkdir()
    try:
        assert cnncli("eval", "tiny", "--json").err == f"note: tiny is {TWO}\n"
    finally:
        Path("tiny").rmdir()


def test_inspect_takes_a_config_or_a_checkpoint_or_a_run(cnncli: Cli) -> None:
    of_config = cnncli("inspect", "tiny.yaml")
    for words in ([ONE], ["tiny"], ["latest"], ["--ckpt", "tiny/one"], ["runs/tiny"]):
        answer = cnncli("inspect", *words)
        assert (answer.code, answer.out) == (0, of_config.out), answer.err
    answer = cnncli("inspect", "tinny")
    assert (answer.code, answer.err) == (
        4,
        "error: tinny: no such config, checkpoint or run; did you mean 'tiny'?\n",
    )
    assert "are two networks; name one" in cnncli("inspect", "tiny.yaml", "--ckpt", ONE).err


def test_predict_takes_the_checkpoint_first_or_as_an_option(cnncli: Cli, tmp_path: Path) -> None:
    from PIL import Image

    photo = tmp_path / "photo.png"
    Image.new("L", (8, 8)).save(photo)
    by_option = cnncli("predict", "--ckpt", ONE, photo)
    assert by_option.code == 0, by_option.err
    assert cnncli("predict", "tiny/one", photo).out == by_option.out
    assert cnncli("predict", ONE, photo, "device=cpu").out == by_option.out
    alone = cnncli("predict", photo)
    assert alone.code == 2
    advice = alone.err.rpartition(": cnncli ")[2].split()
    assert advice == ["predict", "latest", str(photo)]
    assert cnncli(*advice).code == 0


def test_an_unknown_word_is_one_line_with_the_nearest_name_and_following_it_helps(cnncli: Cli) -> None:
    answer = cnncli("eval", "tinny")
    assert (answer.code, answer.err) == (4, "error: tinny: no such checkpoint or run; did you mean 'tiny'?\n")
    answer = cnncli("eval")
    assert answer.code == 2
    assert "no checkpoint given; name a checkpoint, a run's folder or name, or latest" in answer.err
    assert "'tiny' is a second checkpoint" in cnncli("eval", ONE, "tiny").err
    Path("new").mkdir(exist_ok=True)
    advice = "'new' is no checkpoint; data are named with --data new"
    assert advice in cnncli("eval", ONE, "new").err
    assert advice.replace("--data", "--csv") in cnncli("forecast", ONE, "new").err
    for command in ("generate", "forecast"):
        answer = cnncli(command, "tiny")  # which is found, and of another kind
        assert answer.code == 2
        assert f"error: {TWO}: {command} is for" in answer.err


def test_train_resumes_and_starts_from_a_run_by_its_name(cnncli: Cli, tmp_path: Path) -> None:
    answer = cnncli("train", "--resume", "tiny/one", "train.epochs=2", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["run_dir"] == "runs/tiny/one"
    begun = ("train", "tiny.yaml", "train.start_from=tiny", "--runs-dir", "runs", "train.epochs=1")
    assert cnncli(*begun, "--name", "again/one").code == 0
    # the name stood for the newest run of then: config.yaml says which, and the same words go on with it now
    assert "start_from: runs/tiny/one/best.pt" in Path("runs/again/one/config.yaml").read_text()
    assert cnncli("train", "tiny.yaml", "--name", "tiny/three", "train.epochs=1").code == 0
    answer = cnncli(*begun[:-1], "train.epochs=2", "name=again", "--resume", "again/one", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["epochs"] == 2
    other = cnncli(*begun[:-1], "name=again", "train.start_from=again", "--resume", "again/one")
    assert other.code == 2
    assert "the run was trained with 'runs/tiny/one/best.pt'" in other.err


def test_where_only_a_config_can_be_meant_a_checkpoint_is_told_apart(cnncli: Cli) -> None:
    answer = cnncli("train", ONE)
    assert (answer.code, answer.err) == (2, f"error: {ONE}: is a checkpoint or an archive, not a config; name a YAML "
                                            "file, or go on with a run by --resume\n")  # fmt: skip
    assert cnncli("train", "--resume", ONE.replace("best", "last"), "--dry-run").code == 0


def test_a_start_that_is_not_there_is_told_before_the_data_are_read(cnncli: Cli) -> None:
    answer = cnncli("train", "tiny.yaml", "train.start_from=tinny")
    assert (answer.code, answer.complaint) == (4, "error: tinny: no such checkpoint or run; did you mean 'tiny'?\n")


def test_finetune_begins_from_a_run_by_its_name(cnncli: Cli) -> None:
    answer = cnncli("finetune", "--from", "tinny", "tiny.yaml")
    assert answer.code == 2
    assert "did you mean 'tiny'?" in answer.err
    answer = cnncli("finetune", "--from", "tiny", "tiny.yaml", "--name", "tuned/one", "train.epochs=1")
    assert answer.code == 0, answer.err
    assert "pretrained: runs/tiny/" in Path("runs/tuned/one/config.yaml").read_text()


def test_a_name_of_a_published_network_is_never_a_run(cnncli: Cli) -> None:
    Path("runs/resnet18/one").mkdir(parents=True)
    Path("runs/resnet18/one/best.pt").write_bytes(Path(ONE).read_bytes())
    answer = cnncli("config", "tiny.yaml", "finetune.pretrained=resnet18", "model=resnet18")
    assert answer.code == 0, answer.err
    assert "pretrained: resnet18," in answer.out
