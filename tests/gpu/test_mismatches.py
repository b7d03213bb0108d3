"""What a checkpoint answers and what goes on from it, on a device that is not there: no tensor is on another.

Recurrent networks are left out: cuDNN's have no fake kernels.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.data import colour, sources
from cnncli.tasks import metrics
from tests.conftest import ROOT, Answer, make_splits
from tests.gpu.fake_device import fake_device

Cli = Callable[..., Answer]
QUIET = ("logging={tensorboard: false, samples: false, pictures: false}", "precision=fp32")
PICTURES = "dataset={name: image_folder, root: pictures, image_size: 16, batch_size: 4}"
FEW = "model={name: simple_cnn, channels: [4, 8]}"
TRAINED = {
    "pictures": ["cifar10", PICTURES, FEW],
    "rows": ["binary/breast-cancer"],
    "numbers": ["regression/diabetes"],
    "series": ["forecasting/airline", "dataset.file=series.csv", "model={name: tcn, channels: 4}"],
    "text": ["text/transformer", "dataset.path=words.txt", "dataset.block=32", "dataset.batch_size=8",
             "model={name: transformer, layers: 1, width: 16, heads: 2}"],
}  # fmt: skip
COMMANDS = {
    "pictures": [["eval"], ["eval", "--tta"], ["predict", "pictures/test"], ["predict", "--tta", "pictures/test"]],
    "rows": [["eval"], ["predict", "rows.csv"]],
    "numbers": [["eval"]],
    "series": [["eval"], ["forecast"]],
    "text": [["eval"], ["generate", "--prompt", "the", "--length", "5"], ["generate", "--beam", "2", "--length", "3"]],
}


@pytest.fixture
def data(tmp_path: Path) -> None:
    """Small data of every kind in the working directory."""
    make_splits(Path("pictures"))
    Path("words.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60)
    rows = [f"{2000 + n // 12}-{n % 12 + 1:02},{100 + n % 12 * 5 + n}" for n in range(150)]
    Path("series.csv").write_text("\n".join(["month,passengers", *rows]))


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", TRAINED)
def test_a_checkpoint_answers_on_the_device(cnncli: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    config, *overrides = TRAINED[name]
    path = ROOT / "configs" / f"{config}.yaml"
    trained = cnncli("train", path, *overrides, *QUIET, "device=cpu", "train.epochs=1", "--name", f"{name}/one")
    assert trained.code == 0, trained.err
    if name == "rows":
        from sklearn.datasets import load_breast_cancer

        load_breast_cancer(as_frame=True).data.head(5).to_csv("rows.csv", index=False)
    for module in (colour, metrics, sources):  # as on Apple's GPUs
        monkeypatch.setattr(module, "WITHOUT_FLOAT64", {"cuda"})
    for command, *words in COMMANDS[name]:
        with fake_device() as device:
            answer = cnncli(command, "--ckpt", f"runs/{name}/one", *words, "device=cuda")
        assert answer.code == 0, f"{command} {words}: {answer.err}"
        assert device.operations > 0, "it was asked something"
        assert device.doubles == {}, f"{command} {words}: float64 where there is none"


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.usefixtures("data")
def test_training_goes_on_and_begins_again_on_the_device(cnncli: Cli) -> None:
    """A CPU's run, resumed on the GPU; and a new head on its features, on all of it, and layer by layer."""
    config, *overrides = TRAINED["pictures"]
    two = ("device=cpu", "train.epochs=2", "checkpoint.every=1", "--name", "a/one")
    assert cnncli("train", ROOT / "configs" / f"{config}.yaml", *overrides, *QUIET, *two).code == 0
    with fake_device():
        answer = cnncli("train", "--resume", "runs/a/one/epoch-1.pt", "device=cuda")
        assert answer.code == 0, answer.err
        tune = ("finetune", "--from", "runs/a/one/best.pt", "--data", "pictures", *QUIET, "device=cuda")
        for strategy in ("head", "full", "gradual"):
            more = ["train.epochs=2", "dataset.batch_size=4", "dataset.augment=[]", "finetune.new_head=true"]
            answer = cnncli(*tune, "--strategy", strategy, *more)
            assert answer.code == 0, f"{strategy}: {answer.err}"
