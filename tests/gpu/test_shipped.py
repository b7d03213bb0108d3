"""Every shipped config on a device that is not there: where the host waits, and where float64 would be on a Mac."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torchvision.models import resnet18

from cnncli.data import torchvision_sets
from cnncli.training import engine, experiment
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.new_run import NewRun
from tests.conftest import ROOT, Answer, make_pictures, make_splits
from tests.gpu.fake_device import FakeDevice, fake_device

Cli = Callable[..., Answer]
QUIET = ("logging={tensorboard: false, samples: false, pictures: false}", "train.epochs=1")
FOLDER, BATCH, BLOCK = "dataset.root=pictures", "dataset.batch_size=16", "dataset.block=16"
# what each needs in place of its own data, and how often a whole training of it may wait in steps, fp16 left aside
CONFIGS: dict[str, tuple[list[str], int]] = {
    "binary/breast-cancer": ([], 0),
    "binary/letter-x": ([], 0),
    "cifar10": ([BATCH], 0),
    "cifar10-fast": ([FOLDER, BATCH, "dataset.val_fraction=0.2"], 0),
    "classification/cifar-resnet18": ([FOLDER, BATCH], 0),
    "classification/cifar10-folders": ([FOLDER, BATCH], 0),
    "classification/conv-kinds": ([BATCH], 0),
    "classification/iris": ([], 0),
    "classification/mnist-cnn5x5": ([BATCH], 0),
    "classification/mnist-depthwise": ([BATCH], 0),
    "classification/mnist-mlp": ([BATCH], 0),
    "classification/wine": ([], 0),
    "digits": ([], 0),
    "finetune/dogs-vs-cats": ([FOLDER, BATCH], 0),
    "finetune/few-labels": ([FOLDER, BATCH], 0),
    "finetune/head-only": ([FOLDER, BATCH], 0),
    "forecasting/airline": (["dataset.file=series.csv"], 0),
    "forecasting/sunspots": (["dataset.file=series.csv"], 0),
    "mnist": ([BATCH], 0),
    "mnist-fast": ([BATCH, "dataset.val_fraction=0.2"], 0),
    "multilabel/mosaics": (["dataset.file=mosaics/labels.csv", BATCH], 0),
    "regression/diabetes": ([], 0),
    "regression/linear": (["dataset.batch_size=100"], 0),
    "text/lstm": (["dataset.path=words.txt", BLOCK], 0),
    "text/python-stdlib": (["dataset.characters=5000"], 0),
    "text/transformer": (["dataset.path=words.txt", BLOCK], 0),
}


LARGE = {
    "cifar10-fast", "classification/cifar-resnet18", "classification/mnist-depthwise", "finetune/dogs-vs-cats",
    "finetune/few-labels", "finetune/head-only", "multilabel/mosaics", "text/transformer",
}  # fmt: skip
"""Those that take more than two seconds."""


def _cases(precision: str, always: bool = True) -> list[Any]:
    """Every config in that precision; unless ``always``, and where it is large, only with ``-m slow``."""
    often = set(CONFIGS) - LARGE if always else set()
    return [pytest.param(name, precision, marks=[] if name in often else pytest.mark.slow) for name in CONFIGS]


def test_the_table_has_every_shipped_config() -> None:
    shipped = {str(path.relative_to(ROOT / "configs").with_suffix("")) for path in (ROOT / "configs").rglob("*.yaml")}
    assert set(CONFIGS) == shipped


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data of every kind, and weights where torch's hub keeps those of ResNet-18."""
    root = tmp_path_factory.mktemp("data")
    make_splits(root / "pictures")
    make_pictures(root / "mosaics", {"cat": 20, "dog": 20})
    rows = [f"{name}/{i:03d}.png,{name}{'|owl' * (i % 2)},train" for name in ("cat", "dog") for i in range(20)]
    (root / "mosaics" / "labels.csv").write_text("\n".join(["path,labels,split", *rows]))
    rows = [f"{1749 + i // 12}-{i % 12 + 1:02d},{i % 12 + 1}" for i in range(900)]
    (root / "series.csv").write_text("\n".join(["Month,Value", *rows]))
    (root / "words.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60)
    hub = root / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    torch.save(resnet18().state_dict(), hub / "resnet18-f37072fd.pth")
    return root


@pytest.fixture
def train(cnncli: Cli, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[FakeDevice, int]]:
    """Train a shipped config for an epoch: the device, and how many steps there were."""
    for entry in shared.iterdir():
        Path(entry.name).symlink_to(entry)
    monkeypatch.setenv("TORCH_HOME", str(shared / "torch"))
    monkeypatch.setattr(torchvision_sets, "_open", _published)

    def call(config: str, kind: str, precision: str) -> tuple[FakeDevice, int]:
        steps: list[None] = []
        step = engine._step
        monkeypatch.setattr(engine, "_step", lambda *args: (steps.append(None), step(*args))[1])
        path = ROOT / "configs" / f"{config}.yaml"
        with fake_device(kind) as device:
            answer = cnncli("train", path, f"device={kind}", f"precision={precision}", *QUIET, *CONFIGS[config][0])
        assert answer.code == 0, answer.err
        assert device.operations > 0
        assert steps
        return device, len(steps)

    return call


def _published(name: str, *_args: Any) -> tuple[Any, Any]:
    """64 and 20 pictures of noise in the form of torchvision's sets."""
    shape = (28, 28) if name == "MNIST" else (32, 32, 3)
    generator = torch.Generator().manual_seed(0)
    sets = [
        SimpleNamespace(
            data=torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8).numpy(),
            targets=[number % 10 for number in range(count)],
        )
        for count in (64, 20)
    ]
    return sets[0], sets[1]


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize(("config", "precision"), [*_cases("fp32"), *_cases("bf16", always=False)])
def test_no_step_and_no_batch_of_an_evaluation_waits(
    train: Callable[..., tuple[FakeDevice, int]], config: str, precision: str
) -> None:
    device, _ = train(config, "cuda", precision)
    assert sum(device.waits["step"].values()) <= CONFIGS[config][1], device.waits["step"]
    assert device.waits["evaluation"] == {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("config", CONFIGS)
def test_a_step_of_fp16_asks_once_whether_it_was_taken(
    train: Callable[..., tuple[FakeDevice, int]], config: str
) -> None:
    device, steps = train(config, "cuda", "fp16")
    waits = device.waits["step"]
    asked = sum(times for place, times in waits.items() if place.startswith("compute/scaling.py"))
    assert asked <= steps, waits
    assert sum(waits.values()) - asked <= CONFIGS[config][1], waits
    assert device.waits["evaluation"] == {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("config", CONFIGS)
def test_a_mac_sees_no_float64(train: Callable[..., tuple[FakeDevice, int]], config: str) -> None:
    device, _ = train(config, "mps", "fp32")
    assert device.doubles == {}


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_float64_on_a_mac_is_noticed(
    train: Callable[..., tuple[FakeDevice, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnncli.tasks.metrics.WITHOUT_FLOAT64", set())
    device, _ = train("regression/diabetes", "mps", "fp32")
    assert device.doubles
    assert all(re.match(r"tasks/\w+\.py:\d+ ", place) for place in device.doubles)


def test_a_tensor_on_another_device_is_named_with_its_place(cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.data.loaders.sent", lambda values, _device: values)
    path = ROOT / "configs" / "classification" / "iris.yaml"
    with fake_device(), pytest.raises(RuntimeError, match=r"^\w+/\w+\.py:\d+: .*(device|cpu)"):
        experiment.train(load_config(path, ["device=cuda", *QUIET]), NewRun(Path("runs"), "one"), Display(quiet=True))
