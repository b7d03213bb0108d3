"""Predictions for pictures: every good file is answered, every bad one named."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnncli.cli.app import run
from cnncli.core.errors import ConfigError
from cnncli.core.spec import DataSpec, Text
from cnncli.inference.gather import gather
from cnncli.inference.predict_pictures import predict_pictures
from cnncli.inference.predictor import load_predictor
from cnncli.inference.tta import Averaged, averaged, views
from cnncli.runs.checkpoint import load_checkpoint
from cnncli.tasks.calibration import Risk
from cnncli.tasks.classification import ClassCalibration
from cnncli.training.display import Display
from tests.conftest import Answer, make_pictures, make_splits
from tests.terminal import as_terminal

Cli = Callable[..., Answer]
CONFIG = """\
name: photos
dataset: {name: image_folder, root: pictures, image_size: 12, resize: 16, batch_size: 8, val_fraction: 0.25}
model: {name: resnet8, width: 8}
train: {epochs: 3}
logging: {tensorboard: false, samples: false, pictures: false}
"""
CKPT = ("--ckpt", "runs/photos/one")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, their config, and a run."""
    folder = tmp_path_factory.mktemp("photos")
    make_splits(folder / "pictures")
    (folder / "config.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["train", "config.yaml", "--name", "photos/one"]) == 0
    return folder


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A network of two classes in ``runs/photos/one``, and the pictures that it was trained on."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "pictures"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_is_answered_as_evaluation_does(trained: Path, cnncli: Cli) -> None:
    answer = cnncli("predict", *CKPT, trained / "test", "--format", "csv")
    assert answer.code == 0, answer.err
    found = rows(answer.out)
    assert [row["path"] for row in found] == sorted(str(path) for path in (trained / "test").glob("*/*.png"))
    right = sum(Path(row["path"]).parent.name == row["prediction"] for row in found) / len(found)
    report = cnncli("eval", *CKPT, "--json").json
    assert right == report["metrics"]["test"]["accuracy"]
    assert all(0.5 <= float(row["probability"]) <= 1 for row in found)


def test_workers_and_one_process_give_the_same(trained: Path, cnncli: Cli) -> None:
    one, two = (cnncli("predict", *CKPT, trained, "--workers", n, "--format", "csv").out for n in (0, 2))
    assert one == two
    assert len(rows(one)) == 64


def test_files_globs_and_folders_are_taken_once_in_their_order(trained: Path) -> None:
    first = trained / "test" / "bees" / "000.png"
    asked = gather([str(first), str(trained / "test" / "*" / "00?.png"), str(trained / "test")])
    assert asked.paths[0] == first
    assert len(asked.paths) == len(set(asked.paths)) == 16
    assert asked.missing == {}


def test_json_is_an_object_a_line(trained: Path, cnncli: Cli) -> None:
    answer = cnncli("predict", *CKPT, trained / "test", "nowhere.jpg", "--top-k", 2, "--json")
    assert answer.code == 3
    *lines, error = map(json.loads, answer.out.splitlines())
    document = cnncli("predict", *CKPT, trained / "test", "nowhere.jpg", "--top-k", 2, "--format", "json").json
    assert lines == document["predictions"]
    assert [error] == document["errors"] == [{"path": "nowhere.jpg", "error": "no such file or folder"}]
    answer = cnncli("predict", *CKPT, trained / "test", "--json", "--format", "csv")
    assert answer.code == 2
    assert "--json and --format csv exclude each other" in answer.err


@pytest.mark.parametrize("width", [45, 80, 200])
def test_a_terminal_shows_paths_whole(trained: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained / "test" / "ants"
    shown = as_terminal(monkeypatch, width)
    assert run(["predict", *CKPT, str(folder), "--top-k", "2"]) == 0
    lines = shown.text.splitlines()
    for path in folder.iterdir():
        (line,) = [line for line in lines if line.startswith(str(path))]
        assert (line == str(path)) == (width < 200), "its answer is below it where it does not fit beside it"
    assert all(len(line) <= width for line in lines if not line.startswith(str(folder)))


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_top_k_in_every_format(trained: Path, cnncli: Cli, form: str) -> None:
    path = trained / "test" / "ants" / "000.png"
    answer = cnncli("predict", *CKPT, path, "--top-k", 5, "--format", form)
    if form == "table":
        header, line = answer.out.splitlines()
        assert header.split() == ["path", "prediction", "probability", "top2", "p2"], "the winner once"
        assert line.split()[0] == str(path)
        return
    top = (
        [(row[f"top{n}"], float(row[f"p{n}"])) for row in rows(answer.out) for n in (1, 2)]
        if form == "csv"
        else [(item["class"], item["probability"]) for item in answer.json["predictions"][0]["top"]]
    )
    assert {name for name, _ in top} == {"ants", "bees"}
    assert sum(p for _, p in top) == pytest.approx(1, abs=1e-3)
    assert top[0][1] >= top[1][1]


def test_bad_files_are_named_and_stop_nothing(trained: Path, cnncli: Cli, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    make_pictures(mixed, {"good": 150})
    (mixed / "page.jpg").write_text("<html>")
    (mixed / "empty.png").write_bytes(b"")
    (mixed / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (mixed / "notes.txt").write_text("no picture by its name")
    answer = cnncli("predict", *CKPT, mixed, "nowhere.jpg", "--format", "json", "--out", "answers.json")
    assert answer.code == 3
    assert answer.out == ""
    found = json.loads(Path("answers.json").read_text())
    assert len(found["predictions"]) == 150
    assert {Path(item["path"]).name for item in found["errors"]} == {"page.jpg", "empty.png", "cut.jpg", "nowhere.jpg"}
    note, *lines = answer.err.splitlines()
    assert note == f"note: {mixed}: passed over files that are no pictures: 1 (.txt)"
    assert len(lines) == 4
    assert all(line.startswith("error: ") and ": " in line.removeprefix("error: ") for line in lines)


def test_nothing_but_bad_files_is_no_traceback(trained: Path, cnncli: Cli, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    answer = cnncli("predict", *CKPT, "nothing", "nowhere.jpg")
    assert answer.code == 3
    assert answer.err.splitlines() == [
        "error: nothing: no pictures in this folder", "error: nowhere.jpg: no such file or folder",
    ]  # fmt: skip


def test_pictures_of_every_mode_and_odd_names_are_answered(trained: Path, cnncli: Cli, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for mode in ("1", "L", "P", "RGBA", "LA", "I;16", "CMYK"):
        Image.new(mode, (1, 1)).save(odd / f"蜂 {mode}.tif")
    answer = cnncli("predict", *CKPT, odd, "--format", "json")
    assert answer.code == 0, answer.err
    assert len(answer.json["predictions"]) == 7


class Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_standard_input_holds_paths_or_one_picture(trained: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted((trained / "test" / "ants").iterdir())
    monkeypatch.setattr(sys, "stdin", Stdin("\n".join(map(str, paths)).encode() + b"\n"))
    answer = cnncli("predict", *CKPT, "-", "--format", "csv")
    assert [row["path"] for row in rows(answer.out)] == [str(path) for path in paths]
    monkeypatch.setattr(sys, "stdin", Stdin(paths[0].read_bytes()))
    piped = rows(cnncli("predict", *CKPT, "-", "--format", "csv").out)
    assert [row["path"] for row in piped] == ["-"]
    assert piped[0]["probability"] == rows(answer.out)[0]["probability"]
    monkeypatch.setattr(sys, "stdin", Stdin(paths[0].read_bytes()))
    assert "stands alone" in cnncli("predict", *CKPT, "-", paths[0]).err


def test_below_the_threshold_the_answer_is_unknown(trained: Path, cnncli: Cli) -> None:
    predictor, asked = load_predictor(Path("runs/photos/one")), gather([str(trained / "test")])
    plain = predict_pictures(predictor, asked, Display(quiet=True).track)
    confidences = sorted(answer.columns["probability"] for answer in plain.found)
    middle = confidences[8]
    risk = Risk([0.5, middle, 0.999], [0.3, 0.04, 0.0], [1.0, 0.5, 0.1])
    predictor.task.use(ClassCalibration(predictor.task.calibration.temperature, risk, 12))  # type: ignore[attr-defined]
    strict = predict_pictures(predictor, asked, Display(quiet=True).track, max_error=0.05)
    assert strict.threshold == middle
    assert strict.answered == 0.5
    assert strict.samples == 12
    for before, after in zip(plain.found, strict.found, strict=True):
        assert after.columns["probability"] == before.columns["probability"]
        known = before.columns["probability"] >= middle
        assert after.columns["prediction"] == (before.columns["prediction"] if known else "unknown")
    assert {answer.columns["prediction"] for answer in strict.found} > {"unknown"}


def test_the_threshold_comes_from_validation_and_with_the_checkpoint(trained: Path, cnncli: Cli) -> None:
    risk = load_checkpoint(Path("runs/photos/one/best.pt")).calibration["risk"]
    assert risk["answered"][0] == 1.0
    found = cnncli("predict", *CKPT, trained / "test", "--max-error", 0.5, "--format", "json")
    answer = found.json
    assert f"note: below a confidence of {risk['confidence'][0]:.4f} the answer is 'unknown'; " in found.err
    assert "validation pictures that this threshold was chosen on, which are few" in found.err
    assert answer["threshold"] == risk["confidence"][0]
    assert answer["answered"] == 1.0


@pytest.mark.parametrize("rate", ["1", "-0.1"])
def test_rates_that_are_none_are_refused(trained: Path, cnncli: Cli, rate: str) -> None:
    answer = cnncli("predict", *CKPT, trained / "test", f"--max-error={rate}")
    assert answer.code == 2
    assert "give a rate from 0 up and below 1" in answer.err


def test_a_network_without_validation_knows_no_threshold(
    trained: Path, write_config: Callable[..., Path], cnncli: Cli
) -> None:
    settings = ("dataset.val_fraction=0", "checkpoint.monitor=train/loss")
    assert cnncli("train", write_config(CONFIG), *settings, "--name", "photos/two").code == 0
    answer = cnncli("predict", "--ckpt", "runs/photos/two", trained / "test", "--max-error", "0.1")
    assert answer.code == 2
    assert "--max-error needs what classification learns from its validation part" in answer.err


def test_a_network_of_digits_takes_pictures_from_files(tiny: Path, cnncli: Cli, tmp_path: Path) -> None:
    cnncli("train", tiny, "--name", "tiny/one")
    Image.new("RGB", (40, 30), "white").save(tmp_path / "a.png")
    answer = cnncli("predict", "--ckpt", "runs/tiny/one", "a.png", "--top-k", 3)
    assert answer.code == 0, answer.err
    assert len(answer.out.splitlines()[1].split()) == 7


def test_views_are_the_picture_its_mirror_image_and_shifts() -> None:
    pictures = torch.arange(2 * 3 * 32 * 32.0).view(2, 3, 32, 32)
    found = views(pictures)
    assert [view.shape for view in found] == [pictures.shape] * 6
    assert torch.equal(found[0], pictures)
    assert torch.equal(found[3], pictures.flip(-1))
    assert torch.equal(found[1][..., 2:, 2:], pictures[..., :-2, :-2])
    assert torch.equal(found[2][..., :-2, :-2], pictures[..., 2:, 2:])


def test_averaging_is_over_probabilities() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 4))
    pictures = torch.randn(5, 3, 16, 16)
    mean = torch.stack([network(view).softmax(1) for view in views(pictures)]).mean(0)
    torch.testing.assert_close(Averaged(network)(pictures).softmax(1), mean)
    one = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 1))
    mean = torch.stack([one(view).sigmoid() for view in views(pictures)]).mean(0)
    torch.testing.assert_close(Averaged(one)(pictures).sigmoid(), mean)


def test_tta_is_for_pictures_and_reaches_eval_and_predict(trained: Path, cnncli: Cli) -> None:
    report = cnncli("eval", *CKPT, "--tta", "--json").json
    assert report["tta"] is True
    assert report["metrics"]["test"]["loss"] != cnncli("eval", *CKPT, "--json").json["metrics"]["test"]["loss"]
    answer = cnncli("predict", *CKPT, trained / "test", "--tta", "--format", "csv")
    right = sum(Path(row["path"]).parent.name == row["prediction"] for row in rows(answer.out)) / 16
    assert right == report["metrics"]["test"]["accuracy"]
    with pytest.raises(ConfigError, match=r"the mean over views \(tta\) is for pictures, the data are text"):
        averaged(torch.nn.Identity(), DataSpec((4,), (), Text(("\ufffd", "b")), (4, 2)))


def test_a_network_of_one_logit_answers_for_both_classes(trained: Path, cnncli: Cli) -> None:
    config = trained.parent / "config.yaml"
    answer = cnncli("train", config, "task=binary", "loss=bce_with_logits", "checkpoint.monitor=val/roc_auc",
                    "--name", "photos/binary")  # fmt: skip
    assert answer.code == 0, answer.err
    answer = cnncli("predict", "--ckpt", "runs/photos/binary", trained / "test", "--format", "json", "--top-k", 2)
    assert answer.code == 0, answer.err
    for item in answer.json["predictions"]:
        assert {each["class"] for each in item["top"]} == {"ants", "bees"}
        assert sum(each["probability"] for each in item["top"]) == pytest.approx(1)
    right = sum(Path(item["path"]).parent.name == item["prediction"] for item in answer.json["predictions"]) / 16
    report = cnncli("eval", "--ckpt", "runs/photos/binary", "--json").json
    assert right == report["metrics"]["test"]["accuracy"]


def test_the_answers_never_replace_what_is_read(trained: Path, cnncli: Cli) -> None:
    picture = trained / "test" / "ants" / "000.png"
    for out in (Path("runs/photos/one/best.pt"), picture):
        before = out.read_bytes()
        answer = cnncli("predict", *CKPT, picture, "--out", out)
        assert answer.code == 2
        assert "choose another name" in answer.err
        assert out.read_bytes() == before


def test_views_have_no_threshold_of_their_own(trained: Path, cnncli: Cli) -> None:
    answer = cnncli("predict", *CKPT, trained / "test", "--tta", "--max-error", "0.1")
    assert answer.code == 2
    assert "leave out --tta" in answer.err
