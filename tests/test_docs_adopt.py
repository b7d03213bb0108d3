"""docs/adopt.md shows a script, a config and commands that work, one after the other, as written."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Answer

PAGE = (ROOT / "docs" / "adopt.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of the page in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


@pytest.mark.slow
def test_the_script_and_the_commands_run_in_a_row(cnncli: Callable[..., Answer]) -> None:
    for block in [*blocks("python"), *blocks("yaml")]:
        Path(block.split()[1]).write_text(block)
    subprocess.run([sys.executable, "script.py"], check=True)
    printed = []
    for line in blocks("sh")[0].splitlines():
        answer = cnncli(*shlex.split(line)[1:])
        assert answer.code == 0, f"{line}\n{answer.err}"
        printed.append(answer.out)
    shown = blocks("")[0].splitlines()
    assert len(shown) == 10
    for line, found in zip(shown, printed[0].splitlines(), strict=False):
        assert re.split(r"  +", line) == found.split("\t")
