"""Checkpoints: whole or not at all, nothing in them can run, and every damage is found."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.core.errors import CheckpointError, StorageError
from cnncli.runs import checkpoint as module
from cnncli.runs.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import Answer
from tests.training.helpers import train


def content() -> dict[str, Any]:
    return {
        "config": {"name": "x"},
        "spec": {"classes": ["a", "b"]},
        "model": {"w": torch.arange(600.0), "b": torch.zeros((), dtype=torch.bfloat16), "n": torch.tensor(3)},
        "metrics": {"val/loss": 0.5},
        "training": {"epoch": 1, "nested": [(1, 2.5), None, True, torch.ones(2, 3).t()]},
    }


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, content())
    loaded = load_checkpoint(path)
    assert loaded["config"] == {"name": "x"}
    assert torch.equal(loaded["model"]["w"], torch.arange(600.0))
    assert os.listdir(tmp_path) == ["a.pt"]


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, content())
    whole = path.read_bytes()
    tensor_data = whole.index(torch.arange(600.0).numpy().tobytes()[:64])
    for position in [*range(0, len(whole), 97), tensor_data + 40, tensor_data + 2000]:
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        try:
            loaded = load_checkpoint(path)
        except CheckpointError:
            continue
        # padding and archive headers carry no content: what is read must then be what was written
        for name, tensor in content()["model"].items():
            assert torch.equal(loaded["model"][name], tensor)
        assert loaded["metrics"] == {"val/loss": 0.5}


def test_a_bit_in_tensor_data_that_torch_does_not_notice_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, content())
    whole = bytearray(path.read_bytes())
    whole[whole.index(torch.arange(600.0).numpy().tobytes()[:64]) + 40] ^= 1
    path.write_bytes(whole)
    torch.load(path, weights_only=True)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("length", [0, 1, 10, 100, 1000, 3000])
def test_truncated_files_are_refused_and_name_what_is_still_good(tmp_path: Path, length: int) -> None:
    save_checkpoint(tmp_path / "best.pt", content())
    (tmp_path / "last.pt").write_bytes((tmp_path / "best.pt").read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"last\.pt: cannot be read .*; beside it are best\.pt"):
        load_checkpoint(tmp_path / "last.pt")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    for name, legacy in (("zip.pt", False), ("legacy.pt", True)):
        torch.save({"model": Evil()}, tmp_path / name, _use_new_zipfile_serialization=not legacy)
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil()))
    for name in ("zip.pt", "legacy.pt", "raw.pt"):
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path / name)
    assert not Path("executed").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    for path, cause in ((tmp_path / "text.pt", "cannot be read"), (tmp_path / "other.pt", "not a checkpoint of cnncli"),
                        (tmp_path, "is a folder"), (tmp_path / "missing.pt", "no such checkpoint")):  # fmt: skip
        with pytest.raises(CheckpointError, match=cause):
            load_checkpoint(path)


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, content())
    before = path.read_bytes()

    def full(value: Any, file: Any) -> None:
        file.write(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(module.torch, "save", full)
    with pytest.raises(StorageError, match="cannot be written"):
        save_checkpoint(path, content())
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.pt"]


def test_a_checkpoint_of_another_network_is_refused(tiny: Path, cnncli: Callable[..., Answer]) -> None:
    train(tiny, "one")
    saved = load_checkpoint(Path("runs/tiny/one/best.pt"))
    saved["model"].pop("1.bias")
    saved.pop("format"), saved.pop("cnncli")
    save_checkpoint(Path("broken.pt"), saved)
    answer = cnncli("eval", "--ckpt", "broken.pt")
    assert answer.code == 4
    assert "its weights do not fit this network" in answer.err
    assert "1.bias" in answer.err


@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"\x80\x02", b"ustar", b"\x80\x02}q\x00", b"hello\n"])
def test_random_bytes_are_refused_whatever_they_look_like(tmp_path: Path, start: bytes) -> None:
    for seed in range(20):
        noise = bytes(torch.randint(256, (200,), generator=torch.Generator().manual_seed(seed)).tolist())
        (tmp_path / "noise.pt").write_bytes(start + noise)
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path / "noise.pt")
