"""The pictures of README and docs are made by a command: what is left on a terminal, and a config for each."""

import sys
from pathlib import Path

import pytest
from rich.text import Text

from docs.make_images import COLUMNS, DRAWN, FIRST, IMAGES, LAST, recorded, screen, svg
from tests.conftest import ROOT


def test_what_a_progress_bar_has_drawn_over_is_gone() -> None:
    bar = "\r\x1b[2Kbar 1\r\x1b[2Kbar 2\n\x1b[2Ktail\x1b[1A\r\x1b[2K"
    lines = screen(f"\x1b[1mdevice\x1b[0m cpu\r\n{bar}epoch 1\r\n\x1b[2K\x1b[?25hdone\r\n")
    assert [Text.from_ansi(line).plain for line in lines] == ["device cpu", "epoch 1", "done", ""]
    assert lines[0].startswith("\x1b[1mdevice"), "colours stay"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such terminal")
def test_a_command_sees_a_terminal_of_100_columns(tmp_path: Path) -> None:
    code = "import os, sys; print(os.get_terminal_size().columns, sys.stderr.isatty(), os.getcwd())"
    assert recorded([sys.executable, "-c", code], tmp_path).split() == [str(COLUMNS), "True", str(tmp_path)]
    with pytest.raises(SystemExit, match="failed"):
        recorded([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_of_many_lines_the_middle_is_left_out() -> None:
    drawn = svg([f"line-{number}" for number in range(100)], "cnncli")
    assert "line-0<" in drawn
    assert f"line-{FIRST - 1}<" in drawn
    assert f"line-{FIRST}<" not in drawn
    assert f"line-{100 - LAST}<" in drawn


def test_every_image_of_the_docs_is_made_by_it() -> None:
    drawn = {path.stem for path in IMAGES.iterdir() if not path.stem.startswith("tensorboard-")}  # from a browser
    assert drawn == {"train", *DRAWN}
    assert all((ROOT / "configs" / f"{config}.yaml").is_file() for config, _, _ in DRAWN.values())
