"""cnncli from Python: what a command does, a function does, with what is in memory as with files."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import cnncli
from tests.conftest import ROOT, make_splits

TINY = {
    "dataset": {"name": "digits", "batch_size": 128},
    "model": {"name": "mlp", "hidden": [16]},
    "train": {"epochs": 2},
    "logging": {"tensorboard": False, "samples": False, "pictures": False},
}
QUICK = {"logging.tensorboard": False, "logging.samples": False, "logging.pictures": False, "train.epochs": 1}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def trained(runs: Path) -> cnncli.RunResult:
    """A run of digits."""
    return cnncli.train(TINY, name="tiny/first", runs_dir=runs / "runs", quiet=True)


@pytest.fixture(scope="module")
def photos(runs: Path) -> Path:
    """Two classes of pictures, ``train`` and ``test``."""
    return make_splits(runs / "photos")


@pytest.fixture(scope="module")
def colours(runs: Path, photos: Path) -> cnncli.Predictor:
    """A network that tells these pictures apart."""
    dataset = {"name": "image_folder", "root": photos, "image_size": 12, "cache": False}
    config = {**TINY, "dataset": dataset}
    return cnncli.load(cnncli.train(config, name="colours/first", runs_dir=runs / "runs", quiet=True))


def test_importing_it_imports_nothing_and_every_name_is_there() -> None:
    code = (
        "import sys, cnncli\n"
        "assert not {'torch', 'numpy', 'pydantic', 'rich', 'yaml'} & set(sys.modules), sys.modules\n"
        "assert set(cnncli.__all__) <= set(dir(cnncli))\n"
        "cnncli.core.registry.models; cnncli.CnncliError; cnncli.Config\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    for name in cnncli.__all__:
        assert getattr(cnncli, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        cnncli.trian  # noqa: B018


def test_a_run_from_python_is_the_command_lines_own(trained: cnncli.RunResult, runs: Path, tiny: Path) -> None:
    by_file = cnncli.train(tiny, runs_dir=runs / "files", quiet=True)
    assert by_file.metrics == trained.metrics
    assert (runs / "runs" / "tiny" / "first" / "result.json").is_file()
    assert trained.epochs == 2


@pytest.mark.parametrize("form", ["name", "dictionary", "list", "Config", "extends"])
def test_a_config_is_a_name_a_dictionary_or_an_object(form: str) -> None:
    quick: Any = QUICK
    config: Any = "digits"
    if form == "list":
        quick = [f"{key}={str(value).lower()}" for key, value in QUICK.items()]
    if form == "dictionary":
        config = {"dataset": "digits", "model": {"name": "linear"}, "optimizer": {"lr": np.float32(0.5)}}
    if form == "Config":
        config = cnncli.load_config("digits", {"optimizer.lr": 5e-3})
    if form == "extends":
        config = {"extends": "digits", "name": "mine", "model": {"name": "mlp"}}
    found = cnncli.load_config(config, quick)
    assert (found.train.epochs, found.dataset.name) == (1, "digits")
    assert found.model.name == {"dictionary": "linear", "extends": "mlp"}.get(form, "simple_cnn")
    assert found.optimizer.args["lr"] == {"dictionary": 0.5}.get(form, 5e-3)
    assert cnncli.load_config(found) == found


def test_a_config_object_of_ones_own_leaves_open_what_follows_from_its_data() -> None:
    own = cnncli.Config.model_validate({"dataset": {"name": "diabetes"}, "model": {"name": "linear"}})
    assert cnncli.load_config(own).task.name == "regression"


def test_errors_are_cnnclis_own_and_speak_of_python() -> None:
    with pytest.raises(cnncli.ConfigError) as caught:
        cnncli.train("digits", {"optimizer.lr": "fast", "modle.x": 1})
    assert "overrides: optimizer.lr: " in str(caught.value)
    assert "overrides: modle: unknown key; did you mean 'model'?" in str(caught.value)
    assert "command line" not in str(caught.value)
    with pytest.raises(cnncli.ConfigError, match=r"^config: train\.epochs: 0 should be"):
        cnncli.train({**TINY, "train": {"epochs": 0}})
    with pytest.raises(cnncli.ConfigError, match=r"did you mean 'digits'\?"):
        cnncli.train("digitz")
    with pytest.raises(cnncli.ConfigError, match=r"write \{'optimizer\.lr': …\}"):
        cnncli.train("digits", "optimizer.lr=1")
    with pytest.raises(cnncli.CheckpointError, match=r"nowhere\.pt"):
        cnncli.load("nowhere.pt")
    assert issubclass(cnncli.CheckpointError, cnncli.CnncliError)


def test_a_run_is_gone_on_with_from_its_result_its_folder_or_the_latest(tmp_path: Path) -> None:
    first = cnncli.train(TINY, {"train.epochs": 1, "checkpoint.monitor": "val/loss"}, runs_dir=tmp_path, quiet=True)
    more = {**TINY, "checkpoint": {"monitor": "val/loss"}}
    second = cnncli.train(more, {"train.epochs": 2}, resume=first, runs_dir=tmp_path, quiet=True)
    third = cnncli.train(resume=Path(first.run_dir), overrides={"train.epochs": 3}, runs_dir=tmp_path, quiet=True)
    assert cnncli.train(resume=True, runs_dir=tmp_path, quiet=True).metrics == third.metrics
    assert [each.epochs for each in (first, second, third)] == [1, 2, 3]


def test_quiet_says_nothing_and_otherwise_a_line_an_epoch(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    cnncli.train(TINY, {"train.epochs": 1}, runs_dir=tmp_path, quiet=True)
    told = capsys.readouterr()
    assert told.out + told.err == ""
    Path("digits.yaml").write_text("extends: digits\n")
    cnncli.load_config("digits")
    assert capsys.readouterr().err.startswith("note: 'digits.yaml' in this folder is used")


def test_it_evaluates_as_the_run_did(trained: cnncli.RunResult) -> None:
    for what in (trained, trained.run_dir, Path(trained.best)):
        assert cnncli.evaluate(what, quiet=True).metrics["test"] == trained.metrics["test"]
    assert cnncli.evaluate(trained, split="val", quiet=True).metrics["val"] == trained.metrics["val"]
    with pytest.raises(cnncli.ConfigError, match="split and data exclude each other"):
        cnncli.evaluate(trained, split="val", data="elsewhere")


def test_pictures_in_memory_are_answered_as_their_files_are(colours: cnncli.Predictor, photos: Path) -> None:
    paths = sorted((photos / "test").glob("*/*.png"))
    held = [Image.open(path) for path in paths]
    by_path = colours.predict(paths)
    assert by_path["path"].tolist() == [str(path) for path in paths]
    assert colours.predict(str(photos / "test"))["prediction"].tolist() == by_path["prediction"].tolist()
    arrays = [np.asarray(picture) for picture in held]
    tensors = torch.stack([torch.from_numpy(array.copy()).permute(2, 0, 1) for array in arrays])
    for pictures in (held, arrays, np.stack(arrays), tensors, list(tensors), [held[0].copy(), *arrays[1:]]):
        found = colours.predict(pictures)
        pd.testing.assert_frame_equal(found, by_path.drop(columns="path"))
    one = colours.predict(held[3], top_k=2)
    assert one.loc[0, ["top1", "top2"]].tolist() in (["ants", "bees"], ["bees", "ants"])
    assert len(colours.predict(arrays[0])) == len(colours.predict(paths[0])) == 1


def test_a_picture_in_memory_is_turned_as_its_exif_says(colours: cnncli.Predictor, tmp_path: Path) -> None:
    pixels = np.zeros((30, 20, 3), np.uint8)
    pixels[:8] = 255
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "held.jpg", exif=tags, quality=95)
    expected = colours.pixels(tmp_path / "held.jpg")
    for loaded in (False, True):
        with Image.open(tmp_path / "held.jpg") as picture:
            if loaded:
                picture.load()
            assert torch.equal(colours.pixels(picture), expected)
            assert picture.size == (20, 30), "the caller's picture stays as it is"
    assert not torch.equal(colours.pixels(pixels), expected)


def test_what_cannot_be_read_raises_or_is_kept_in_its_place(colours: cnncli.Predictor, photos: Path) -> None:
    (photos / "bad.png").write_text("no picture")
    good = sorted((photos / "test").glob("*/*.png"))[0]
    with pytest.raises(cnncli.DataError, match=r"bad\.png: .*errors='keep'"):
        colours.predict([photos / "bad.png", good])
    kept = colours.predict([photos / "bad.png", good, "nowhere.png"], errors="keep")
    assert kept["prediction"].isna().tolist() == [True, False, True]
    assert "cannot be read" in kept.loc[0, "error"]
    assert kept.loc[2, "path"] == "nowhere.png"
    with pytest.raises(cnncli.DataError, match=r"picture 1: has 2 channels"):
        colours.predict([np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8)])
    with pytest.raises(cnncli.ConfigError, match="int is no picture"):
        colours.predict([3])
    with pytest.raises(cnncli.ConfigError, match="the list is empty"):
        colours.predict([])


def test_network_and_preprocessing_are_there_apart_and_together(colours: cnncli.Predictor, photos: Path) -> None:
    paths = sorted((photos / "test").glob("*/*.png"))[:5]
    logits = colours.logits(paths)
    assert isinstance(colours.model, nn.Module)
    with torch.no_grad():
        torch.testing.assert_close(colours.model(colours.preprocess(paths)).cpu(), logits)
        torch.testing.assert_close(colours.with_preprocessing(colours.pixels(paths)).cpu(), logits)
    assert colours.pixels(paths).dtype == torch.uint8
    shares = colours.probabilities(paths)
    assert list(shares.columns) == list(colours.classes) == ["ants", "bees"]
    assert shares.to_numpy().sum(axis=1) == pytest.approx(np.ones(5))
    assert shares.idxmax(axis=1).tolist() == colours.predict(paths)["prediction"].tolist()


def test_it_is_fine_tuned_from_a_result(colours: cnncli.Predictor, photos: Path, runs: Path) -> None:
    found = cnncli.finetune(
        colours.path,
        None,
        {**QUICK, "dataset.augment": []},
        data=photos,
        strategy="full",
        runs_dir=runs / "tuned",
        quiet=True,
    )
    assert found.samples["test"] == 16
    assert cnncli.load(found).config.model.name == "mlp"


def test_an_array_of_grey_pictures_is_several(trained: cnncli.RunResult) -> None:
    predictor = cnncli.load(trained)
    pictures = np.random.default_rng(0).random((3, 8, 8))
    assert len(predictor.predict(pictures)) == 3
    assert len(predictor.predict(pictures[0])) == 1
    assert len(predictor.predict(pictures[:, :, :, None])) == 3
    assert len(predictor.predict(torch.from_numpy(pictures[:, None]))) == 3
    assert torch.equal(predictor.pixels(pictures), predictor.pixels(list(pictures)))


def test_a_printed_result_is_a_few_lines(trained: cnncli.RunResult) -> None:
    accuracy = f"accuracy {100 * trained.metrics['test']['accuracy']:.2f} %"
    for found, title in ((trained, trained.run_dir), (cnncli.evaluate(trained, quiet=True), trained.best)):
        first, *lines = str(found).splitlines()
        assert first.startswith(title)
        assert any(line.startswith("test (359 samples): loss ") and accuracy in line for line in lines)
        assert lines[-2].startswith("baseline: commonest class (")
        assert lines[-1].startswith("95 % interval of accuracy on test (359 samples): ")
        assert len(lines) <= 6


def test_results_networks_and_layers_are_tables_in_a_notebook(trained: cnncli.RunResult) -> None:
    for html in (trained._repr_html_(), cnncli.evaluate(trained, quiet=True)._repr_html_()):
        assert f"{100 * trained.metrics['test']['accuracy']:.2f} %" in html
        assert "Confusion" in html or "confusion" in html
        assert html.count("<table>") == html.count("</table>") > 2
    layers = cnncli.load(trained).layers
    assert layers.parameters == 64 * 16 + 16 + 16 * 10 + 10
    assert "1,210" in layers._repr_html_()
    assert "<b>x</b>" not in cnncli.core.html.table(["<b>x</b>"], [])
    assert "mlp" in cnncli.load(trained)._repr_html_()
    assert cnncli.inspect(TINY, input_shape=(1, 8, 8), classes=10) == layers


@pytest.fixture(scope="module")
def iris(runs: Path) -> cnncli.Predictor:
    """A network for the rows of a table."""
    config = {"dataset": "iris", "model": "linear"}
    return cnncli.load(cnncli.train(config, QUICK, runs_dir=runs / "runs", quiet=True))


def test_they_come_as_a_frame_a_file_an_array_or_dictionaries(iris: cnncli.Predictor) -> None:
    names = [column.name for column in iris._table.columns]
    frame = pd.DataFrame(np.random.default_rng(0).random((4, 4)).astype(np.float32), columns=pd.Index(names))
    expected = iris.predict(frame)
    assert list(expected.columns)[:4] == names
    frame.to_csv("rows.csv", index=False)
    for rows in ("rows.csv", Path("rows.csv"), frame.to_numpy(), frame.to_dict("records"), frame.to_dict("list")):
        assert iris.predict(rows)["prediction"].tolist() == expected["prediction"].tolist()
        assert iris.probabilities(rows).shape == (4, 3)
    assert len(iris.predict(frame.to_dict("records")[0])) == 1
    with torch.no_grad():
        torch.testing.assert_close(iris.model(iris.preprocess(frame)), iris.logits(frame))


def test_what_is_worth_a_look_in_rows_is_told(iris: cnncli.Predictor, capsys: pytest.CaptureFixture[str]) -> None:
    text = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0] * 10, "town": "A", "price": [1.0, 2.0] * 20})
    text.to_csv("towns.csv", index=False)
    dataset = {"name": "csv", "file": "towns.csv", "target": "price"}
    towns = cnncli.load(cnncli.train({"dataset": dataset, "model": "linear", "task": "regression"}, QUICK, quiet=True))
    capsys.readouterr()
    towns.predict({"size": 2.0, "town": "C"})
    assert "town" in capsys.readouterr().err


def test_what_is_no_rows_is_refused(iris: cnncli.Predictor) -> None:
    with pytest.raises(cnncli.ConfigError, match="is no rows of 4 columns; their order is"):
        iris.predict(np.zeros((2, 3)))
    with pytest.raises(cnncli.ConfigError, match="int is no table"):
        iris.predict(3)
    with pytest.raises(cnncli.ConfigError, match="with_preprocessing"):
        iris.with_preprocessing  # noqa: B018


def test_texts_are_continued(runs: Path) -> None:
    Path("text.txt").write_text("to be or not to be, that is the question\n" * 200)
    config = {"dataset": {"name": "text", "path": "text.txt", "block": 16}, "model": {"name": "lstm", "hidden": 8}}
    poet = cnncli.load(cnncli.train(config, QUICK, runs_dir=runs / "runs", quiet=True))
    assert len(poet.generate("to be", length=7, temperature=0)) == 7
    assert poet.predict(["to be"])["prompt"].tolist() == ["to be"]
    with pytest.raises(cnncli.ConfigError, match=r"learned from text; use generate\(\)"):
        poet.probabilities("to be")


def test_a_series_is_forecast(runs: Path) -> None:
    values = [f"{10 + i % 5}" for i in range(200)]
    Path("series.csv").write_text("\n".join(["value", *values]) + "\n")
    config = {"dataset": {"name": "series_csv", "file": "series.csv", "window": 10, "horizon": 3}, "model": "linear"}
    seer = cnncli.load(cnncli.train(config, QUICK, runs_dir=runs / "runs", quiet=True))
    assert len(seer.forecast()) == len(seer.predict("series.csv")) == 3
    assert {"step", "value"} <= set(seer.forecast(7).columns)
    assert len(seer.forecast(7, "series.csv")) == 7
