"""Mixed precision: bf16 and fp16 learn, fp16's scale is part of the state, optimizers are fused where they can be."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cnncli.training.build import build_experiment
from cnncli.training.checkpoint import load_checkpoint
from tests.conftest import Answer
from tests.training.helpers import assert_same_weights, load, train

Cli = Callable[..., Answer]
CNN = ("model={name: simple_cnn, channels: [8], hidden: 32}", "optimizer.lr=0.01")


def untracked(items: object, total: int, what: str) -> object:
    return items


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_every_precision_learns(tiny: Path, precision: str) -> None:
    result = train(tiny, "one", *CNN, f"precision={precision}", "train.epochs=3")
    assert result["metrics"]["test"]["accuracy"] > 0.85


def test_fp16_resumes_with_its_scale(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "whole", *CNN, "precision=fp16")
    train(tiny, "parts", *CNN, "precision=fp16", "train.epochs=1")
    assert load_checkpoint(Path("runs/tiny/parts/last.pt"))["training"]["scaler"]["scale"] > 1
    answer = cnncli("train", tiny, *CNN, "precision=fp16", "--resume", "runs/tiny/parts")
    assert answer.code == 0, answer.err
    assert_same_weights("runs/tiny/whole/last.pt", "runs/tiny/parts/last.pt")


def test_gradients_of_fp16_are_clipped_at_their_true_size(tiny: Path) -> None:
    common = (*CNN, "train.clip_grad_norm=1e-3", "optimizer={name: sgd, lr: 1.0}", "train.epochs=1")
    half, full = train(tiny, "half", *common, "precision=fp16"), train(tiny, "full", *common, "precision=fp32")
    one, two = (load_checkpoint(Path(result["last"]))["model"] for result in (half, full))
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=2e-3, rtol=0.05)


def test_fp16_and_lbfgs_do_not_go_together(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "precision=fp16", "optimizer={name: lbfgs, lr: 0.1}")
    assert answer.code == 2
    assert "lbfgs asks for the loss several times a step, which fp16 cannot" in answer.err


@pytest.mark.parametrize(
    ("optimizer", "fused"),
    [("adam", True), ("adamw", True), ("sgd", True), ("adagrad", True), ("rmsprop", False), ("lbfgs", False),
     ("muon", False)],
)  # fmt: skip
def test_optimizers_are_fused_where_they_can_be(tiny: Path, optimizer: str, fused: bool) -> None:
    found = build_experiment(load(tiny, f"optimizer={{name: {optimizer}, lr: 0.01}}"), untracked).state.optimizer
    assert bool(found.defaults.get("fused")) == fused


def test_fusing_can_be_switched_off(tiny: Path) -> None:
    found = build_experiment(load(tiny, "optimizer={name: adam, fused: false}"), untracked).state.optimizer
    assert not found.defaults["fused"]


def test_a_compiled_network_keeps_the_names_of_its_weights_and_learns_the_same(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_module = torch.nn.Module.compile
    # traced like any other, but without a C++ compiler, which a bare machine lacks
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compile_module(self, backend="eager"))
    train(tiny, "on", *CNN, "compute.compile=on", "train.epochs=1")
    train(tiny, "off", *CNN, "compute.compile=off", "train.epochs=1")
    assert_same_weights("runs/tiny/on/last.pt", "runs/tiny/off/last.pt")
