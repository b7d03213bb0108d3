"""Mixed precision: bf16 and fp16 learn, fp16's scale is part of the state, optimizers are fused where they can be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.runs.checkpoint import load_checkpoint
from cnncli.training.build import build_experiment
from tests.conftest import Answer
from tests.training.helpers import assert_same_weights, load, rewrite, train, weights

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
    assert load_checkpoint(Path("runs/tiny/parts/last.pt")).training.scaler["scale"] > 1
    answer = cnncli("train", tiny, *CNN, "precision=fp16", "--resume", "runs/tiny/parts")
    assert answer.code == 0, answer.err
    assert_same_weights("runs/tiny/whole/last.pt", "runs/tiny/parts/last.pt")


def test_gradients_of_fp16_are_clipped_at_their_true_size(tiny: Path) -> None:
    common = (*CNN, "optimizer={name: sgd, lr: 1.0}", "train.epochs=1", "dataset.batch_size=2000", "precision=fp16")
    start = weights(train(tiny, "start", *common, "train.clip_grad_norm=1e-12")["last"])
    moved = weights(train(tiny, "moved", *common, "train.clip_grad_norm=0.01")["last"])
    distance = torch.cat([(moved[name] - start[name]).flatten() for name in start]).norm().item()
    assert distance == pytest.approx(0.01, rel=0.02)


def test_a_step_of_fp16_with_infinite_gradients_is_not_taken(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device: scaler(device, init_scale=2.0**40))
    overrides = (*CNN, "precision=fp16", "train={epochs: 1, ema_decay: 0.9}", "scheduler=linear")
    train(tiny, "one", *overrides)
    state = load_checkpoint(Path("runs/tiny/one/last.pt")).training
    skipped = 11 - state.global_step
    assert skipped > 3
    assert state.scaler["scale"] == 2.0 ** (40 - skipped)
    assert state.schedule["count"] == state.global_step, "the schedule waits for steps that are taken"
    assert state.average["n_averaged"] == state.global_step


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


def test_a_network_that_does_not_compile_is_a_one_line_error(
    tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiler(graph: object, example: object) -> object:
        raise RuntimeError("no C++ compiler")

    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, dynamic: compile_module(self, backend=compiler))
    answer = cnncli("train", tiny, *CNN, "compute.compile=on")
    assert answer.code == 5
    assert "torch.compile failed" in answer.err
    assert "set compute.compile: off" in answer.err


@pytest.mark.parametrize("keys", [("compute", "tf32"), ("dataset", "sampler"), ("model", "dropout")])
def test_a_run_from_before_a_key_had_its_default_can_be_resumed(tiny: Path, cnncli: Cli, keys: tuple[str, str]) -> None:
    train(tiny, "old", "train.epochs=1", "precision=fp32", "compute.compile=off")

    def forget(content: dict[str, Any]) -> None:
        del content["config"][keys[0]][keys[1]]

    rewrite(Path("runs/tiny/old/last.pt"), forget)
    answer = cnncli("train", tiny, "--resume", "runs/tiny/old/last.pt")
    assert answer.code == 0, answer.err


def test_a_compiled_network_keeps_the_names_of_its_weights_and_learns_the_same(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_module = torch.nn.Module.compile
    # traced like any other, but without a C++ compiler, which a bare machine lacks
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, dynamic: compile_module(self, backend="eager"))
    train(tiny, "on", *CNN, "compute.compile=on", "train.epochs=1")
    train(tiny, "off", *CNN, "compute.compile=off", "train.epochs=1")
    assert_same_weights("runs/tiny/on/last.pt", "runs/tiny/off/last.pt")
