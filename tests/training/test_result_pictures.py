"""What a run leaves to look at, with class names in several scripts."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnncli.core.results import Mistake, MistakesBlock
from cnncli.runs.results import read_result
from cnncli.training import experiment
from tests.conftest import Answer, make_pictures

NAMES = ("昆蟲", "кошка", "قطة", "🐱👨\u200d👩\u200d👧")
CONFIG = """\
name: world
dataset: {name: image_folder, root: world, image_size: 8, batch_size: 32, test_fraction: 0.3, cache: false}
model: {name: mlp, hidden: [8]}
train: {epochs: 1}
logging: {tensorboard: false, samples: true, pictures: true}
"""


@pytest.mark.slow
def test_a_run_with_names_of_several_scripts_leaves_all_pictures_and_no_warning(
    cnncli: Callable[..., Answer], write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pictures(Path("world"), dict.fromkeys(NAMES, 20))
    given: dict[int, Any] = {}
    draw = experiment.draw_result

    def drawn(report: Any, file: Any, pictures: dict[int, Any]) -> None:
        given.update(pictures)
        draw(report, file, pictures)

    monkeypatch.setattr(experiment, "draw_result", drawn)
    answer = cnncli("train", write_config(CONFIG), "--name", "world/one", "--json")
    assert answer.code == 0, answer.err
    assert "warning" not in answer.err
    run = Path("runs/world/one")
    for name in ("samples.png", "curves.png", "result.png"):
        with Image.open(run / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    mistakes = answer.json["mistakes"]
    assert given.keys() == {mistake["sample"] for mistake in mistakes}
    assert mistakes, "one epoch of a small network makes some"
    for mistake in mistakes:
        assert Path(mistake["path"]).parent.name == mistake["true"] != mistake["predicted"]
        with Image.open(mistake["path"]) as picture:
            assert np.abs(np.asarray(picture).mean((0, 1)) - given[mistake["sample"]].mean((0, 1))).max() < 3
    assert (run / "report.json").stat().st_size < 20_000
    evaluated = cnncli("eval", "--ckpt", run)
    assert "Most confident mistakes" in evaluated.out
    assert mistakes[0]["path"] in evaluated.out


def test_a_result_with_names_that_are_not_utf8_is_read_back(cnncli: Callable[..., Answer], tiny: Path) -> None:
    assert cnncli("train", tiny, "train.epochs=1", "--name", "tiny/one").code == 0
    path = Path("runs/tiny/one/report.json")
    blocks = (MistakesBlock("mistakes", "Mistakes", (Mistake(0, "a\udcff", "b", 0.5, "a\udcff/0.png"),)),)
    result = read_result(path)
    named = replace(result, report=replace(result.report, blocks=blocks))
    path.write_text(json.dumps(named.to_report()))
    assert read_result(path) == named
