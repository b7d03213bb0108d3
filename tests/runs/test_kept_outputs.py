"""Kept outputs are read as they were written; what is damaged, foreign or hostile is one line."""

import io
import json
import pickle
import zipfile
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from cnncli.core.errors import StorageError
from cnncli.runs.outputs import Outputs, read_outputs, write_outputs
from cnncli.runs.run_folder import RunFolder

NONE = np.zeros(0)


def outputs(count: int = 5, seed: int = 0) -> Outputs:
    rng = np.random.default_rng(seed)
    return Outputs(
        split="val",
        task="classification",
        classes=("cat", "Öl", "猫"),
        positive=None,
        ids=np.array([f"cat/ü{i}.png" for i in range(count)], dtype=np.str_),
        groups=np.array(["a", "b"] * count, dtype=np.str_)[:count],
        order=False,
        target=rng.integers(0, 3, count),
        answer=rng.random((count, 3), dtype=np.float32),
        thresholds=NONE,
        loss=rng.random(count),
        weight=np.ones(count),
        correct=NONE,
        embedding=rng.random((count, 4)).astype(np.float16),
    )


def of_kind(kind: str) -> Outputs:
    """Outputs as each kind of task has them."""
    own, rng = outputs(), np.random.default_rng(1)
    alone = {"groups": np.zeros(0, dtype=np.str_), "embedding": np.zeros((0, 0), dtype=np.float16)}
    return {
        "classes": own,
        "binary": replace(own, task="binary", positive="Öl", classes=("cat", "Öl"), target=np.array([0, 1, 1, 0, 1]),
                          answer=rng.random(5, dtype=np.float32), thresholds=np.array([0.4]), **alone),
        "labels": replace(own, task="multilabel", target=rng.random((5, 3)) > 0.5, thresholds=rng.random(3)),
        "numbers": replace(own, task="forecasting", order=True, classes=("y",), target=rng.random((5, 4, 1)),
                           answer=rng.random((5, 4, 1)), **alone),
        "text": replace(own, task="language_modeling", order=True, classes=(), target=np.zeros(0, dtype=np.int64),
                        answer=NONE, weight=np.full(5, 64.0), correct=np.arange(5.0), **alone),
        "nothing": replace(outputs(0), classes=()),
    }[kind]  # fmt: skip


@pytest.mark.parametrize("kind", ["classes", "binary", "labels", "numbers", "text", "nothing"])
def test_outputs_are_read_as_they_were_written(tmp_path: Path, kind: str) -> None:
    written = of_kind(kind)
    path = RunFolder(tmp_path).outputs("val")
    write_outputs(path, written)
    assert path == tmp_path / "outputs" / "val.npz"
    found = read_outputs(path)
    for field in fields(Outputs):
        before, after = getattr(written, field.name), getattr(found, field.name)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype
            np.testing.assert_array_equal(after, before)
        else:
            assert after == before


def test_numpy_alone_reads_them_and_the_same_outputs_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "val.npz", tmp_path / "b" / "val.npz"
    write_outputs(first, outputs())
    write_outputs(second, outputs())
    assert first.read_bytes() == second.read_bytes()
    with np.load(first) as arrays:
        assert arrays["ids"].tolist() == outputs().ids.tolist()
        assert arrays["embedding"].dtype == np.float16
        assert json.loads(str(arrays["about"]))["classes"] == ["cat", "Öl", "猫"]


def test_what_does_not_belong_together_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "val.npz"
    for wrong in (
        {"loss": np.ones(4)},
        {"target": np.array([0, 1, 2, 3, 0])},
        {"answer": np.ones((4, 3), dtype=np.float32)},
        {"ids": np.arange(5)},
        {"embedding": np.ones(5, dtype=np.float16)},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            write_outputs(path, replace(outputs(), **wrong))
    assert not path.exists()


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path: Path, found: dict[str, bytes]) -> None:
    """The entries as the file that cnncli would have written."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in found.items():
            text = name.removesuffix(".npy") in ("about", "ids", "groups")
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED)


def array(value: object, shape: tuple[int, ...] | None = None) -> bytes:
    """The bytes of a .npy file, whose header may tell another shape than its data have."""
    stream, data = io.BytesIO(), np.asarray(value)
    header = {"descr": npy.dtype_to_descr(data.dtype), "fortran_order": False, "shape": shape or data.shape}
    npy.write_array_header_1_0(stream, header)
    return stream.getvalue() + (pickle.dumps(value) if data.dtype.hasobject else data.tobytes())


class Trap:
    """Unpickled, it would write a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("open('sprung', 'w')",)


OTHER_SPLIT = {"format": 1, "split": "all", "task": "", "classes": [], "positive": None, "order": False}
HOSTILE = {
    "an object": {"loss.npy": array(np.array([Trap()] * 5, dtype=object))},
    "an object in the text": {"about.npy": array(np.array(Trap(), dtype=object))},
    "a huge shape": {"loss.npy": array(np.ones(5), (2**40, 2**40))},
    "a shape that overflows": {"answer.npy": array(np.ones((5, 3), dtype=np.float32), (2**32, 2**32, 2**32))},
    "a negative shape": {"loss.npy": array(np.ones(5), (-5,))},
    "fewer values": {"loss.npy": array(np.ones(5))[:-8]},
    "more values": {"loss.npy": array(np.ones(5)) + bytes(8)},
    "another length": {"loss.npy": array(np.ones(4))},
    "another type": {"ids.npy": array(np.arange(5))},
    "endless texts of nothing": {"ids.npy": array(np.zeros(1, dtype="S0").astype("U0"), (2**40,))},
    "no array": {"loss.npy": b"nonsense"},
    "code in a header": {"loss.npy": array(np.ones(5)).replace(b"'<f8'", b"exit(7)"[:5])},
    "a new format": {"about.npy": array(json.dumps({"format": 2}))},
    "nested text": {"about.npy": array("[" * 100_000)},
    "another split": {"about.npy": array(json.dumps(OTHER_SPLIT))},
    "a class that is none": {"target.npy": array(np.array([0, 1, 2, 3, -1]))},
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run" / "outputs" / "val.npz"
    path.parent.parent.mkdir()
    write_outputs(path, outputs())
    packed(path, entries(path))
    assert read_outputs(path).task == "classification"  # so far it is as it was
    packed(path, entries(path) | HOSTILE[what])
    with pytest.raises(StorageError) as caught:
        read_outputs(path)
    (line,) = caught.value.lines()
    assert line.startswith(f"{path}: holds no outputs, or is damaged (")
    assert line.endswith(f"remove it, then cnncli eval {tmp_path / 'run'} --split val writes it")
    assert not (tmp_path / "sprung").exists()


def test_a_small_file_does_not_unpack_to_a_huge_one(tmp_path: Path) -> None:
    path = tmp_path / "val.npz"
    write_outputs(path, outputs())
    found = entries(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in found.items():
            text = name in ("about.npy", "groups.npy", "loss.npy")
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED)
    with pytest.raises(StorageError, match="packed in another way"):
        read_outputs(path)


@pytest.mark.parametrize("extra", ["other.npy", "ids", "../evil.npy"])
def test_other_entries_are_foreign(tmp_path: Path, extra: str) -> None:
    path = tmp_path / "val.npz"
    write_outputs(path, outputs())
    packed(path, entries(path) | {extra: b""})
    with pytest.raises(StorageError, match="other entries"):
        read_outputs(path)


def test_damage_anywhere_is_one_line_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "val.npz"
    write_outputs(path, outputs())
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(StorageError):
            read_outputs(path)
    for place in rng.integers(0, len(whole), 300).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        found = None
        with suppress(StorageError):
            found = read_outputs(path)
        if found is not None:  # a byte that says when a record was made, or the like
            np.testing.assert_array_equal(found.answer, outputs().answer)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"is not there; cnncli eval .* --split test writes it$"):
        read_outputs(RunFolder(tmp_path).outputs("test"))
    RunFolder(tmp_path).outputs("test").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be read"):
        read_outputs(RunFolder(tmp_path).outputs("test"))
