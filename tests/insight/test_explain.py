"""``explain`` for pictures: what is written and printed, and what is refused."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnncli.cli.app import run
from cnncli.inference.gather import Asked
from cnncli.inference.predictor import load_predictor
from cnncli.insight.explain_pictures import Explanations, thinned
from cnncli.insight.layer_pictures import kernels_sheet, maps_of
from tests.conftest import Answer

Cli = Callable[..., Answer]
ROOT = Path(__file__).parents[2]
NET = (
    "dataset: {name: digits, batch_size: 200}\ntrain: {epochs: 1}\nbaselines: none\n"
    "logging: {tensorboard: false, samples: false, pictures: false, outputs: false}\n"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks of digits: one with maps, and one without."""
    folder = tmp_path_factory.mktemp("explain")
    for name, model in (("mlp", "{name: mlp, hidden: [8]}"), ("net", "{name: simple_cnn, channels: [8], hidden: 16}")):
        (folder / f"{name}.yaml").write_text(f"{NET}model: {model}\n")
        words = ["train", str(folder / f"{name}.yaml"), "--name", f"{name}/one", "--runs-dir", str(folder / "runs")]
        assert run(words) == 0
    return folder / "runs"


@pytest.fixture
def photos(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures of all sorts, one of them broken, in the folder where the commands run, beside the runs."""
    Path("runs").symlink_to(runs)
    folder = Path("photos")
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    Image.fromarray(noise[..., 0]).save(folder / "grey.png")
    Image.fromarray(noise).save(folder / "see-through.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(noise[..., :3]).save(folder / "turned.jpg", exif=turned)
    Image.fromarray(noise[..., :3]).save(folder / "ตัวเลข 数字 عدد.png")
    (folder / "broken.png").write_bytes(b"\x89PNG no picture")
    return folder


def test_every_picture_that_can_be_read_is_explained_and_the_others_are_named(cnncli: Cli, photos: Path) -> None:
    answer = cnncli("explain", "net", photos, "--class", "7", "--out", "maps", "--json")
    assert answer.code == 3
    assert "error: photos/broken.png: cannot be read as a picture" in answer.err
    found = answer.json
    assert (found["asked"], found["explained"], found["sheet"], found["kernels"]) == (5, 4, "maps/sheet.png", None)
    assert [each["path"] for each in found["errors"]] == ["photos/broken.png"]
    names = {"grey", "see-through", "turned", "ตัวเลข 数字 عدد"}
    assert {Path(each["file"]).name for each in found["maps"]} == {f"{name}-explained.png" for name in names}
    for name in names:
        entries = [each for each in found["maps"] if Path(each["path"]).stem == name]
        assert [each["class"] for each in entries] == list(dict.fromkeys([entries[0]["prediction"], "7"]))
        assert entries[0]["probability"] >= entries[-1]["probability"]
        height, width = np.asarray(Image.open(entries[0]["file"])).shape[:2]
        assert width > len(entries) * height  # the picture, and a map for each class
        for each in entries:
            assert 0 <= each["random_maps_beaten"] <= found["random_maps"] == 19
    lines = [json.loads(line) for line in cnncli("predict", "net", photos, "--json").out.splitlines()]
    predicted = {line["path"]: line for line in lines}
    for each in found["maps"]:
        if each["class"] == each["prediction"]:
            other = predicted[each["path"]]
            assert (each["class"], each["probability"]) == (other["prediction"], pytest.approx(other["probability"]))


def test_the_table_says_what_the_scores_mean(cnncli: Cli, photos: Path) -> None:
    one = photos / "grey.png"
    answer = cnncli("explain", "--ckpt", "net", one)
    assert answer.code == 0, answer.err
    title, head, row, verdict = answer.out.splitlines()
    assert title == "What speaks for a class, by gradcam"
    columns = dict(zip(head.split("\t"), row.split("\t"), strict=False))
    assert (columns["picture"], columns["file"]) == (str(one), "explained/grey-explained.png")
    assert "class" not in columns
    good = columns["better"] == "yes"
    assert verdict.startswith(
        "The map is better than each of 19" if good else "The map is not clearly better than random maps"
    )
    assert not Path("explained/sheet.png").exists()
    more = ["--class", "7", "--method", "gradcam", "--method", "layercam", "--random", "2"]
    title, head, *rows, _ = cnncli("explain", "net", one, *more).out.splitlines()
    assert title == "What speaks for a class"
    assert head.split("\t")[2:5] == ["class", "probability", "method"]
    assert {tuple(row.split("\t")[2:5:2]) for row in rows} >= {("7", "gradcam"), ("7", "layercam")}
    bare = cnncli("explain", "net", one, "--random", "0").out
    assert "deletion" not in bare
    assert "random" not in bare


def test_layers_are_shown_and_two_pictures_of_one_name_are_two_files(cnncli: Cli, photos: Path) -> None:
    (photos / "sub").mkdir()
    (photos / "sub" / "grey.png").write_bytes((photos / "grey.png").read_bytes())
    answer = cnncli("explain", "net", photos / "grey.png", photos / "sub" / "grey.png", "--layers", "--random", "0")
    assert answer.code == 0, answer.err
    names = {path.name for path in Path("explained").iterdir()}
    twice = {f"grey-{what}{again}.png" for what in ("explained", "layers") for again in ("", "-2")}
    assert names == {*twice, "sheet.png", "kernels.png"}
    predictor = load_predictor(Path("runs/net/one/best.pt"))
    maps = maps_of(predictor, torch.zeros(1, *predictor.spec.input_shape))
    assert [(each.name, tuple(each.output.shape)) for each in maps] == [
        ("0", (1, 8, 8, 8)), ("1", (1, 8, 4, 4)), ("2", (1, 8, 4, 4))
    ]  # fmt: skip
    weights = next(predictor.network.parameters()).detach()
    pixels = np.asarray(kernels_sheet(predictor).convert("L")).astype(int)
    top, left = 12 + 20 + 1, 12 + 1  # of the first kernel, 3 × 3 in cells of 48 pixels
    cell = [[pixels[top + 24 + 48 * i, left + 24 + 48 * j] for j in range(3)] for i in range(3)]
    assert np.allclose(cell, (weights[0, 0] / weights[0, 0].abs().max() + 1) * 127.5, atol=1)


def test_of_many_pictures_some_are_explained_evenly_spread(cnncli: Cli, photos: Path) -> None:
    for number in range(10):
        (photos / f"more-{number}.png").write_bytes((photos / "grey.png").read_bytes())
    answer = cnncli("explain", "net", f"{photos}/more-*.png", "--most", "3", "--random", "0", "--json")
    assert "note: 3 of 10 pictures, spread evenly; --most 10 explains all" in answer.err
    assert [Path(each["path"]).stem for each in answer.json["maps"]] == ["more-0", "more-3", "more-6"]
    every = thinned(Asked([Path(str(n)) for n in range(10_000)]), 24)
    assert (len(every.paths), every.paths[0].name, every.paths[-1].name) == (24, "0", "9583")


def test_the_sheet_says_how_many_pictures_it_shows() -> None:
    tile = np.zeros((20, 40, 3), np.uint8)
    few = Explanations(tiles=[tile] * 3, labels=["a"] * 3, pictures=3)
    first, second = (np.asarray(few.sheet(asked)).astype(int) for asked in (3, 10_000))
    assert first.shape == second.shape
    assert (first[:30] != second[:30]).any()
    assert (first[30:] == second[30:]).all()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "no network given; name a checkpoint or run, then what to explain"),
        (["net"], 2, "learned from pictures; name some after it: cnncli explain RUN PICTURE"),
        (
            ["photos/grey.png"],
            2,
            "'photos/grey.png' alone is not enough; name a checkpoint or run, then what to explain",
        ),
        (["photos/grey.png", "net"], 2, "the run comes first: cnncli explain net photos/grey.png"),
        (["net", "photos/grey.png", "--class", "seven"], 2, "--class seven: known: 0, 1, 2"),
        (["net", "photos/grey.png", "--class", "77"], 2, "--class 77: did you mean '7'?"),
        (["net", "photos/grey.png", "--method", "gradcan"], 2, "--method gradcan: did you mean 'gradcam'?"),
        (["net", "photos/grey.png", "--out", "photos/grey.png"], 6, "--out photos/grey.png: cannot be made"),
        (["net", "nothing.png"], 3, "nothing.png: no such file or folder"),
        (["nott", "photos/grey.png"], 4, "nott: no such checkpoint or run; the runs in 'runs'"),
        (["mlp", "photos/grey.png", "--layers", "--method", "occlusion"], 2, "has maps; leave out --layers"),
    ],
)
def test_what_cannot_be_done_is_one_line(cnncli: Cli, photos: Path, words: list[str], code: int, told: str) -> None:
    answer = cnncli("explain", *words)
    errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert (answer.code, len(errors)) == (code, 1), answer.err
    assert told in errors[0]
    assert not list(Path().glob("explained/*"))


def test_what_a_network_without_maps_is_told_to_do_helps(cnncli: Cli, photos: Path) -> None:
    answer = cnncli("explain", "mlp", photos / "grey.png")
    assert answer.code == 2
    assert "no layer of mlp has a map of places, which gradcam needs" in answer.err
    advice = re.search(r"add (--method occlusion)$", answer.err.strip())
    assert advice is not None
    words = ["--method", "integrated", *advice.group(1).split(), "--json"]
    answer = cnncli("explain", "mlp", photos / "grey.png", *words)
    assert answer.code == 0, answer.err
    assert [each["method"] for each in answer.json["maps"]] == ["integrated", "occlusion"]


def test_without_captum_the_extra_is_named_and_gradcam_works(
    cnncli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    answer = cnncli("explain", "net", photos / "grey.png", "--method", "occlusion")
    wanted = "error: --method occlusion: needs an extra; pip install 'cnncli[explain]', or use --method gradcam"
    assert (answer.code, answer.err.splitlines()[-1]) == (2, wanted)
    assert cnncli("explain", "net", photos / "grey.png", "--method", "gradcam", "--random", "0").code == 0


def test_the_commands_of_the_page_run(cnncli: Cli, photos: Path) -> None:
    Path("photo.jpg").write_bytes((photos / "turned.jpg").read_bytes())
    (photos / "broken.png").unlink()
    text = (ROOT / "docs" / "explain.md").read_text("utf-8")
    commands = re.findall(r"^cnncli (explain (?!houses)[^#\n]*)", text, re.M)
    assert len(commands) == 6
    for command in commands:
        answer = cnncli(*command.replace("--class bees", "--class 7").split())
        assert answer.code == 0, answer.err
