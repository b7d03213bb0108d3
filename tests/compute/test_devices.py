"""A device that is not there is told in one line: why, and what to do."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.compute.devices import pick_device
from cnncli.core.errors import ConfigError
from cnncli.core.notices import collecting
from tests.conftest import Answer

NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"
TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by"
NO_GPU = "No CUDA GPUs are available"
UNKNOWN = "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable"
FAULTS = [
    (NO_DRIVER, None, "no NVIDIA driver is installed; install it"),
    (TOO_OLD, None, "the NVIDIA driver is too old for this torch"),
    (NO_GPU, None, "there is an NVIDIA driver, but no GPU; look at nvidia-smi"),
    (NO_GPU, "", "CUDA_VISIBLE_DEVICES= hides every GPU; change it"),
    (UNKNOWN, None, "CUDA does not start (CUDA unknown error"),
]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let torch say these things of its CUDA devices."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def set_up(said: str = "", count: int = 0, built: bool = True, warns: str = "", warned_late: str = "") -> None:
        left = [warns] * bool(warns)

        def available() -> bool:
            if left:  # torch says it once in a process
                warnings.warn(left.pop(), UserWarning, 2)
            return not said and count > 0

        def init() -> None:
            if said:
                raise RuntimeError(f"{said}\nmore lines")
            if warned_late:
                warnings.warn(warned_late, UserWarning, 2)

        stubs: dict[str, Any] = {"is_available": available, "init": init, "device_count": lambda: count}
        for name, stub in stubs.items():
            monkeypatch.setattr(torch.cuda, name, stub)
        monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)

    return set_up


@pytest.mark.parametrize(("said", "visible", "cause"), FAULTS)
def test_each_cause_has_a_line_of_its_own(
    cuda: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tiny: Path, cnncli: Callable[..., Answer],
    said: str, visible: str | None, cause: str,
) -> None:  # fmt: skip
    cuda(said, count=1, warns=f"CUDA initialization: {said}")  # the count is that of the driver's own library
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    answer = cnncli("train", tiny, "device=cuda")
    assert answer.code == 2
    (line,) = answer.complaint.splitlines()
    assert f"device: there is no 'cuda' here: {cause}" in line
    assert line.count("device: there") == 1
    assert "or set device: cpu" in line
    assert cnncli("train", tiny, "device=cpu", "train.epochs=1").code == 0, "the advice helps"


def test_a_torch_without_cuda_is_told(cuda: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    cuda(built=False)
    with pytest.raises(ConfigError, match=r"built without CUDA; install one for CUDA"):
        pick_device("cuda")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(ConfigError, match="Macs have no CUDA; set device: mps"):
        pick_device("cuda:1")


@pytest.mark.parametrize(("count", "cards"), [(1, "the only one is cuda:0"), (2, "there are cuda:0 to cuda:1")])
def test_a_number_that_no_card_has_is_told(
    cuda: Callable[..., None], monkeypatch: pytest.MonkeyPatch, count: int, cards: str
) -> None:
    cuda(count=count)
    assert pick_device("cuda") == torch.device("cuda", 0)
    assert pick_device(f"cuda:{count - 1}") == torch.device("cuda", count - 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    with pytest.raises(ConfigError, match=rf"no 'cuda:7' here: {cards} \(CUDA_VISIBLE_DEVICES=4,5\)"):
        pick_device("cuda:7")


@pytest.mark.parametrize("said", [TOO_OLD, UNKNOWN])
def test_auto_takes_the_cpu_and_says_why_where_the_driver_is_broken(cuda: Callable[..., None], said: str) -> None:
    cuda(said, warns=f"CUDA initialization: {said}")
    with collecting() as found:
        assert pick_device("auto") == torch.device("cpu")
    assert [notice.kind for notice in found] == ["device"]
    assert "on the CPU, although there may be a GPU" in found[0].text


@pytest.mark.parametrize("said", [NO_DRIVER, NO_GPU])
def test_auto_takes_the_cpu_in_silence_where_there_is_no_gpu(cuda: Callable[..., None], said: str) -> None:
    cuda(said)
    with collecting() as found:
        assert pick_device("auto") == torch.device("cpu")
    assert found == []


def test_many_lines_about_a_card_without_kernels_become_one(cuda: Callable[..., None]) -> None:
    cuda(count=1, warned_late="Found GPU0 Old which is of compute capability (CC) 3.5.\nThe following list shows …")
    with collecting() as found:
        assert pick_device("auto") == torch.device("cuda", 0)
    assert [notice.text.partition(";")[0] for notice in found] == [
        "Found GPU0 Old which is of compute capability (CC) 3.5"
    ]


@pytest.mark.parametrize(
    ("system", "built", "cause"),
    [
        ("Linux", False, "it is the GPU of a Mac, and this is Linux; set device: auto"),
        ("Darwin", False, "is built without it; install torch from PyPI"),
        ("Darwin", True, "cannot use the GPU of this Mac with macOS 12.1; update macOS"),
    ],
)
def test_apples_gpu_that_cannot_be_used_is_told(
    monkeypatch: pytest.MonkeyPatch, system: str, built: bool, cause: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.mac_ver", lambda: ("12.1", ("", "", ""), "arm64"))
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: built)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=cause):
        pick_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("mps") == torch.device("mps")
