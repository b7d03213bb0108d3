"""Decoded pictures are kept from run to run: found again, made anew when anything changed, never in the way."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError, StorageError
from cnncli.core.spec import Decode
from cnncli.data import build_data, cache
from cnncli.data.bundle import DataBundle
from cnncli.data.decoded import decoded
from cnncli.data.paths import as_paths
from cnncli.data.sources import ArraySource, FileSource
from tests.conftest import ROOT, Answer, make_pictures

fill_registries()
Cli = Callable[..., Answer]


class Progress:
    """Stands for the display and counts how often something was decoded."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, items: Iterable[Any], _total: int, what: str) -> Iterator[Any]:
        self.shown.append(what)
        yield from items


def config(**settings: Any) -> DatasetConfig:
    return DatasetConfig(name="image_folder", **settings)


def source(root: Path, decode: Decode = Decode((8, 12))) -> FileSource:
    paths = sorted(root.glob("train/*/*.png"))
    return FileSource(as_paths(paths), torch.tensor([p.parent.name == "bees" for p in paths]).long(), decode)


def again(found: FileSource, **settings: Any) -> tuple[ArraySource, bool]:
    """``found`` decoded, and whether that took any work."""
    progress = Progress()
    result = decoded(replace(found), config(**settings), progress)  # a new source looks at its files anew
    assert isinstance(result, ArraySource)
    return result, bool(progress.shown)


def test_what_was_decoded_is_found_again_and_is_the_same(pictures: Path) -> None:
    files = source(pictures)
    first, worked = again(files)
    assert worked
    second, worked = again(files)
    assert not worked
    plain, worked = again(files, cache=False)
    assert worked
    assert first.inputs.shape == (48, 3, 8, 12)
    for found in (first, second, plain):
        assert torch.equal(found.inputs, torch.stack([files[i] for i in range(len(files))]))
        assert torch.equal(found.targets, files.targets)
        assert found.inputs.permute(0, 2, 3, 1).is_contiguous(), "the channels are innermost"
    part = second.subset(torch.tensor([5, 1]))
    assert torch.equal(part.inputs, plain.inputs[[5, 1]])


def test_writing_to_mapped_pictures_changes_no_file(pictures: Path) -> None:
    first, _ = again(source(pictures))
    kept = first.inputs.clone()
    first.inputs.zero_()
    assert torch.equal(again(source(pictures))[0].inputs, kept)


def test_a_change_of_a_file_or_of_the_decoding_is_decoded_anew(pictures: Path) -> None:
    files = source(pictures)
    again(files)
    for decode in (Decode((8, 12), 1), Decode((12, 8)), Decode((8, 12), fit="pad"), Decode((8, 12), 3, "stretch")):
        assert again(replace(files, decode=decode))[1]
        assert not again(replace(files, decode=decode))[1]
    assert again(replace(files, decode=Decode((8, 12), interpolation="bicubic")))[1]
    assert again(replace(files, paths=files.paths[:10], targets=files.targets[:10]))[1], "other files are another entry"
    assert not again(replace(files, targets=1 - files.targets))[1], "targets are no part of it"
    assert not again(files)[1]
    os.utime(files.paths[3], ns=(1, 1))
    assert again(files)[1], "another time"
    stamp = files.paths[3].stat()
    Image.new("RGB", (30, 30), "red").save(files.paths[3])
    os.utime(files.paths[3], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    changed, worked = again(files)
    assert worked, "another size"
    assert (changed.inputs[3, 0] == 255).all()


def test_the_parts_of_a_folder_share_an_entry(pictures: Path) -> None:
    files = source(pictures)
    everything, _ = again(files)
    for part in (torch.tensor([3, 1, 7]), torch.arange(len(files))[5:]):
        found, worked = again(files.subset(part).subset(torch.tensor([2, 0])))
        rows = part[torch.tensor([2, 0])]
        assert not worked
        assert torch.equal(found.gather(torch.arange(2)), everything.inputs[rows])
        assert torch.equal(found.targets, files.targets[rows])
        assert torch.equal(found[1], everything.inputs[rows[1]])
        assert torch.equal(found.subset(torch.tensor([1])).gather(torch.tensor([0])), everything.inputs[rows[1:]])
        elsewhere = found.to(torch.device("meta"))
        assert elsewhere.rows is None
        assert elsewhere.inputs.shape == (2, 3, 8, 12), "another device gets the part alone"
        assert found.to(torch.device("cpu")).inputs is found.inputs
        features = ArraySource(torch.zeros(2, 4, device="meta"), torch.zeros(2))
        assert features.to(torch.device("meta")).targets.device.type == "meta"


def test_memory_and_cache_say_where_pictures_lie(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = source(pictures)
    assert isinstance(decoded(files, config(memory="never"), Progress()), FileSource)
    again(files, memory="always", cache=False)
    assert not cache.entries()
    again(files, memory="always")
    assert len(cache.entries()) == 1
    cache.clear()
    monkeypatch.setattr("cnncli.data.decoded.MEMORY_LIMIT", 100)
    assert isinstance(decoded(files, config(cache=False), Progress()), FileSource)
    again(files)
    assert len(cache.entries()) == 1, "what is too large for memory is mapped"


def test_large_sets_have_the_same_statistics_in_files_and_in_the_cache(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(**settings: Any) -> DataBundle:
        return build_data(config(root=str(pictures), image_size=12, **settings), Progress())

    everything = opened().spec
    monkeypatch.setattr("cnncli.data.decoded.MEMORY_LIMIT", 100)
    monkeypatch.setattr("cnncli.data.pictures.STATISTICS_SAMPLES", 10)
    assert opened().spec == opened(cache=False).spec == opened(memory="never").spec
    assert opened().spec != everything
    assert opened(memory="always").spec == everything


@pytest.mark.parametrize("damage", ["cut", "gone", "other", "about", "none", "text"])
def test_a_damaged_entry_is_made_anew(pictures: Path, damage: str) -> None:
    first = again(source(pictures))[0].inputs.clone()
    [entry] = cache.entries()
    array, about = entry.path / "pictures.npy", entry.path / "about.json"
    if damage == "cut":
        array.write_bytes(array.read_bytes()[:-7])
    elif damage == "gone":
        array.unlink()
    elif damage == "other":
        array.write_bytes(b"\0" * array.stat().st_size)
    elif damage == "about":
        about.write_text(about.read_text().replace('"uint8"', '"int64"'))
    elif damage == "none":
        about.unlink()
    else:
        about.write_text("[1, 2")
    found, worked = again(source(pictures))
    assert worked
    assert torch.equal(found.inputs, first)
    assert not again(source(pictures))[1]


def test_an_unreadable_picture_is_named_and_leaves_nothing(pictures: Path) -> None:
    files = source(pictures)
    files.paths[30].write_bytes(b"no picture")
    for settings in ({}, {"cache": False}):
        with pytest.raises(DataError, match=f"{files.paths[30].name}: cannot be read as a picture"):
            again(files, **settings)
    assert [path.suffix for path in cache.folder().iterdir()] == [".lock"]


def test_an_interruption_leaves_no_entry_and_what_a_killed_process_left_is_removed(pictures: Path) -> None:
    class Stopped(Progress):
        def __call__(self, items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decoded(source(pictures), config(), Stopped())
    assert not cache.entries()
    left = [cache.folder() / f"{name * 64}.tmp" for name in "ab"]
    for folder in left:
        folder.mkdir()
        (folder / "pictures.npy").write_bytes(b"half")
    code = f"from filelock import FileLock\nwith FileLock({str(left[1].with_suffix('.lock'))!r}): print(1); input()"
    with subprocess.Popen([sys.executable, "-uc", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        again(source(pictures))
        assert not left[0].exists()
        assert left[1].exists(), "it is still being written"
        other.communicate(b"\n")
    cache.clear()
    assert not left[1].exists()


def test_what_was_killed_just_before_its_end_is_made_anew(pictures: Path) -> None:
    again(source(pictures))
    [entry] = cache.entries()
    entry.path.rename(entry.path.with_suffix(".tmp"))
    assert again(source(pictures))[1]
    assert not entry.path.with_suffix(".tmp").exists()
    assert [found.path for found in cache.entries()] == [entry.path]


def plain(number: int, kibibytes: int) -> cache.Entry | None:
    """An entry of so many KiB of ``number``."""
    part = torch.full((kibibytes * 1024,), number, dtype=torch.uint8)
    array = cache.Array(tuple(part.shape), torch.uint8, [part])
    return cache.kept(number, lambda: cache.Content(f"number {number}", 1, {"values": array}))


def test_what_was_not_used_for_longest_makes_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CNNCLI_CACHE_LIMIT", str(100 / 2**20))
    held = []
    for number in (1, 2, 3):
        held.append(plain(number, 30))
        [newest] = [e for e in cache.entries() if e.what == f"number {number}"]
        os.utime(newest.path, (number, number))
    plain(1, 30)  # used again
    plain(4, 30)
    assert {entry.what for entry in cache.entries()} == {"number 1", "number 3", "number 4"}
    assert held[1] is not None
    assert (held[1].arrays["values"] == 2).all(), "who holds a removed entry keeps it"
    assert plain(5, 101) is None
    assert len(cache.entries()) == 3, "nothing is removed for what cannot fit anyway"
    assert "more than CNNCLI_CACHE_LIMIT" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50 * 1024))
    plain(6, 60)
    assert [entry.what for entry in cache.entries()] == ["number 6"], "as much stays free as it takes"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1024))
    assert plain(7, 70) is None
    assert "would fill the disk" in capsys.readouterr().err
    monkeypatch.setenv("CNNCLI_CACHE_LIMIT", "0")
    assert plain(6, 60) is None
    assert not capsys.readouterr().err


@pytest.mark.parametrize("value", ["much", "-1", "nan", "inf"])
def test_an_impossible_limit_is_one_line(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, cnncli: Cli, write_config: Callable[..., Path], value: str
) -> None:
    monkeypatch.setenv("CNNCLI_CACHE_LIMIT", value)
    with pytest.raises(ConfigError, match="CNNCLI_CACHE_LIMIT"):
        plain(1, 1)
    answer = cnncli("train", write_config(folder_config(pictures)), "--dry-run")
    assert answer.code == 2
    assert answer.err.count("error: ") == 1
    assert f"CNNCLI_CACHE_LIMIT is '{value}'" in answer.err


def folder_config(pictures: Path) -> str:
    return (f"dataset: {{name: image_folder, root: {pictures}, image_size: 12}}\n"
            "model: {name: mlp, hidden: [8]}\ntrain: {epochs: 1}\n"
            "logging: {tensorboard: false, samples: false, pictures: false}\n")  # fmt: skip


@pytest.mark.parametrize("trouble", ["a file stands there", "full"])
def test_a_cache_that_cannot_be_written_is_one_warning_and_training_goes_on(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cnncli: Cli, write_config: Callable[..., Path],
    trouble: str,
) -> None:  # fmt: skip
    if trouble == "full":

        def no_space(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("cnncli.data.cache.os.fsync", no_space)
        cache.folder().mkdir(parents=True)
    else:
        (tmp_path / "cache").write_text("")
    path = write_config(folder_config(pictures))
    settings = ["checkpoint.monitor=train/loss"]
    if trouble == "full":  # the run itself needs the disk
        answer = cnncli("train", path, *settings, "--dry-run")
        assert not [p for p in cache.folder().iterdir() if p.suffix != ".lock"]
    else:
        answer = cnncli("train", path, *settings)
    assert answer.code == 0, answer.err
    warnings = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "decoded pictures cannot be kept" in warnings[0]


def test_an_entry_of_a_cache_that_may_only_be_read_is_used(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(source(pictures))

    def refuse(*_: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr("cnncli.data.cache.os.utime", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert not again(source(pictures))[1]


BUILD = """
import sys, time
from pathlib import Path
from cnncli.data import cache
import torch

def parts():
    with open("built.txt", "a") as file:
        file.write("x")
    for number in range(4):
        time.sleep(0.1)
        yield torch.full((8,), number, dtype=torch.uint8)

Path(f"ready{sys.argv[1]}").touch()
while not Path("go").exists():
    time.sleep(0.01)
entry = cache.kept("both", lambda: cache.Content("both", 4, {"values": cache.Array((32,), torch.uint8, parts())}))
assert entry.arrays["values"].tolist() == [number for number in range(4) for _ in range(8)]
"""


@pytest.mark.slow
def test_two_processes_at_once_build_an_entry_once(tmp_path: Path) -> None:
    code = [sys.executable, "-c", BUILD]
    running = [subprocess.Popen([*code, str(number)], env={**os.environ, "PYTHONPATH": str(ROOT)}) for number in "12"]
    while not all((tmp_path / f"ready{number}").exists() for number in "12"):
        assert all(process.poll() is None for process in running)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [process.wait(120) for process in running] == [0, 0]
    assert (tmp_path / "built.txt").read_text() == "x"


def test_what_cannot_be_cleared_is_said(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(source(pictures))

    def refuse(_: Path) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(StorageError, match="remove it by hand"):
        cache.clear()


def test_the_cache_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.folder() == tmp_path / "cache" / "decoded"
    monkeypatch.delenv("CNNCLI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / "cnncli" / "decoded"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "cnncli" / "decoded"


def test_a_finished_run_goes_on_with_or_without_the_cache(
    pictures: Path, cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    make_pictures(pictures / "val", {"ants": 6, "bees": 6}, seed=3)
    first = cnncli("train", write_config(folder_config(pictures)), "--json")
    assert first.code == 0, first.err
    run = first.json["run_dir"]
    resumed = cnncli("train", "--resume", run, "dataset.cache=false", "train.epochs=2", "--json")
    assert resumed.code == 0, resumed.err
    plain, cached = (cnncli("eval", "--ckpt", run, *more, "--json").json for more in (["dataset.cache=false"], []))
    assert cached.pop("test_looks") == plain.pop("test_looks") + 1
    assert plain == cached
    third = cnncli("eval", "--ckpt", run, "--json")
    assert "decoding" not in third.err
