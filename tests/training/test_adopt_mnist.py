"""The tutorials' scripts on the real digits: their saved weights, adopted, answer as they did in the script."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.conftest import Answer
from tests.training.scripts import FiveByFive, Perceptron, Simple, fit, mnist, right

Adam, SGD = torch.optim.Adam, torch.optim.SGD
ROWS: dict[str, tuple[type[nn.Module], Any, str, str, float]] = {
    "S2": (Perceptron, partial(SGD, lr=0.01), "classification/mnist-mlp", "none", 0.75),
    "S5": (Simple, partial(Adam, lr=1e-3), "mnist", "half", 0.95),
    "S13": (FiveByFive, partial(Adam, lr=1e-3), "classification/mnist-cnn5x5", "none", 0.95),
}


@pytest.mark.slow
@pytest.mark.parametrize("row", list(ROWS))
def test_the_script_s_weights_have_the_same_accuracy(
    row: str, real_data: Path, cnncli: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, optimizer, config, normalize, least = ROWS[row]
    (x, y), (tx, ty) = mnist(real_data, "train"), mnist(real_data, "t10k")
    if normalize == "half":
        x, tx = (x - 0.5) / 0.5, (tx - 0.5) / 0.5
    torch.manual_seed(0)
    model = network()
    fit(model, x[:12_800], y[:12_800], 2, optimizer)
    torch.save(model.state_dict(), "script.pth")
    monkeypatch.setenv("CNNCLI_DATA", str(real_data))
    words = ["script.pth", config, f"dataset.normalize={normalize}", "baselines=none", "logging.pictures=false"]
    answer = cnncli("adopt", *words, "--by-order", "--name", "script/one", "--json")
    assert answer.code == 0, answer.err
    correct = right(model, tx, ty)
    assert correct > least * len(ty)
    assert answer.json["metrics"]["test"]["accuracy"] * len(ty) == pytest.approx(correct, abs=1e-6)
    again = cnncli("eval", "script", "--json").json["metrics"]["test"]
    assert again["accuracy"] * len(ty) == pytest.approx(correct, abs=1e-6)
    exported = cnncli("export", "script", "--json")
    assert exported.code == 0, exported.err
    assert exported.json["difference"] < 1e-4
