"""The page on comparisons shows commands that work, one after the other, as written."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.scoring.statistics import DRAWS, FEWEST_SEEDS, FEWEST_UNITS
from tests.conftest import ROOT, Answer

PAGE = (ROOT / "docs" / "compare.md").read_text()


@pytest.mark.slow
def test_the_commands_of_the_page_run_in_a_row(
    cnncli: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 10
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        if words[0] == "train":
            words += ["train.epochs=2", "logging.tensorboard=false", "logging.pictures=false"]
        answer = cnncli(*words)
        assert answer.code == 0, f"{line}\n{answer.err}"
        if words[0] == "compare":
            assert "large" in answer.out
    assert (tmp_path / "compared.png").stat().st_size > 1000


def test_the_page_says_the_numbers_that_count() -> None:
    assert f"{DRAWS:,} resamples" in PAGE
    assert f"whole groups or blocks. With fewer than {FEWEST_UNITS} of them" in PAGE
    assert FEWEST_SEEDS == 3
    assert "at least three seeds" in PAGE
