"""A file that was replaced is seen, whatever its size and time say."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnncli.data import stamps
from cnncli.data.stamps import SAMPLE, stamp
from tests.data.test_cache import again, source

OLD = (1_000_000_000, 1_000_000_000)


def still(*files: Path) -> None:
    for file in files:
        os.utime(file, OLD)


@pytest.fixture(params=["change times", "samples"])
def _system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "CHANGE_TIMES", request.param == "change times")


@pytest.mark.usefixtures("_system")
@pytest.mark.parametrize("how", ["written", "replaced", "exchanged", "relinked"])
def test_other_content_of_equal_size_and_time_is_another_stamp(tmp_path: Path, how: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"a" * 100_000)
    other.write_bytes(b"b" * 100_000)
    still(one, other)
    asked = tmp_path / "link" if how == "relinked" else one
    if how == "relinked":
        asked.symlink_to(one)
    before = stamp(asked)
    assert before == stamp(asked)
    if how == "written":
        one.write_bytes(b"b" * 100_000)
    elif how == "replaced":
        os.replace(other, one)
    elif how == "exchanged":
        one.rename(tmp_path / "kept")
        other.rename(one)
    else:
        asked.unlink()
        asked.symlink_to(other)
    still(asked)
    assert stamp(asked)[:3] == before[:3]
    assert stamp(asked) != before


def test_samples_are_of_the_beginning_the_middle_and_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "CHANGE_TIMES", False)
    size = 10 * SAMPLE
    seen = set()
    for at in (None, 0, size // 2, size - 1):
        content = bytearray(size)
        if at is not None:
            content[at] = 1
        (tmp_path / "a").write_bytes(content)
        still(tmp_path / "a")
        seen.add(stamp(tmp_path / "a"))
    assert len(seen) == 4
    assert stamp(tmp_path / "gone")[1:] == (-1, -1)


@pytest.mark.usefixtures("_system")
def test_folders_that_were_exchanged_are_decoded_anew(pictures: Path) -> None:
    for number, file in enumerate(sorted(pictures.glob("train/*/*.png"))):
        Image.new("RGB", (8, 12), (number, 0, 0)).save(file.with_suffix(".bmp"))
        file.unlink()
        shutil.move(file.with_suffix(".bmp"), file)
        still(file)
    first, worked = again(source(pictures))
    assert worked
    one, other = sorted((pictures / "train").iterdir())[:2]
    one.rename(pictures / "kept")
    other.rename(one)
    (pictures / "kept").rename(other)
    cached, worked = again(source(pictures))
    assert worked
    plain, _ = again(source(pictures), cache=False)
    assert torch.equal(cached.inputs, plain.inputs)
    assert not torch.equal(cached.inputs, first.inputs)
