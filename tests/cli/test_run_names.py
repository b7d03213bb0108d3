"""Runs named in every script: written, found again, and evaluated."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnncli.core.errors import ConfigError
from cnncli.core.printable import shell_word
from cnncli.training.new_run import parse_name
from tests.conftest import TINY, Answer

Cli = Callable[..., Answer]


@pytest.mark.parametrize("name", ["我的實驗", "мой-опыт", "تجربتي", "実験", "🐈"])
def test_the_name_of_the_config_becomes_that_of_the_run(
    name: str, cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    path = write_config(
        TINY.replace("name: tiny\n", "").replace("tensorboard: false", "tensorboard: true"), f"{name}.yaml"
    )
    answer = cnncli("train", path, "train.epochs=1")
    assert answer.code == 0, answer.err
    (folder,) = Path("runs", name).iterdir()
    assert f"cnncli eval --ckpt runs/{name}/{folder.name}/best.pt" in answer.out
    assert "?" not in answer.out + answer.err
    events = EventAccumulator(str(folder))
    events.Reload()
    assert len(events.Scalars("val/loss")) == 1
    assert name in (folder / "result.json").read_text(encoding="utf-8")
    assert name in (folder / "config.yaml").read_text(encoding="utf-8")
    assert cnncli("train", path, "--resume", "train.epochs=2").code == 0
    assert len(list(Path("runs", name).iterdir())) == 1
    assert cnncli("eval", "--ckpt", folder, "--json").json["checkpoint"].startswith(f"runs/{name}/")


def test_groups_of_runs(tiny: Path, cnncli: Cli) -> None:
    assert cnncli("train", tiny, "name=昆蟲/第一次", "train.epochs=1").code == 0
    assert cnncli("train", tiny, "--name", "昆蟲/第一次/", "train.epochs=1").code == 0
    assert len(list(Path("runs/昆蟲/第一次").iterdir())) == 2
    assert cnncli("train", tiny, "--name", "昆蟲/第二次", "train.epochs=1").code == 0
    assert Path("runs/昆蟲/第二次/best.pt").is_file()
    inside = cnncli("train", tiny, "name=昆蟲/第二次/更多")
    assert inside.code == 2
    assert "runs/昆蟲/第二次: is a run, and no group" in inside.err
    for more in ([], ["--overwrite"]):  # would remove two runs
        over = cnncli("train", tiny, "--name", "昆蟲/第一次", *more)
        assert over.code == 2
        assert "is a group of runs" in over.err
    assert len(list(Path("runs/昆蟲/第一次").iterdir())) == 2
    assert cnncli("train", "--resume", "--name", "昆蟲/第一次/", "--json").code == 0


def test_how_a_name_is_given() -> None:
    assert parse_name(None) == ("", "")
    assert parse_name("a") == ("a", "")
    assert parse_name("a/b") == ("a", "b")
    assert parse_name("a/b/") == ("a/b", "")
    assert parse_name("a/b/c") == ("a/b", "c")
    for wrong in ("", "/", "a//", "../x", "a:b"):
        with pytest.raises(ConfigError, match="--name"):
            parse_name(wrong)


def test_a_wrong_name_is_one_line_with_the_character(tiny: Path, cnncli: Cli) -> None:
    for words in (["name=昆蟲?"], ["--name", "昆蟲?"]):
        answer = cnncli("train", tiny, *words)
        assert (answer.code, len(answer.err.splitlines())) == (2, 1)
        assert "holds '?', which Windows forbids in names; take it out" in answer.err
    assert cnncli("train", tiny, "name=昆蟲", "--dry-run").code == 0


def test_the_commands_that_are_proposed_can_be_typed(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "--name", "it's a & b/#1 🐈", "train.epochs=1")
    assert answer.code == 0, answer.err
    line = next(line for line in answer.out.splitlines() if line.startswith("evaluate"))
    words = shlex.split(line)
    assert cnncli(*words[2:]).code == 0
    result = json.loads(Path("runs/it's a & b/#1 🐈/result.json").read_text(encoding="utf-8"))
    assert cnncli("train", tiny, f"train.start_from={result['best']}", "--dry-run").code == 0


@pytest.mark.parametrize("word", ["a b", "昆蟲/1", "it's", "~/x", "a\u3000b", "$x", "-x", "a=b", "🐈", "a#b", "a~"])
def test_a_word_of_a_command_comes_through_a_shell(word: str) -> None:
    assert shlex.split(f"x {shell_word(word)}") == ["x", word]
    assert shell_word("runs/昆蟲/1") == "runs/昆蟲/1"
    assert shell_word("~/x") == "'~/x'"
