"""The beginning of a command: what is refused before torch is imported, the first line, and what is waited for."""

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.cli import status as showing_status
from cnncli.cli.status import hide_status, status
from cnncli.config import early, recall
from cnncli.config.catalog import fill_registries
from cnncli.config.early import check_early
from cnncli.config.merging import load_document
from cnncli.core.errors import ConfigError
from cnncli.core.waiting import showing, waiting
from cnncli.training.start import begin, begin_finetuning, begin_training
from tests.conftest import ROOT, Answer

Cli = Callable[..., Answer]
fill_registries()  # in this process names are known for sure


def python(code: str, folder: Path) -> list[str]:
    """The lines that ``code`` prints in a process that has imported nothing, and remembers nothing."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CNNCLI_CACHE": str(folder / "nothing-yet")}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


@pytest.mark.slow
def test_the_first_line_comes_before_torch_on_the_first_run_too(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from cnncli.cli import app, commands\n"
        "def first(line, quiet):\n"
        "    print(line, 'torch' in sys.modules, 'rich.console' in sys.modules, sep='|')\n"
        "    raise KeyboardInterrupt\n"
        "commands.say_first = first\n"
        "app.run(['train', 'digits', '--name', 'a/b'])\n"
        "app.run(['finetune', '--from', 'resnet18', '--data', 'photos'])\n"
    )
    first, second = python(code, tmp_path)
    assert re.fullmatch(r"cnncli \S+  digits  → runs/a/b\|False\|False", first)
    assert re.fullmatch(r"cnncli \S+  from resnet18  → runs/\S+/…\|False\|False", second)


REFUSED = [
    (["train", "nosuch.yaml"], "nosuch.yaml: no such file"),
    (["train", "broken.yaml"], "broken.yaml:2"),
    (["train", "digits", "trian.epochs=3"], "trian: unknown key"),
    (["train", "digits", "train.epohcs=3"], "train.epohcs: unknown key"),
    (["train", "digits", "train.epochs=many"], "train.epochs"),
    (["train", "digits", "--resume", "runs/none"], "runs/none"),
    (["finetune", "--from", "resnet18", "--data", "x", "finetune.strategy=hed"], "finetune.strategy"),
    (["eval", "nosuch"], "nosuch: no such checkpoint or run"),
    (["eval", "latest", "--split", "tset"], "--split tset"),
    (["predict", "nosuch", "x.png"], "nosuch: no such checkpoint or run"),
    (["forecast", "nosuch"], "nosuch"),
    (["generate", "nosuch"], "nosuch"),
    (["inspect", "nosuch"], "nosuch"),
    (["inspect", "digits", "modle=mlp"], "modle: unknown key"),
    (["data", "check", "nosuch.yaml"], "nosuch.yaml: no such file"),
    (["data", "show", "digits", "--split", "vla"], "--split vla"),
]
NAMES = [
    (["train", "digits", "model=mpl"], "'mpl'"),
    (["train", "digits", "optimizer.lrr=1"], "optimizer.lrr: unknown key"),
    (["finetune", "--from", "resnet18", "--data", "x", "optimizer=adm"], "'adm'"),
]


@pytest.mark.slow
def test_what_is_wrong_without_torch_is_refused_without_it(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("dataset: {name: [\n")
    commands = [command for command, _ in (*REFUSED, *NAMES)]
    code = (
        "import sys\n"
        "sys.stderr = sys.stdout\n"
        "from cnncli.cli.app import run\n"
        "from cnncli.config import recall\n"
        "recall.shipped_is_reliable = lambda: True  # as in an installed package\n"
        f"for command in {commands}:\n"
        "    assert run(command) in (2, 4), command\n"
        "    assert 'torch' not in sys.modules, command\n"
    )
    lines = python(code, tmp_path)
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == len(commands), lines
    for error, (_, cause) in zip(errors, (*REFUSED, *NAMES), strict=True):
        assert cause in error


def early_faults(path: Path, *overrides: str) -> list[str]:
    try:
        check_early(load_document(path, overrides))
    except ConfigError as error:
        return error.lines()
    return []


def test_names_are_refused_early_only_where_they_are_known_for_sure(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert early_faults(tiny) == []
    assert "'mpl'" in early_faults(tiny, "model=mpl")[0]
    monkeypatch.setattr(early, "know_early", lambda: False)
    assert early_faults(tiny, "model=mpl", "optimizer.lrr=1") == [], "another version may have them"
    assert len(early_faults(tiny, "model=mpl", "train.epohcs=1")) == 1


def test_what_a_plug_in_or_a_pretrained_network_can_change_is_left_for_later(tiny: Path) -> None:
    assert early_faults(tiny, "plugins=[own.py]", "model=mine") == []
    assert "train.epohcs" in early_faults(tiny, "plugins=[own.py]", "model=mine", "train.epohcs=1")[0]
    tiny.write_text("dataset: {name: image_folder, root: photos}\nfinetune: {pretrained: resnet18}\n")
    assert early_faults(tiny) == [], "the network is filled in"
    assert "finetune.strategy" in early_faults(tiny, "finetune.strategy=hed")[0]
    assert "optimizer" in early_faults(tiny, "optimizer=adm")[0]


def test_several_faults_are_still_told_at_once(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "train.epohcs=1", "optimizer.lrr=1", "model.hiden=[1]")
    assert answer.code == 2
    assert answer.err.count("error: ") == 3
    assert "cnncli " not in answer.err.split("error:")[0], "no first line of what is not begun"


def test_the_first_line_says_what_is_read_and_where_it_goes(tiny: Path, cnncli: Cli) -> None:
    runs = Path("runs")
    assert begin(tiny) == "tiny"
    assert begin_training(tiny, [], None, runs, None).endswith(f"  {tiny}  → runs/tiny/…")
    assert begin_training(tiny, [], "one/two", runs, None).endswith("→ runs/one/two")
    assert begin_finetuning("resnet18", None, Path("x"), {}, [], "one", runs).endswith("  from resnet18  → runs/one/…")
    answer = cnncli("train", tiny, "--name", "a/b")
    assert answer.err.startswith("cnncli ")
    assert answer.err.splitlines()[0].endswith("→ runs/a/b")
    resumed = cnncli("train", tiny, "--resume", "runs/a/b")
    assert resumed.err.splitlines()[0].endswith(f"going on from {Path('runs/a/b/last.pt')}")
    assert cnncli("train", tiny, "--json").err.count("cnncli ") == 0


def test_what_comes_with_cnncli_is_relied_on_only_outside_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not recall.shipped_is_reliable(), "these tests run in a clone"
    monkeypatch.setattr(recall, "_PACKAGE", tmp_path / "cnncli")
    known = recall.shipped()["versions"] == recall.versions()
    assert recall.shipped_is_reliable() is known
    monkeypatch.setattr(recall, "versions", lambda: {"torch": "99.0", "torchvision": "99.0"})
    assert not recall.shipped_is_reliable()


class Screen(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Screen]:
    """Standard error as a terminal or a file, of a person who waits for no more than a moment."""

    def make(terminal: bool) -> Screen:
        screen = Screen(terminal)
        monkeypatch.setattr(showing_status, "PATIENCE", 0.02)
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setenv("TERM", "xterm")
        return screen

    return make


def wait_for(screen: Screen, text: str) -> None:
    until = time.monotonic() + 10
    while text not in screen.getvalue():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_status_line_vanishes_in_a_terminal(impatient: Callable[[bool], Screen]) -> None:
    screen = impatient(True)
    with showing(status), waiting("importing PyTorch"):
        wait_for(screen, "importing PyTorch … 0 s")
    assert screen.getvalue().endswith("\r\x1b[2K")
    assert "\n" not in screen.getvalue()


def test_it_makes_room_for_a_note(impatient: Callable[[bool], Screen]) -> None:
    screen = impatient(True)
    with status("importing PyTorch"):
        wait_for(screen, "importing")
        hide_status()
        assert re.search(r"\r\x1b\[2K$", screen.getvalue())


@pytest.mark.parametrize("dumb", [False, True])
def test_elsewhere_it_is_one_plain_line(
    dumb: bool, impatient: Callable[[bool], Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = impatient(dumb)
    if dumb:
        monkeypatch.setenv("TERM", "dumb")
    with status("timing"):
        wait_for(screen, "timing")
        time.sleep(0.1)
    assert screen.getvalue() == "timing …\n"


def test_what_is_quick_is_not_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(True)
    monkeypatch.setattr(sys, "stderr", screen)
    with showing(status), waiting("importing PyTorch"):
        pass
    assert screen.getvalue() == ""


def test_without_anybody_who_shows_it_waiting_is_silent(impatient: Callable[[bool], Screen]) -> None:
    screen = impatient(True)
    with waiting("importing PyTorch"):
        time.sleep(0.1)
    assert screen.getvalue() == ""
