"""The pictures that benchmarks make say the truth of themselves."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.digit_centers import write as write_digits
from benchmarks.mosaics import write as write_mosaics
from benchmarks.plain_mosaics import network, read
from cnncli.core.spec import DataSpec, Pictures
from cnncli.training.configs import load_config
from cnncli.training.network import build_model
from tests.conftest import ROOT

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Class folders of one colour each; the number of a picture is its level of grey in one corner."""
    for split in ("train", "test"):
        for name, colour in COLOURS.items():
            (tmp_path / "source" / split / name).mkdir(parents=True)
            for i in range(8):
                picture = Image.new("RGB", (4, 4), colour)
                picture.putpixel((3, 3), (i, i, i))
                picture.save(tmp_path / "source" / split / name / f"{i}.png")
    return tmp_path / "source"


def test_a_mosaic_is_labelled_by_what_is_in_it_and_no_picture_is_used_twice(source: Path, tmp_path: Path) -> None:
    write_mosaics(source, tmp_path / "one", {"train": 6, "test": 2}, 0)
    found, used = rows(tmp_path / "one" / "labels.csv"), set()
    assert [row["split"] for row in found] == ["train"] * 6 + ["test"] * 2
    for row in found:
        with Image.open(tmp_path / "one" / row["path"]) as picture:
            assert picture.size == (8, 8)
            tiles = [picture.crop((x, y, x + 4, y + 4)) for y in (0, 4) for x in (0, 4)]
        names = [next(n for n, colour in COLOURS.items() if tile.getpixel((0, 0)) == colour) for tile in tiles]
        assert row["labels"] == "|".join(sorted(set(names)))
        used |= {(row["split"], name, tile.getpixel((3, 3))) for name, tile in zip(names, tiles, strict=True)}
    assert len(used) == 4 * 8
    write_mosaics(source, tmp_path / "again", {"train": 6, "test": 2}, 0)
    write_mosaics(source, tmp_path / "other", {"train": 6, "test": 2}, 1)
    tables = [(tmp_path / name / "labels.csv").read_text() for name in ("one", "again", "other")]
    assert tables[0] == tables[1] != tables[2]
    with pytest.raises(SystemExit, match="has 24 pictures, 7 mosaics take 28"):
        write_mosaics(source, tmp_path / "many", {"train": 7}, 0)


def test_the_plain_script_reads_the_same_and_has_the_same_network(source: Path, tmp_path: Path) -> None:
    write_mosaics(source, tmp_path / "mosaics", {"train": 6, "test": 2}, 0)
    pictures, labels = read(tmp_path / "mosaics", "train")
    assert (pictures.shape, labels.shape) == ((6, 3, 8, 8), (6, 3))
    assert labels.sum() == sum(len(row["labels"].split("|")) for row in rows(tmp_path / "mosaics/labels.csv")[:6])
    config = load_config(ROOT / "configs" / "multilabel" / "mosaics.yaml").config
    spec = DataSpec((3, 64, 64), tuple("0123456789"), Pictures((0.0,) * 3, (1.0,) * 3))
    ours, plain = ([p.shape for p in net.parameters()] for net in (build_model(config, spec), network(10)))
    assert ours == plain


def test_the_centre_of_a_digit_is_that_of_its_pixels(tmp_path: Path) -> None:
    config = load_config(write_digits(tmp_path / "digits")).config
    assert (config.task.name, config.dataset.args["label"]) == ("regression", ["x", "y"])
    found = rows(tmp_path / "digits" / "centers.csv")
    assert len(found) == 1797
    for row in found[:20]:
        with Image.open(tmp_path / "digits" / row["path"]) as picture:
            levels = {(x, y): picture.getpixel((x, y)) for x in range(8) for y in range(8)}
        mass = sum(levels.values())
        assert float(row["x"]) == pytest.approx(sum(x * level for (x, _), level in levels.items()) / mass)
        assert float(row["y"]) == pytest.approx(sum(y * level for (_, y), level in levels.items()) / mass)
