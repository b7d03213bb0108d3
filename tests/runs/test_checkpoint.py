"""Checkpoints: whole or not at all, nothing in them can run, and every damage is found."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.config.sections import Config
from cnncli.core.errors import CheckpointError, StorageError
from cnncli.core.spec import DataSpec, Pictures
from cnncli.runs import checkpoint as module
from cnncli.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.conftest import Answer
from tests.training.helpers import rewrite, train


def checkpoint() -> Checkpoint:
    """A small one; its weights belong to no network."""
    weights = {"w": torch.arange(600.0), "b": torch.zeros((), dtype=torch.bfloat16), "n": torch.tensor(3)}
    config = Config.model_validate({"dataset": {"name": "digits"}, "model": {"name": "mlp"}})
    spec = DataSpec((1, 8, 8), ("a", "b"), Pictures((0.5,), (0.5,)))
    return Checkpoint(config, spec, weights, {"epoch": 1.0, "val/loss": 0.5}, {"temperature": 1.5})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path, saved = tmp_path / "a.pt", checkpoint()
    save_checkpoint(path, saved)
    loaded = load_checkpoint(path)
    assert (loaded.config, loaded.spec, loaded.metrics) == (saved.config, saved.spec, saved.metrics)
    assert (loaded.calibration, loaded.training, loaded.path) == (saved.calibration, None, path)
    assert loaded.weights.keys() == saved.weights.keys()
    assert all(torch.equal(loaded.weights[name], tensor) for name, tensor in saved.weights.items())
    assert os.listdir(tmp_path) == ["a.pt"]


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, checkpoint())
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
        for name, tensor in checkpoint().weights.items():
            assert torch.equal(loaded.weights[name], tensor)
        assert loaded.metrics == {"epoch": 1.0, "val/loss": 0.5}


def test_a_bit_in_tensor_data_that_torch_does_not_notice_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, checkpoint())
    whole = bytearray(path.read_bytes())
    whole[whole.index(torch.arange(600.0).numpy().tobytes()[:64]) + 40] ^= 1
    path.write_bytes(whole)
    torch.load(path, weights_only=True)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("length", [0, 1, 10, 100, 1000, 3000])
def test_truncated_files_are_refused_and_name_what_is_still_good(tmp_path: Path, length: int) -> None:
    save_checkpoint(tmp_path / "best.pt", checkpoint())
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
    save_checkpoint(path, checkpoint())
    before = path.read_bytes()

    def full(value: Any, file: Any) -> None:
        file.write(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(module.torch, "save", full)
    with pytest.raises(StorageError, match="cannot be written"):
        save_checkpoint(path, checkpoint())
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.pt"]


def test_a_checkpoint_of_another_network_is_refused(tiny: Path, cnncli: Callable[..., Answer]) -> None:
    train(tiny, "one")
    rewrite(Path("runs/tiny/one/best.pt"), lambda content: content["model"].pop("1.bias"))
    answer = cnncli("eval", "--ckpt", "runs/tiny/one/best.pt")
    assert answer.code == 4
    assert "1.bias" in answer.err
    assert answer.complaint.count("\n") == 1


@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"\x80\x02", b"ustar", b"\x80\x02}q\x00", b"hello\n"])
def test_random_bytes_are_refused_whatever_they_look_like(tmp_path: Path, start: bytes) -> None:
    for seed in range(20):
        noise = bytes(torch.randint(256, (200,), generator=torch.Generator().manual_seed(seed)).tolist())
        (tmp_path / "noise.pt").write_bytes(start + noise)
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path / "noise.pt")
