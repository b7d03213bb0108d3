"""Completion: what follows each word, in the way in which each shell asks for it, and in the shells themselves."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from cnncli.cli import shells
from cnncli.cli.app import app, complete, main
from cnncli.cli.following import following
from cnncli.config.sections import Config
from cnncli.core.registry import REGISTRIES
from tests.conftest import ROOT, Answer

ROOT_COMMAND = typer.main.get_command(app)
Cli = Callable[..., Answer]
WORDBREAKS = " \t\n\"'><=;|&(:"


def after(line: str) -> list[str]:
    """What the last word of ``line`` can become."""
    return [word for word, _ in following(ROOT_COMMAND, line.split(" "))]


def make_runs(*names: str) -> None:
    """Runs with a checkpoint of no content, the last one the newest."""
    for number, name in enumerate(names):
        folder = Path("runs") / name
        folder.mkdir(parents=True)
        for file in ("best.pt", "last.pt"):
            (folder / file).touch()
            os.utime(folder / file, (number + 1, number + 1))


def test_commands_options_and_choices() -> None:
    assert after("tr") == ["train"]
    assert after("data ") == ["check", "split", "undo", "show", "cache"]
    assert after("train --ov") == ["--overwrite"]
    assert after("data check --h") == ["--help"]
    assert after("--install") == ["--install-completion"]
    assert after("eval latest --split ") == ["test", "val", "train"]
    assert after("data show digits --split t") == ["train", "test"]
    assert after("finetune --strategy ") == ["head", "last", "full", "gradual"]
    assert after("predict latest photos --format ") == ["table", "csv", "json", "jsonl"]
    assert after("docs other") == ["other-nets"]


def test_adopt_takes_weights_and_then_a_config() -> None:
    Path("weights.pth").touch()
    Path("mine.yaml").touch()
    assert after("adopt ") == ["weights.pth"]
    assert after("adopt weights.pth mi") == ["mine.yaml"]
    assert after("adopt weights.pth dig") == ["digits"]
    assert after("adopt weights.pth mine.yaml optimizer.l") == after("train mine.yaml optimizer.l") != []


def test_kinds_and_what_there_is_of_each() -> None:
    assert after("list ") == [*REGISTRIES, "configs"]
    assert after("list layers global") == ["global_pool"]
    assert after("list optimizers adam") == ["adam", "adamax", "adamw"]
    assert after("list configs dig") == ["digits"]


def test_configs_are_shipped_ones_and_yaml_files(tmp_path: Path) -> None:
    for name in ("digest.yaml", "digest.txt", ".digest.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "digs").mkdir()
    assert after("train dig") == ["digits", "digest.yaml", "digs/"]
    assert "digits" in after("init dig")
    assert after("data check dig") == ["digest.yaml", "digs/"]
    assert after("config digits dig") == [], "there is one config already"
    assert after("train digs/") == []


def test_keys_follow_the_component_that_is_chosen(tmp_path: Path) -> None:
    assert after("train digits opt") == ["optimizer."]
    assert "optimizer.betas=" in after("train digits optimizer.")
    assert "optimizer.momentum=" in (sgd := after("train digits optimizer.name=sgd optimizer."))
    assert "optimizer.betas=" not in sgd
    (tmp_path / "mine.yaml").write_text("optimizer: {name: rprop}\nmodel: mlp\n")
    assert "optimizer.etas=" in after("train mine.yaml optimizer.")
    assert after("train mine model.hid") == ["model.hidden="], "without the ending"
    (tmp_path / "broken.yaml").write_text("optimizer: {name: [\n")
    assert "optimizer.lr=" in after("train broken.yaml optimizer.")
    assert after("config digits train.early") == ["train.early_stopping."]
    assert "train.early_stopping.patience=" in after("config digits train.early_stopping.")
    assert [key for key in after("eval latest ") if key != "latest"] == ["device=", "precision=", "dataset.", "task."]


def test_every_section_is_known() -> None:
    keys = {key.rstrip(".=") for key in after("train digits ")}
    assert set(Config.model_fields) <= keys


def test_values_are_the_choices() -> None:
    assert {"model.name=mlp", "model.name=resnet18"} <= set(after("train digits model.name="))
    assert after("train digits optimizer=adama") == ["optimizer=adamax"]
    assert after("train digits precision=") == [f"precision={name}" for name in ("auto", "fp32", "bf16", "fp16")]
    assert after("train digits dataset.cache=") == ["dataset.cache=true", "dataset.cache=false"]
    assert after("train digits optimizer.lr=") == ["optimizer.lr=0.001"], "the default"
    assert after("train digits nosuch.key=") == after("train digits train.nosuch=") == []


def test_runs_and_checkpoints_come_by_recency() -> None:
    assert "latest" not in after("eval ")
    make_runs("a/1", "b/1", "a/2")
    assert after("eval ")[:3] == after("explain ")[:3] == ["latest", "a", "b"]
    assert after("train --resume ")[:3] == ["latest", "a", "b"]
    assert after("eval --ckpt runs/")[:3] == ["runs/a/2", "runs/b/1", "runs/a/1"]
    assert after("eval --ckpt runs/a/2/") == ["runs/a/2/best.pt", "runs/a/2/last.pt"]
    assert after("train --resume runs/a/2/") == ["runs/a/2/last.pt", "runs/a/2/best.pt"]
    assert after("predict la") == ["latest"]
    assert after("predict latest x") == [], "files are left to the shell"
    assert after("finetune --from a")[:1] == ["alexnet"]
    assert "latest" in after("finetune --from l")
    shutil.move("runs", "elsewhere")
    assert after("eval --runs-dir elsewhere ")[:2] == ["latest", "a"]


def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environment: str) -> str:
    """What a shell is told that asks in this way."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    complete()
    return capsys.readouterr().out


def test_each_shell_is_answered_in_its_own_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "cnncli train digits model.name=resnet1"
    bash = ask(
        monkeypatch, capsys, _CNNCLI_COMPLETE="complete_bash", COMP_LINE=line, COMP_WORDBREAKS=WORDBREAKS
    )  # bash has taken the word apart at the '='
    assert "resnet18\n" in bash
    assert "model" not in bash
    whole = ask(monkeypatch, capsys, COMP_WORDBREAKS=" ")
    assert "model.name=resnet18\n" in whole
    monkeypatch.delenv("COMP_LINE")
    words = "cnncli\ntrain\ndigits\nmodel.name\n=\nresnet1"
    typer_own = ask(monkeypatch, capsys, COMP_WORDS=words, COMP_CWORD="5", COMP_WORDBREAKS=WORDBREAKS)
    assert typer_own == bash, "a script that an older version installed"
    fish = ask(monkeypatch, capsys, _CNNCLI_COMPLETE="complete_fish", _TYPER_COMPLETE_ARGS="cnncli tra")
    assert fish == "train\ttrain the network that a config describes\n"
    zsh = ask(monkeypatch, capsys, _CNNCLI_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="cnncli train digits optim")
    assert "optimizer." in zsh
    assert "-S ''" in zsh, "the word goes on"
    assert ask(monkeypatch, capsys, _TYPER_COMPLETE_ARGS="cnncli predict latest x") == "_files\n"
    assert ask(monkeypatch, capsys, _CNNCLI_COMPLETE="complete_fish") == "", "files are left to the shell"


def test_words_in_quotes_are_one_word_and_spaces_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my own.yaml").touch()
    found = ask(monkeypatch, capsys, _CNNCLI_COMPLETE="complete_bash", COMP_LINE="cnncli train 'my o")
    assert found == "my\\ own.yaml\n"
    assert shells.asked({shells.ASKED: "complete_bash", "COMP_LINE": "cnncli train a\\ b "})[1] == ["train", "a b", ""]


def test_main_answers_a_shell_without_running_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_CNNCLI_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "cnncli tra")
    assert main(["train", "digits"]) is None
    assert capsys.readouterr().out.startswith("train\t")
    assert not Path("runs").exists()


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_it_is_installed_once(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cnncli: Cli) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    (tmp_path / ".bashrc").write_text("alias ll='ls -l'\n")
    for arguments in (["--install-completion"], ["--install-completion", shell]):
        answer = cnncli(*arguments)
        assert answer.code == 0, answer.err
        path = Path(answer.out.split()[3].rstrip(";"))
        assert path.read_text() == shells.script(shell) == cnncli("--show-completion").out
    if shell == "bash":
        assert (tmp_path / ".bashrc").read_text().count("source ~/.bash_completions/cnncli.sh") == 1
        assert "alias ll" in (tmp_path / ".bashrc").read_text()


def test_another_shell_is_refused_with_what_helps(monkeypatch: pytest.MonkeyPatch, cnncli: Cli) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    answer = cnncli("--show-completion")
    assert (answer.code, answer.err) == (
        2,
        "error: the shell cannot be told from $SHELL ('tcsh'); name it: bash, zsh, fish\n",
    )
    assert cnncli("--show-completion", "fsh").err.endswith("did you mean 'fish'?\n")
    assert cnncli("--show-completion", "bash").code == 0


@pytest.mark.slow
def test_nothing_slow_is_imported() -> None:
    code = (
        "import os, sys\n"
        "os.environ.update(_CNNCLI_COMPLETE='complete_fish', _TYPER_COMPLETE_ARGS='cnncli train digits model.name=')\n"
        "from cnncli.cli import main\n"
        "main()\n"
        "heavy = {'torch', 'pydantic', 'numpy', 'rich.console', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "model.name=mlp" in answer.stdout


@pytest.fixture
def shell_place(tmp_path: Path) -> dict[str, str]:
    """A folder with two runs, and the environment of a shell that finds this cnncli."""
    make_runs("older/1", "newer/1")
    program = tmp_path / "bin" / "cnncli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cnncli "$@"\n')
    program.chmod(0o755)
    for shell in ("bash", "zsh"):
        (tmp_path / f"completion.{shell}").write_text(shells.script(shell))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LC_")}
    return {
        **kept, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path),
        "TERM": "dumb", "PS1": "> ", "LANG": "C.UTF-8", "COLUMNS": "200",
    }  # fmt: skip


TYPED = [
    ("cnncli train dig\toptimizer.l\t", "train digits optimizer.lr="),
    ("cnncli train digits model.name=simple_\t", "model.name=simple_cnn "),
    ("cnncli eval ne\t", "eval newer "),
]


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "shown"), TYPED)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_tab_key_in_a_real_shell(shell: str, keys: str, shown: str, shell_place: dict[str, str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    command = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    start = {
        "bash": "bind 'set enable-bracketed-paste off' 'set bell-style none'; source completion.bash\n",
        "zsh": "autoload -Uz compinit; compinit -u -D; source completion.zsh\n",
    }[shell]
    assert shown in typed_in(command, f"{start}echo rea''dy\n", keys, shell_place, shown)


def typed_in(command: list[str], start: str, keys: str, environment: dict[str, str], shown: str) -> str:
    """What a terminal shows after the start lines and then these keys, up to ``shown`` or for half a minute."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    os.write(terminal, start.encode())
    seen, sent, until = "", 0, time.monotonic() + 30
    try:
        while time.monotonic() < until and shown not in seen[sent:]:
            ready, _, _ = select.select([terminal], [], [], 0.5)
            if ready:
                seen += os.read(terminal, 65536).decode(errors="replace").replace("\x07", "").replace("\x08 ", "")
            if not sent and "ready\r\n" in seen:
                sent = len(seen)
                for part in keys.split("\t")[:-1]:
                    os.write(terminal, f"{part}\t".encode())
                    time.sleep(3)  # until the answer is there
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return seen[sent:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("cnncli train digits optimizer.l", ["optimizer.lr="]),
        ("cnncli train digits model.name=simple_", ["model.name=simple_cnn"]),
        ("cnncli eval ", ["latest", "newer", "older"]),
        ("cnncli list opt", ["optimizers"]),
    ],
)
def test_fish_completes(line: str, first: list[str], shell_place: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("needs fish")
    path = tmp_path / ".config" / "fish" / "completions" / "cnncli.fish"
    path.parent.mkdir(parents=True)
    path.write_text(shells.script("fish"))
    command = ["fish", "-c", f"complete -C '{line}'"]
    answer = subprocess.run(command, env=shell_place, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert [row.split("\t")[0] for row in answer.stdout.splitlines()][: len(first)] == first, answer.stderr
