"""``doctor``: each planted fault is named, sound configs are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Answer

Cli = Callable[..., Answer]

PLUGIN = '''
"""Networks with a fault each."""
import torch
from torch import nn
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec


def plain(spec):
    return nn.Sequential(nn.Linear(spec.input_shape[0], 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
                         nn.Linear(32, spec.num_outputs))


class Changed(nn.Module):
    def __init__(self, spec, between=lambda x: x, after=lambda x: x):
        super().__init__()
        self.net, self.between, self.after = plain(spec), between, after

    def forward(self, inputs):
        return self.after(self.net[3:](self.net[2](self.between(self.net[:2](inputs)))))


def filled(spec, value):
    net = plain(spec)
    for parameter in net.parameters():
        nn.init.constant_(parameter, value)
    return net


def dead(spec):
    net = plain(spec)
    nn.init.constant_(net[2].bias, -100.0)
    return net


FAULTS = {
    "sound": plain,
    "zeros": lambda spec: filled(spec, 0.0),
    "equal": lambda spec: filled(spec, 0.05),
    "frozen": lambda spec: plain(spec).requires_grad_(False),
    "dead": dead,
    "detached": lambda spec: Changed(spec, between=torch.Tensor.detach),
    "cut": lambda spec: Changed(spec, after=torch.Tensor.detach),
    "softmax": lambda spec: Changed(spec, after=lambda x: x.softmax(1)),
    "sigmoid": lambda spec: Changed(spec, after=torch.sigmoid),
    "large": lambda spec: Changed(spec, after=lambda x: 100 * x),
    "infinite": lambda spec: Changed(spec, after=lambda x: x / 0),
}


def added(name, build):
    def make(spec: DataSpec, /) -> nn.Module:
        return build(spec)

    models.register(name)(make)


for name, build in FAULTS.items():
    added(name, build)
'''
CONFIG = """\
dataset: {{name: csv, path: {path}, target: kind, batch_size: 16, val_fraction: 0.2}}
model: {{name: {model}}}
plugins: [plug.py]
optimizer: {{name: adam, lr: 0.01}}
train: {{epochs: 20}}
"""


@pytest.fixture
def table() -> Path:
    """Three classes in four columns, overlapping a little; the plug-in lies beside it."""
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, 3, 200)
    values = generator.normal(size=(200, 4)) + 2 * np.eye(3, 4)[kinds]
    write(values, kinds)
    Path("plug.py").write_text(PLUGIN)
    return Path("table.csv")


def write(values: np.ndarray, kinds: np.ndarray, constant: bool = False) -> None:
    names = ["a", "b", "c", "d", *["e"] * constant, "kind"]
    rows = [",".join([*(f"{x:.4f}" for x in row), *["7"] * constant, f"k{kind}"])
            for row, kind in zip(values, kinds, strict=True)]  # fmt: skip
    Path("table.csv").write_text("\n".join([",".join(names), *rows]) + "\n")


def config_of(model: str = "sound", path: str = "table.csv") -> Path:
    file = Path("config.yaml")
    file.write_text(CONFIG.format(model=model, path=path))
    return file


@pytest.mark.parametrize(
    "words",
    [
        [],
        pytest.param(["optimizer={name: lbfgs}"], marks=pytest.mark.slow),
        pytest.param(["scheduler=one_cycle", "optimizer.lr=0.02"], marks=pytest.mark.slow),
    ],
)
def test_a_sound_config_has_no_finding(words: list[str], table: Path, cnncli: Cli) -> None:
    answer = cnncli("doctor", config_of(), "--json", *words)
    assert answer.json["findings"] == []
    assert answer.code == 0
    assert answer.json["measured"]["labels"] == "127 in training, 3 classes"
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        pytest.param("zeros", "the gradient of 0, 2 is zero", marks=pytest.mark.slow),
        ("equal", "have the same weights"),
        ("frozen", "no parameter is trainable"),
        pytest.param("dead", "32 of 32 units after relu", marks=pytest.mark.slow),
        ("detached", "no gradient reaches net.0.weight, net.0.bias"),
        ("cut", "the loss depends on no trainable parameter"),
        pytest.param("softmax", "the outputs are probabilities", marks=pytest.mark.slow),
        pytest.param("sigmoid", "cannot be learned by heart", marks=pytest.mark.slow),
        ("large", "its outputs are too large"),
        ("infinite", "gives values that are no finite numbers"),
    ],
)
def test_a_network_that_cannot_learn_is_named(model: str, told: str, table: Path, cnncli: Cli) -> None:
    answer = cnncli("doctor", config_of(model))
    assert answer.code == 5
    lines = [line for line in answer.out.splitlines() if line.startswith("finding: model: ")]
    assert any(told in line for line in lines), answer.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optimizer.lr=10"], "optimizer.lr: 10 is too high"),
        (["optimizer.lr=1e-7"], "too low"),
        (["optimizer.lr=0.0"], "is 0, so that nothing is learned"),
        (["optimizer.weight_decay=1000"], "no learning rate"),
        (["dataset.normalize=none"], "dataset.normalize: the inputs are not normalised"),
    ],
)
def test_a_setting_that_is_wrong_is_named(words: list[str], told: str, table: Path, cnncli: Cli) -> None:
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, 3, 200)
    write(100 + generator.normal(size=(200, 4)) + 2 * np.eye(3, 4)[kinds], kinds)
    answer = cnncli("doctor", config_of(), *words)
    assert answer.code == 5
    assert told in answer.out


def test_labels_that_are_shuffled_are_named(table: Path, cnncli: Cli) -> None:
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, 3, 200)
    write(generator.normal(size=(200, 4)) + 2 * np.eye(3, 4)[kinds], generator.permutation(kinds))
    answer = cnncli("doctor", config_of())
    assert answer.code == 5
    assert "the labels tell nothing about the inputs" in answer.out


@pytest.mark.slow
def test_a_constant_column_is_named(table: Path, cnncli: Cli) -> None:
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, 3, 200)
    write(generator.normal(size=(200, 4)) + 2 * np.eye(3, 4)[kinds], kinds, constant=True)
    answer = cnncli("doctor", config_of(), "--json")
    assert [each["measured"] for each in answer.json["findings"]] == ["e has one value in all samples"]


@pytest.mark.slow
def test_the_advice_on_the_rate_helps(table: Path, cnncli: Cli) -> None:
    answer = cnncli("doctor", config_of(), "optimizer.lr=10", "--json")
    (finding,) = answer.json["findings"]
    rate = finding["advice"].split(" near ")[1].split(" ")[0]
    assert cnncli("doctor", config_of(), f"optimizer.lr={float(rate)}").code == 0
