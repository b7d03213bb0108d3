"""On a GPU no step waits for the device, nor does any batch of an evaluation: told by a device that is not there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.data import colour, sources
from cnncli.tasks import metrics
from tests.conftest import ROOT, Answer, make_splits
from tests.gpu.fake_device import FakeDevice, fake_device

Cli = Callable[..., Answer]
QUIET = ("logging={tensorboard: false, samples: false, pictures: false}", "train.epochs=1")
PICTURES = "dataset={{name: image_folder, root: pictures, image_size: 16, batch_size: 4, {}}}"
CROPS = "augment: [{name: random_crop, padding: 4}, random_horizontal_flip]"
WARPS = "augment: [{name: random_rotation, degrees: 10}, random_affine, random_erasing, color_jitter]"
SIZES = "augment: [random_resized_crop, alternating_flip, random_grayscale]"
WORDS = "the quick brown fox jumps over the lazy dog. " * 100
TEXT = ("dataset.path=words.txt", "dataset.block=32", "dataset.batch_size=8")
SERIES = "dataset.file=series.csv"
FEW = "model={name: simple_cnn, channels: [4, 8]}"

CASES = {
    "bf16": ["digits", "precision=bf16"],
    "logged": ["digits", "logging.tensorboard=true", "logging.steps=1", "train.clip_grad_norm=1.0"],
    "averaged": ["digits", "train={epochs: 1, ema_decay: 0.9, accumulate: 2, clip_grad_norm: 1.0}"],
    "mixed": ["digits", "dataset.augment=[mixup, cutmix]"],
    "weighted": ["digits", "loss={name: cross_entropy, class_weights: balanced, label_smoothing: 0.1}"],
    "crops": ["cifar10", PICTURES.format(CROPS), FEW],
    "warps": ["cifar10", PICTURES.format(WARPS), FEW],
    "sizes": ["cifar10", PICTURES.format(SIZES), FEW],
    "one by one": ["cifar10", PICTURES.format("augment: [rand_augment]"), FEW],
    "from files": ["cifar10", PICTURES.format("memory: never, workers: 0, augment: [mixup]"), FEW],
    "text": ["text/transformer", *TEXT, "model={name: transformer, layers: 1, width: 16, heads: 2}"],
    "series": ["forecasting/airline", SERIES, "model={name: tcn, channels: 4}"],
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> None:
    """Small data of every kind in the working directory."""
    make_splits(Path("pictures"))
    Path("words.txt").write_text(WORDS)
    rows = [f"{2000 + n // 12}-{n % 12 + 1:02},{100 + n % 12 * 5 + n}" for n in range(150)]
    Path("series.csv").write_text("\n".join(["month,passengers", *rows]))


def train(cnncli: Cli, config: str, *overrides: str) -> tuple[FakeDevice, Answer]:
    with fake_device() as device:
        answer = cnncli("train", ROOT / "configs" / f"{config}.yaml", "device=cuda", *QUIET, *overrides)
    assert answer.code == 0, answer.err
    return device, answer


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("case", CASES)
def test_no_step_and_no_batch_of_an_evaluation_waits(cnncli: Cli, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    for module in (colour, metrics, sources):  # as on Apple's GPUs
        monkeypatch.setattr(module, "WITHOUT_FLOAT64", {"cuda"})
    device, _ = train(cnncli, *CASES[case])
    assert device.waits["step"] == {}
    assert device.waits["evaluation"] == {}
    assert device.doubles == {}, "no float64 where there is none"


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_a_step_of_fp16_asks_once_whether_it_was_taken(cnncli: Cli) -> None:
    device, answer = train(cnncli, "digits", "precision=fp16")
    (place,) = device.waits["step"]
    assert place.startswith("compute/scaling.py")
    assert device.waits["step"][place] == 21
    assert "21 = 21" in answer.err + answer.out


@pytest.mark.usefixtures("data")
def test_what_a_step_waits_for_is_noticed(cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.data.loaders.sent", lambda values, device: values.to(device))
    device, _ = train(cnncli, "classification/iris")
    assert sum(device.waits["step"].values()) == 1
