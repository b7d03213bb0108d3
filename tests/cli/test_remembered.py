"""Splits that are remembered: on pure noise, whatever happens to the data, nothing that was trained on is judged."""

import csv
import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from cnncli.cli.app import run
from cnncli.core.registry import tasks
from cnncli.core.spec import Split
from cnncli.data.contract import Remembered
from cnncli.inference.predictor import load_predictor
from cnncli.training.build import open_data
from tests.conftest import Answer

Cli = Callable[..., Answer]
Change = Callable[[Path], None]

PICTURES = """\
dataset: {name: image_folder, root: photos, image_size: 8, channels: 1, batch_size: 64, test_fraction: 0.6,
          val_fraction: 0.2}
model: {name: mlp, hidden: [256]}
optimizer: {name: adam, lr: 3e-3}
train: {epochs: 12}
logging: {tensorboard: false, samples: false, pictures: false}
"""
ROWS = """\
dataset: {name: csv, file: noise.csv, target: label, batch_size: 64, test_fraction: 0.6, val_fraction: 0.2}
model: {name: mlp, hidden: [256]}
optimizer: {name: adam, lr: 3e-3}
train: {epochs: 12}
logging: {tensorboard: false, samples: false, pictures: false}
"""


class Trained(NamedTuple):
    """A folder with data, a config and a finished run."""

    folder: Path
    config: str


def write_noise(root: Path, first: int, count: int) -> None:
    """Grey noise of two classes, of which nothing can be told."""
    for number, name in enumerate(("cat", "dog")):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(first, first + count):
            pixels = np.random.default_rng(10_000 * number + i).integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i:04d}.png")


def rows_of(seed: int, count: int) -> list[list[str]]:
    """Rows of noise with a label."""
    generator = np.random.default_rng(seed)
    return [
        [*(f"{value:.4f}" for value in generator.normal(size=12)), random.Random(f"{seed}/{i}").choice(["yes", "no"])]
        for i in range(count)
    ]


def write_rows(path: Path, rows: list[list[str]], delimiter: str = ",") -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow([*(f"x{i}" for i in range(12)), "label"])
        writer.writerows(rows)


def read_rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Trained]]:
    """One run on pictures and one on rows."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for kind, config in (("pictures", PICTURES), ("rows", ROWS)):
            folder = tmp_path_factory.mktemp(kind)
            patch.chdir(folder)
            patch.setenv("CNNCLI_CACHE", str(folder / "cache"))
            if kind == "pictures":
                write_noise(folder / "photos", 0, 520)
            else:
                write_rows(folder / "noise.csv", rows_of(0, 1040))
            (folder / "noise.yaml").write_text(config)
            assert run(["train", "noise.yaml", "--name", "noise/one"]) == 0
            found[kind] = Trained(folder, config)
        yield found


@pytest.fixture
def run_on(trained: dict[str, Trained], tmp_path: Path) -> Callable[[str], None]:
    """Copy data, config and run into the test's own folder."""

    def copy(kind: str) -> None:
        for path in trained[kind].folder.iterdir():
            if path.name != "cache":
                target = tmp_path / path.name
                shutil.copytree(path, target) if path.is_dir() else shutil.copy2(path, target)

    return copy


def judged(place: tuple[str, ...] = ()) -> dict[Split, set[bytes]]:
    """What each split holds now: the pixels of its pictures, or the values of its rows."""
    predictor = load_predictor(Path("runs/noise/one/best.pt"), place)
    assert predictor.members is not None
    assert tasks.get(predictor.config.task.name).factory
    data = open_data(predictor.config, lambda items, *_: items, predictor.spec, Remembered(predictor.members))
    return {split: {source[i].numpy().tobytes() for i in range(len(source))} for split, source in data.sources.items()}


def accuracy_at_chance(answer: Answer) -> None:
    """Nothing can be told of noise: within 3.5 standard errors of a half."""
    assert answer.code == 0, answer.err
    metrics = answer.json["metrics"]["test"]
    assert metrics["n"] >= 400
    assert abs(metrics["accuracy"] - 0.5) < 3.5 * math.sqrt(0.25 / metrics["n"])


def pictures_added(folder: Path) -> None:
    write_noise(folder / "photos", 1000, 40)
    write_noise(folder / "photos", 5000, 1)


def pictures_removed(folder: Path) -> None:
    for path in [*(folder / "photos").glob("*/*7.png")][:20]:
        path.unlink()


def pictures_renamed(folder: Path) -> None:
    """Numbered anew, backwards: every name now stands for another picture."""
    for name in ("cat", "dog"):
        paths = sorted((folder / "photos" / name).glob("*.png"))
        for path in paths:
            path.rename(path.with_suffix(".tmp"))
        for path, new in zip(paths, reversed(paths), strict=True):
            path.with_suffix(".tmp").rename(new)


def pictures_moved(folder: Path) -> None:
    """Into other folders: what was training is now called test by whoever sorted it."""
    for number, path in enumerate(sorted((folder / "photos").glob("*/*.png"))):
        target = folder / "photos" / ("train" if number % 2 else "test") / path.parent.name
        target.mkdir(parents=True, exist_ok=True)
        path.rename(target / path.name)
    for name in ("cat", "dog"):
        (folder / "photos" / name).rmdir()


def pictures_encoded(folder: Path) -> None:
    for path in sorted((folder / "photos").glob("*/*.png"))[::2]:
        with Image.open(path) as image:
            image.save(path, compress_level=0)


def pictures_twice(folder: Path) -> None:
    for path in sorted((folder / "photos").glob("*/*.png")):
        shutil.copy(path, path.with_name(f"a{path.name}"))


def pictures_over_others(folder: Path) -> None:
    """Training pictures take the names of test pictures."""
    paths = sorted((folder / "photos" / "cat").glob("*.png"))
    for path, other in zip(paths[::2], paths[1::2], strict=True):
        shutil.copy(path, other)


PICTURE_CHANGES = [pictures_added, pictures_removed, pictures_renamed, pictures_moved, pictures_encoded,
                   pictures_twice, pictures_over_others]  # fmt: skip


def rows_added(folder: Path) -> None:
    write_rows(folder / "noise.csv", [*rows_of(1, 25), *read_rows(folder / "noise.csv"), *rows_of(2, 40)])


def rows_removed(folder: Path) -> None:
    write_rows(folder / "noise.csv", read_rows(folder / "noise.csv")[:-21:][3:])


def rows_sorted(folder: Path) -> None:
    write_rows(folder / "noise.csv", sorted(read_rows(folder / "noise.csv")))


def rows_written_otherwise(folder: Path) -> None:
    rows = [[cell.replace(".", ",") for cell in row] for row in read_rows(folder / "noise.csv")]
    write_rows(folder / "noise.csv", rows, ";")


def rows_twice(folder: Path) -> None:
    rows = read_rows(folder / "noise.csv")
    write_rows(folder / "noise.csv", [*rows, *rows])


ROW_CHANGES = [rows_added, rows_removed, rows_sorted, rows_written_otherwise, rows_twice]


@pytest.mark.parametrize(
    ("kind", "change"),
    [*(("pictures", change) for change in PICTURE_CHANGES), *(("rows", change) for change in ROW_CHANGES)],
)
def test_what_was_trained_on_is_never_judged(
    kind: str, change: Change, run_on: Callable[[str], None], cnncli: Cli, tmp_path: Path
) -> None:
    run_on(kind)
    before = judged()
    change(tmp_path)
    now = judged()
    assert not (now["val"] | now["test"]) & before["train"]
    assert now["train"] <= before["train"]
    if change is not pictures_over_others:  # of which too few are left
        accuracy_at_chance(cnncli("eval", "--ckpt", "runs/noise/one/best.pt", "--json"))


@pytest.mark.parametrize(
    ("kind", "change"),
    [*(("pictures", change) for change in PICTURE_CHANGES), *(("rows", change) for change in ROW_CHANGES)],
)
def test_resuming_learns_from_what_the_run_knew(
    kind: str, change: Change, run_on: Callable[[str], None], cnncli: Cli, tmp_path: Path
) -> None:
    run_on(kind)
    before = judged()
    change(tmp_path)
    answer = cnncli("train", "--resume", "runs/noise/one", "train.epochs=13", "--json")
    if change in (pictures_removed, rows_removed, pictures_over_others):
        assert answer.code == 3
        assert "training samples are gone; put them back, or start a new run" in answer.err
        return
    accuracy_at_chance(answer)
    after = judged()
    assert not (after["val"] | after["test"]) & before["train"]


@pytest.mark.parametrize("kind", ["pictures", "rows"])
def test_new_samples_are_counted_named_and_not_used(kind: str, run_on: Callable[[str], None], cnncli: Cli) -> None:
    run_on(kind)
    before = cnncli("eval", "--ckpt", "runs/noise/one/best.pt", "--json").json
    (pictures_added if kind == "pictures" else rows_added)(Path())
    after = cnncli("eval", "--ckpt", "runs/noise/one/best.pt", "--json")
    assert after.json["metrics"] == before["metrics"]
    counted = "82 pictures" if kind == "pictures" else "65 rows"
    first = "cat/1000.png" if kind == "pictures" else "row 1"
    assert f"{counted} are new since the run began and are not used ({first}, " in after.err


@pytest.mark.parametrize("kind", ["pictures", "rows"])
def test_data_that_moved_resume_with_the_same_weights(kind: str, run_on: Callable[[str], None], cnncli: Cli) -> None:
    run_on(kind)
    shutil.copytree("runs", "again")
    assert cnncli("train", "--resume", "runs/noise/one", "train.epochs=14").code == 0
    old, new, key = ("photos", "elsewhere/pictures", "root") if kind == "pictures" else ("noise.csv", "n/a.csv", "file")
    Path(new).parent.mkdir()
    shutil.move(old, new)
    answer = cnncli("train", "--resume", "again/noise/one", "train.epochs=14", f"dataset.{key}={new}")
    assert answer.code == 0, answer.err
    lines = [
        json.loads(Path(folder, "noise/one/metrics.jsonl").read_text().splitlines()[-1]) for folder in ("runs", "again")
    ]
    assert lines[0]["epoch"] == 14
    assert [line["train/loss"] for line in lines] == [lines[0]["train/loss"]] * 2


@pytest.mark.parametrize("kind", ["pictures", "rows"])
def test_eval_data_judges_all_that_training_has_not_seen(kind: str, run_on: Callable[[str], None], cnncli: Cli) -> None:
    run_on(kind)
    place = "photos" if kind == "pictures" else "noise.csv"
    before = judged()
    answer = cnncli("eval", "--ckpt", "runs/noise/one/best.pt", "--data", place, "--json")
    accuracy_at_chance(answer)
    assert answer.json["metrics"]["test"]["n"] == 1040 - len(before["train"])
    assert f"{len(before['train'])} of 1,040" in answer.err
    if kind == "pictures":
        write_noise(Path("new"), 2000, 210)
    else:
        write_rows(Path("new"), rows_of(3, 420))
    accuracy_at_chance(cnncli("eval", "--ckpt", "runs/noise/one/best.pt", "--data", "new", "--json"))
