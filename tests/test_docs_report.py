"""docs/report.md shows commands that work, one after the other, as written."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Answer, make_pictures

PAGE = (ROOT / "docs" / "report.md").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("reports")
def test_the_commands_run_in_a_row(tmp_path: Path, cnncli: Callable[..., Answer]) -> None:
    for name in ("photos/a", "photos/b"):
        make_pictures(Path(name), {"spring": 10, "autumn": 10}, seed=len(list(Path().rglob("*"))))
    rows = "".join(f"{'AB'[i % 2]},{1990 + i % 5},{i % 31 + 0.5}\n" for i in range(80))
    Path("flats.csv").write_text(f"city,year,price\n{rows}")
    quick = ["train.epochs=1", "logging.tensorboard=false", "logging.pictures=false"]
    for data in ("{name: csv, path: flats.csv, target: price}", "{name: image_folder, path: photos, image_size: 16}"):
        task = "task: regression\n" if "csv" in data else ""
        Path("flats.yaml").write_text(
            f"name: {'flats' if 'csv' in data else 'photos'}\ndataset: {data}\nmodel: mlp\n{task}"
        )
        assert cnncli("train", "flats.yaml", *quick).code == 0
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 7
    trainings = [line for line in lines if " train " in line]
    others = [line for line in lines if " train " not in line and line.split()[2] != "latest"]
    assert any(line.startswith("cnncli report latest --by folder ") for line in lines)
    for line in ["cnncli report latest --by folder", *trainings, *others]:
        words = shlex.split(line, comments=True)[1:]
        answer = cnncli(*words, *(quick if words[0] == "train" else []))
        assert answer.code == 0, f"{line}\n{answer.err}"
    assert set(Path().glob("*.html")) == {
        Path(name) for name in ("first.html", "report.html", "seeds.html", "public.html")
    }
    assert len(list(Path("runs/first").glob("*/report.html"))) == 1
