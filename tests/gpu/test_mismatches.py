"""What a checkpoint answers and what goes on from it, on a device that is not there: no tensor is on another."""

from collections.abc import Callable
from pathlib import Path

import pytest

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
    "series": ["forecasting/airline", "dataset.file=series.csv"],
    "text": ["text/transformer", "dataset.path=words.txt", "dataset.block=32", "dataset.batch_size=8",
             "model={name: transformer, layers: 1, width: 16, heads: 2}"],
    "lstm": ["text/lstm", "dataset.path=words.txt", "dataset.block=32", "model={name: lstm, hidden: 16}"],
}  # fmt: skip
COMMANDS = {
    "pictures": [["eval"], ["eval", "--tta"], ["predict", "pictures/test"], ["predict", "--tta", "pictures/test"]],
    "rows": [["eval"], ["predict", "rows.csv"]],
    "numbers": [["eval"]],
    "series": [["eval"], ["forecast"]],
    "text": [["eval"], ["generate", "--prompt", "the", "--length", "5"], ["generate", "--beam", "2", "--length", "3"]],
    "lstm": [["eval"], ["generate", "--prompt", "the", "--length", "5"], ["generate", "--beam", "2", "--length", "3"]],
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
@pytest.mark.parametrize("kind", ["mps", pytest.param("cuda", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TRAINED)
def test_a_checkpoint_answers_on_the_device(cnncli: Cli, name: str, kind: str) -> None:
    config, *overrides = TRAINED[name]
    path = ROOT / "configs" / f"{config}.yaml"
    trained = cnncli("train", path, *overrides, *QUIET, "device=cpu", "train.epochs=1", "--name", f"{name}/one")
    assert trained.code == 0, trained.err
    if name == "rows":
        from sklearn.datasets import load_breast_cancer

        load_breast_cancer(as_frame=True).data.head(5).to_csv("rows.csv", index=False)
    for command, *words in COMMANDS[name]:
        with fake_device(kind) as device:
            answer = cnncli(command, "--ckpt", f"runs/{name}/one", *words, f"device={kind}")
        assert answer.code == 0, f"{command} {words}: {answer.err}"
        assert device.operations > 0, "it was asked something"
        assert kind == "cuda" or device.doubles == {}, f"{command} {words}: float64 where there is none"


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("kind", ["cuda", pytest.param("mps", marks=pytest.mark.slow)])
def test_training_goes_on_and_begins_again_on_the_device(cnncli: Cli, kind: str) -> None:
    """A CPU's run, resumed on the GPU and from there on the CPU; then a new head, all of it, and layer by layer."""
    config, *overrides = TRAINED["pictures"]
    two = ("device=cpu", "train.epochs=2", "checkpoint.every=1", "--name", "a/one")
    assert cnncli("train", ROOT / "configs" / f"{config}.yaml", *overrides, *QUIET, *two).code == 0
    with fake_device(kind):
        answer = cnncli("train", "--resume", "runs/a/one/epoch-1.pt", f"device={kind}")
        assert answer.code == 0, answer.err
        tune = ("finetune", "--from", "runs/a/one/best.pt", "--data", "pictures", *QUIET, f"device={kind}")
        for strategy in ("head", "full", "gradual"):
            more = ["train.epochs=2", "dataset.batch_size=4", "dataset.augment=[]", "finetune.new_head=true"]
            answer = cnncli(*tune, "--strategy", strategy, *more)
            assert answer.code == 0, f"{strategy}: {answer.err}"
    answer = cnncli("train", "--resume", "runs/a/one/last.pt", "device=cpu", "train.epochs=3")
    assert answer.code == 0, answer.err


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("kind", ["cuda", pytest.param("mps", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("config", "optimizer"),
    [
        ("regression/diabetes", "adagrad"),
        ("binary/breast-cancer", "muon"),
        pytest.param("binary/breast-cancer", "lbfgs", marks=pytest.mark.slow),
    ],
)
def test_an_optimizers_state_moves_to_another_device_and_back(
    cnncli: Cli, kind: str, config: str, optimizer: str
) -> None:
    words = [
        *QUIET,
        f"optimizer={{name: {optimizer}, lr: 0.01}}",
        "scheduler=constant",
        "checkpoint.every=1",
        "--name",
        "a/one",
    ]
    first = cnncli("train", ROOT / "configs" / f"{config}.yaml", *words, "device=cpu", "train.epochs=1")
    assert first.code == 0, first.err
    with fake_device(kind):
        there = cnncli("train", "--resume", "runs/a/one/last.pt", f"device={kind}", "train.epochs=2")
    assert there.code == 0, there.err
    back = cnncli("train", "--resume", "runs/a/one/last.pt", "device=cpu", "train.epochs=3")
    assert back.code == 0, back.err
