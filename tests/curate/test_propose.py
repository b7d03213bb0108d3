"""A first config for a folder of pictures: it is valid, it fits the pictures, and it trains."""

import shutil
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from torchvision.models import resnet18

from cnncli.curate.propose import Looked, look, propose
from tests.conftest import Answer, make_pictures
from tests.curate.test_check import texture, textures

Cli = Callable[..., Answer]
QUIET = ("logging.tensorboard=false", "logging.samples=false", "logging.pictures=false")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing here may need the network, or find what an earlier download left."""

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def proposed(cnncli: Cli, root: Path) -> tuple[Path, dict[str, Any]]:
    """The file that ``cnncli init`` was written into, and what it says."""
    answer = cnncli("init", root)
    assert (answer.code, answer.err) == (0, "")
    path = Path("mine.yaml")
    path.write_text(answer.out, encoding="utf-8")
    checked = cnncli("config", path)
    assert (checked.code, checked.err) == (0, "")
    found: dict[str, Any] = yaml.safe_load(answer.out)
    return path, found


def grey(root: Path) -> None:
    for path in root.rglob("*.png"):
        Image.open(path).convert("L").save(path)


@pytest.mark.parametrize(("channels", "unbalanced"), [(1, False), (3, True)])
def test_for_small_pictures_it_trains_from_scratch(
    cnncli: Cli, tmp_path: Path, channels: int, unbalanced: bool
) -> None:
    root = make_pictures(tmp_path / "set", {"ant": 24 if unbalanced else 8, "bee": 8})
    if channels == 1:
        grey(root)
    path, config = proposed(cnncli, root)
    assert config["dataset"]["channels"] == channels
    assert config["dataset"]["image_size"] == 16
    assert config["model"] == "resnet20"
    assert "finetune" not in config
    answer = cnncli("train", path, "train.epochs=1", *QUIET, "--name", "first/one", "--json")
    assert answer.code == 0, answer.err
    evaluated = cnncli("eval", "--ckpt", "runs/first/one/best.pt", "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.json["split"] == "test"


def test_for_larger_pictures_it_starts_from_a_pretrained_network(cnncli: Cli, tmp_path: Path) -> None:
    path, config = proposed(cnncli, textures(tmp_path / "set", {"ant": 6, "bee": 6}))
    assert config["finetune"]["pretrained"] == "resnet18"
    assert "model" not in config
    assert "channels" not in config["dataset"]
    checked = yaml.safe_load(cnncli("config", path).out)
    assert checked["model"]["name"] == "resnet18"
    assert checked["dataset"]["image_size"] == 224
    assert checked["dataset"]["normalize"] == "imagenet"
    assert not (tmp_path / "torch").exists(), "nothing was downloaded"


def test_grey_photos_have_the_channels_of_the_pretrained_network(cnncli: Cli, tmp_path: Path) -> None:
    root = textures(tmp_path / "set", {"ant": 6, "bee": 6})
    grey(root)
    path, config = proposed(cnncli, root)
    assert "in grey" in path.read_text()
    assert config["dataset"].get("channels", 3) == 3
    assert yaml.safe_load(cnncli("config", path).out)["dataset"]["channels"] == 3


def test_what_starts_from_weights_trains_too(cnncli: Cli, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), tmp_path / "weights.pt")
    path, _ = proposed(cnncli, textures(tmp_path / "set", {"ant": 6, "bee": 6}))
    answer = cnncli("train", path, "train.epochs=1", f"finetune.weights={tmp_path / 'weights.pt'}",
                    "dataset.image_size=32", *QUIET, "--json")  # fmt: skip
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(("side", "large"), [(63, False), (64, True)])
def test_from_64_pixels_on_pictures_are_large(tmp_path: Path, side: int, large: bool) -> None:
    for number, name in enumerate(("ant", "bee")):
        texture(tmp_path / name / "0.png", number, (side + 30, side))
        texture(tmp_path / name / "1.png", number + 2, (side, side + 30))
    assert ("finetune:" in propose(look(tmp_path))) == large


@pytest.mark.parametrize("counts", [{"ant": 9, "bee": 3}, {"ant": 3, "bee": 9}, {"ant": 8, "bee": 3}])
@pytest.mark.parametrize("size", [(20, 16), (90, 80)])
def test_unbalanced_classes_get_weights_and_a_metric_that_counts_them_equally(
    cnncli: Cli, tmp_path: Path, counts: dict[str, int], size: tuple[int, int]
) -> None:
    _, config = proposed(cnncli, make_pictures(tmp_path / "set", counts, size))
    if 9 in counts.values():
        assert config["loss"] == {"name": "cross_entropy", "class_weights": "balanced"}
        assert config["checkpoint"] == {"monitor": "val/balanced_accuracy"}
    else:
        assert "class_weights" not in config["loss"]
        assert "checkpoint" not in config


@pytest.mark.parametrize(
    ("folders", "fractions"),
    [
        ([], {"val_fraction", "test_fraction"}), (["train"], {"val_fraction", "test_fraction"}),
        (["train", "test"], {"val_fraction"}), (["train", "val"], {"test_fraction"}),
        (["train", "valid", "test"], set()), (["train", "validation"], {"test_fraction"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [(20, 16), (90, 80)])
def test_parts_are_carved_only_where_their_folders_are_missing(
    cnncli: Cli, tmp_path: Path, folders: list[str], fractions: set[str], size: tuple[int, int]
) -> None:
    for number, folder in enumerate(folders or [""]):
        make_pictures(tmp_path / "set" / folder, {"ant": 4, "bee": 4}, size, seed=number)
    _, config = proposed(cnncli, tmp_path / "set")
    assert {key for key in config["dataset"] if key.endswith("_fraction")} == fractions


def test_the_folder_may_have_any_name(cnncli: Cli, tmp_path: Path) -> None:
    root = make_pictures(tmp_path / 'my "own": pictures # größer, {1}', {"ant": 8, "bee: x": 8, "- c": 8})
    path, config = proposed(cnncli, root)
    assert config["dataset"]["path"] == str(root)
    answer = cnncli("train", path, "train.epochs=1", *QUIET, "--json")
    assert answer.code == 0, answer.err


def test_class_folders_with_breaks_of_lines_in_their_names_leave_it_valid(cnncli: Cli, tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "set", {"ant\nmodel: mlp": 4, "bee\u2028x: y": 4, "c": 4})
    _, config = proposed(cnncli, root)
    assert config["model"] == "resnet20"


def test_what_it_found_stands_at_the_top(cnncli: Cli, tmp_path: Path) -> None:
    make_pictures(tmp_path / "set" / "train", dict.fromkeys("abcdefgh", 4))
    make_pictures(tmp_path / "set" / "test", dict.fromkeys("abcdefgh", 2))
    text = cnncli("init", tmp_path / "set").out
    assert "# 32 (train, val) + 16 (test) pictures in colour, of 8 classes: a, b, c, d, e, f, …." in text
    assert "# Half of them have 16 pixels or more on the short side." in text


def test_many_pictures_are_learned_from_scratch_and_more_of_them_in_a_batch() -> None:
    def config(count: int, side: int) -> dict[str, Any]:
        counts = {"train": Counter({"a": count // 2, "b": count // 2})}
        found: dict[str, Any] = yaml.safe_load(propose(Looked(Path("x"), counts, side, grey=False)))
        return found

    assert "finetune" in config(49_998, 300)
    assert config(50_000, 300)["model"] == "resnet18"
    assert config(50_000, 300)["dataset"]["image_size"] == 224
    assert [config(n, 300)["dataset"]["batch_size"] for n in (10, 318, 320, 640, 1280)] == [8, 8, 16, 32, 64]
    assert config(100, 5)["dataset"]["image_size"] == 8, "smaller ones are enlarged"


def test_broken_pictures_do_not_matter_unless_all_are(cnncli: Cli, tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "set", {"ant": 4, "bee": 4})
    whole = cnncli("init", root).out
    for number, content in enumerate((b"", b"<html>", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"GIF89a\x04")):
        paths = sorted(root.rglob("*.png"))
        paths[2 * number].write_bytes(content)
        assert cnncli("init", root).out == whole
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    answer = cnncli("init", root)
    assert answer.code == 3
    assert f"none of its pictures can be opened; see: cnncli data check {root}" in answer.err


def test_what_cannot_be_learned_from_is_refused(cnncli: Cli, tmp_path: Path) -> None:
    assert "no such folder" in (missing := cnncli("init", tmp_path / "nowhere")).err
    assert missing.code == 3
    root = make_pictures(tmp_path / "set", {"ant": 4})
    assert "pictures of 1 classes; two or more class folders" in (one := cnncli("init", root)).err
    assert one.code == 3
    (root / "bee").mkdir()
    assert cnncli("init", root).code == 3, "a class without a picture is none"
    shutil.rmtree(root / "ant")
    assert "no pictures in class folders" in cnncli("init", root).err
    (root / "test").mkdir()
    assert "has test but no train folder" in cnncli("init", root).err
    (tmp_path / "file.png").write_bytes(b"")
    assert cnncli("init", tmp_path / "file.png").code == 3
