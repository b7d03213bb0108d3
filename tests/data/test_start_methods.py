"""Workers that are not forked, as on Windows and macOS and with Python 3.14: they know only what they are sent."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from cnncli.core.notices import collecting
from cnncli.core.plugins import LoadedPlugins, load_plugin
from cnncli.core.registry import transforms
from cnncli.data.draws import Draws
from cnncli.data.transforms import Augment, Built
from cnncli.data.workers import ReadAhead
from tests.conftest import ROOT, forget_plugins

PLUGIN = """\
from beside import LEVEL

from cnncli.core import registry


@registry.transforms.register("own_light")
def own_light(size, /, level: int = LEVEL):
    "A little light."
    return lambda images, draws: images + level
"""
CONFIG = """\
plugins: [own.py]
dataset:
  {name: image_folder, root: pictures, image_size: 8, memory: never, workers: 1, augment: [own_light], batch_size: 16}
model: linear
train: {epochs: 2}
logging: {tensorboard: false, samples: false, pictures: false}
"""
SCRIPT = """\
import multiprocessing
import sys

from cnncli.cli.app import run

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    for command in sys.argv[2:]:
        print("---")
        run(command.split())
"""


def write_plugin() -> Path:
    Path("beside.py").write_text("LEVEL = 3\n")
    Path("own.py").write_text(PLUGIN)
    return Path("own.py")


TRAIN = "train config.yaml --name s/1"
PREDICT = "predict --ckpt runs/s/1 pictures/test --workers 1 --plugin own.py --format json"
EVAL = "eval --ckpt runs/s/1 dataset.memory=never dataset.workers=1 --plugin own.py --json"


def answers(method: str, *commands: str) -> list[Any]:
    """What the commands print that print JSON, run in a process that starts others in this way."""
    command, environment = [sys.executable, "script.py", method, *commands], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0
    assert "note:" not in done.stderr, done.stderr  # that no workers could be started
    assert "error" not in done.stderr, done.stderr
    assert ("read by 1 workers" in done.stderr) == (TRAIN in commands)
    return [json.loads(part) for part in done.stdout.split("---") if part.strip().startswith("{")]


@pytest.mark.slow
def test_train_predict_and_eval_answer_the_same_whatever_starts_their_workers(pictures: Path) -> None:
    write_plugin()
    Path("config.yaml").write_text(CONFIG)
    Path("script.py").write_text(SCRIPT)
    predicted, judged = answers("fork", TRAIN, PREDICT, EVAL)
    assert len(predicted["predictions"]) == 16
    trained = Path("runs/s/1/result.json").read_text(encoding="utf-8")
    assert answers("forkserver", PREDICT) == [predicted]
    shutil.rmtree("runs")
    assert answers("spawn", TRAIN, PREDICT, EVAL) == [predicted, judged]
    assert (
        json.loads(Path("runs/s/1/result.json").read_text(encoding="utf-8"))["metrics"]
        == json.loads(trained)["metrics"]
    )


def test_a_transform_of_a_plug_in_is_built_again_in_another_process() -> None:
    load_plugin(write_plugin())
    augment = Augment([("own_light", Built("own_light", (4, 4), {"level": 5}))], (4, 4), seed=0)
    sent = pickle.dumps((LoadedPlugins(), augment))
    forget_plugins()
    assert "own_light" not in transforms
    _, received = pickle.loads(sent)
    images = torch.zeros((1, 1, 4, 4), dtype=torch.uint8)
    assert received(images, Draws(0, 0, torch.zeros(1), torch.zeros(1))).unique().tolist() == [5]


class Local(Dataset[Tensor]):
    """A data set that cannot be pickled."""

    def __init__(self) -> None:
        self.read = lambda key: torch.tensor([key])

    def __getitem__(self, key: int) -> Tensor:
        return self.read(key)


class Keys(Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(5))

    def __len__(self) -> int:
        return 5


def test_what_cannot_be_sent_to_workers_is_read_in_the_main_process(monkeypatch: pytest.MonkeyPatch) -> None:
    spawn = torch.multiprocessing.get_context("spawn")
    monkeypatch.setattr("multiprocessing.get_start_method", lambda: "spawn")
    ahead = ReadAhead(Local(), Keys(), 2)
    ahead.loader.multiprocessing_context = spawn
    with collecting() as notices:
        assert [int(read) for read in ahead] == list(range(5))
    (found,) = notices
    assert found.kind == "no_workers"
    assert "define its parts at the top level" in found.text
