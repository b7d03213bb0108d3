"""The page on remembered splits shows commands that work as written."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT, Answer, make_pictures

PAGE = (ROOT / "docs" / "splits.md").read_text()
CONFIG = """\
dataset: {name: image_folder, root: photos, image_size: 16, batch_size: 16, test_fraction: 0.2}
model: {name: mlp, hidden: [16]}
train: {epochs: 1}
logging: {tensorboard: false, samples: false, pictures: false}
"""


def test_the_commands_for_splits_run_in_a_row(
    cnncli: Callable[..., Answer], write_config: Callable[..., Path], tmp_path: Path
) -> None:
    make_pictures(tmp_path / "photos", {"ants": 20, "bees": 20}, seed=1)
    assert cnncli("train", write_config(CONFIG), "--name", "photos/first").code == 0
    shutil.copytree("photos", "elsewhere")
    make_pictures(tmp_path / "new_photos", {"ants": 7, "bees": 7}, seed=9)
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    answers = [cnncli(*shlex.split(line, comments=True)[1:], "--json") for line in lines]
    assert [answer.code for answer in answers] == [0, 0, 0], [answer.err for answer in answers]
    assert answers[0].json["metrics"] == answers[1].json["metrics"]
    assert answers[2].json["metrics"]["test"]["n"] == 14
