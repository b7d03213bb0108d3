"""Files and folders with names that few expect: of the config, the data, the plug-in, the run and what is written."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_plugins import PLUGIN
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
CONFIG = "dataset: {name: image_folder, test_fraction: 0.3}\nmodel: {name: two_layers, width: 4}\ntrain: {epochs: 1}\n"
QUIET = "logging: {tensorboard: false, samples: false, pictures: false}\n"
ODD = ['it\'s "a" & b', "new\nline", "-dash", "~tilde", "x" * 250, "昆" * 82, "a=b", "[1]*", "$HOME", "#1 % {x}"]
IN_YAML = str.maketrans({"\n": "\\n", '"': '\\"'})


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_everything_can_be_called_oddly(name: str, cnncli: Cli) -> None:
    here = Path.cwd() / name
    here.mkdir()
    make_pictures(here / "photos", {"a": 8, "b": 8})
    (here / f"{name[:60]}.py").write_text(PLUGIN)
    config, plugin = here / f"{name[:60]}.yaml", here / f"{name[:60]}.py"
    written = f'"./{name[:60].translate(IN_YAML)}.py"'
    config.write_text(f"plugins: [{written}]\n{CONFIG}{QUIET}", encoding="utf-8")
    root = f'dataset.root="{str(here).translate(IN_YAML)}/photos"'
    trained = cnncli("train", config, root, "dataset.image_size=8", "--runs-dir", here, "--name", "a/1", "--json")
    assert trained.code == 0, trained.err
    out = here / f"out {name[:60]}"
    best = here / "a" / "1" / "best.pt"
    answer = cnncli("predict", "--ckpt", best, here / "photos", "--plugin", plugin, "--format", "csv", "--out", out)
    assert answer.code == 0, answer.err
    assert len(out.read_text(encoding="utf-8").splitlines()) >= 17
    judged = cnncli("eval", "--ckpt", best, "--plugin", plugin, "--json")
    assert judged.json["metrics"]["test"] == trained.json["metrics"]["test"]
    assert cnncli("data", "check", here / "photos").code == 0


def test_links_lead_to_what_they_lead_to(cnncli: Cli) -> None:
    make_pictures(Path("real/photos"), {"a": 8, "b": 8})
    Path("real/own.py").write_text(PLUGIN)
    Path("real/c.yaml").write_text(f"plugins: [own.py]\n{CONFIG}{QUIET}")
    Path("real/runs").mkdir()
    for name in ("photos", "c.yaml", "runs", "own.py"):
        Path(name).symlink_to(Path("real", name))
    words = ["dataset.root=photos", "dataset.image_size=8"]
    answer = cnncli("train", "c.yaml", "plugins=[own.py]", *words, "--name", "a/1")
    assert answer.code == 0, answer.err
    assert Path("real/runs/a/1/best.pt").is_file()
    Path("best.pt").symlink_to("runs/a/1/best.pt")
    assert cnncli("predict", "--ckpt", "best.pt", "photos", "--plugin", "own.py").code == 0


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_bytes_that_are_not_utf_8_are_refused_where_a_config_would_keep_them(tiny: Path, cnncli: Cli) -> None:
    folder = os.fsdecode(b"\xff\xfe")
    make_pictures(Path("photos"), {"a": 8, "b": 8})
    Path(folder).symlink_to("photos")
    for words in (["finetune", "--from", "resnet18", "--data", folder], ["train", tiny, f"dataset.root={folder}"]):
        answer = cnncli(*words)
        assert (answer.code, len(answer.err.splitlines())) == (2, 1)
        assert "holds the byte 0xff, which is not UTF-8; rename the file, or make a link to it" in answer.err
    Path("link").symlink_to(folder)
    words = ["train", tiny, "dataset={name: image_folder, image_size: 8, root: link}", "--dry-run"]
    assert cnncli(*words).code == 0
    checked = cnncli("data", "check", folder)
    assert checked.code == 0
    tiny.rename(os.fsdecode(b"\xfe.yaml"))
    assert cnncli("train", os.fsdecode(b"\xfe.yaml"), "--dry-run").code == 0
    gone = cnncli("train", os.fsdecode(b"gone\xfe.yaml"))
    assert r"gone\xfe.yaml: no such file" in gone.err


def test_a_name_that_begins_with_a_dash_is_not_taken_for_an_option_in_silence(tiny: Path, cnncli: Cli) -> None:
    tiny.rename("-tiny.yaml")
    answer = cnncli("train", "-tiny.yaml")
    assert answer.code == 2
    assert "The file of that name is written ./-tiny.yaml." in answer.err
    assert cnncli("train", "./-tiny.yaml", "--dry-run").code == 0


def test_a_name_that_begins_with_a_tilde_is_told_from_a_home(tiny: Path, cnncli: Cli) -> None:
    tiny.rename("~tiny.yaml")
    answer = cnncli("train", "~tiny.yaml")
    assert answer.code == 2
    assert "the one of that name here is ./~tiny.yaml" in answer.err
    assert cnncli("train", "./~tiny.yaml", "--dry-run").code == 0
