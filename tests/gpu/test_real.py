"""On a GPU that is there: the CPU's losses, the same weights twice, no waits in a step, and one line for each failure.

``CNNCLI_TEST_DEVICE=cpu pytest tests/gpu/test_real.py`` runs what makes sense there, to try the tests themselves.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.core.registry import optimizers
from cnncli.training import engine, fit
from tests.conftest import ROOT, Answer, make_splits
from tests.training.helpers import assert_same_weights

Cli = Callable[..., Answer]
DEVICE = os.environ.get("CNNCLI_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
on_gpu = pytest.mark.skipif(DEVICE == "cpu", reason="a GPU's own")
QUIET = ("logging={tensorboard: false, samples: false, pictures: false}", "compute.tf32=false", "compute.compile=off")
CONFIGS = {
    "digits": ["digits", "model={name: simple_cnn, channels: [64, 128], hidden: 128, dropout: 0.0}"],
    "rows": ["binary/breast-cancer", "dataset.batch_size=16"],
    "numbers": ["regression/diabetes", "dataset.batch_size=16"],
    "text": ["text/python-stdlib", "dataset.characters=60000"],
}
FP32, AS_DEVICE = "precision=fp32", f"device={DEVICE}"
DROPOUT = "model={name: simple_cnn, channels: [8, 16], hidden: 32, dropout: 0.3}"
BUSY = [DROPOUT, "dataset.augment=[{name: random_crop, padding: 1}]"]
AVERAGED = "train={epochs: 2, accumulate: 2, ema_decay: 0.9, clip_grad_norm: 1.0}"


def run(cnncli: Cli, config: str, *overrides: str) -> Answer:
    answer = cnncli("train", ROOT / "configs" / f"{config}.yaml", *QUIET, *overrides)
    assert answer.code == 0, answer.err
    return answer


@pytest.fixture
def losses(cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Train for an epoch: the loss of each of the first 20 batches."""

    def call(config: str, *overrides: str) -> list[float]:
        found: list[torch.Tensor] = []
        backward = engine._backward

        def keeping(*args: Any) -> Any:
            loss, outputs = backward(*args)
            found.append(loss.clone())
            return loss, outputs

        with monkeypatch.context() as patched:
            patched.setattr(engine, "_backward", keeping)
            run(cnncli, config, "train.epochs=1", *overrides)
        assert len(found) >= 20
        return [loss.item() for loss in found[:20]]

    return call


@pytest.mark.parametrize("name", CONFIGS)
def test_the_first_losses_are_the_cpus(losses: Callable[..., list[float]], name: str) -> None:
    expected = losses(*CONFIGS[name], FP32, "device=cpu")
    found = losses(*CONFIGS[name], FP32, AS_DEVICE)
    assert found[0] == pytest.approx(expected[0], rel=1e-4, abs=1e-4)
    assert found[19] == pytest.approx(expected[19], rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ["digits", "text"])
def test_half_precision_learns_as_fp32_does(losses: Callable[..., list[float]], name: str, precision: str) -> None:
    expected = losses(*CONFIGS[name], FP32, "device=cpu")
    if DEVICE == "cpu" and (precision, name) == ("fp16", "text"):
        pytest.skip("a CPU has no fp16 for recurrent networks")
    found = losses(*CONFIGS[name], f"precision={precision}", AS_DEVICE)
    assert sum(found[15:]) == pytest.approx(sum(expected[15:]), rel=0.02, abs=0.05)


TWICE = {
    "pictures": ["digits", *BUSY],
    "bf16": ["digits", "precision=bf16", *BUSY],
    "lstm": ["text/python-stdlib", "dataset.characters=20000",
             "model={name: lstm, hidden: 32, layers: 2, dropout: 0.2}"],
    "transformer": ["text/python-stdlib", "dataset.characters=20000",
                    "model={name: transformer, layers: 2, width: 32, heads: 2, dropout: 0.1}"],
    "resnet": ["digits", "model=resnet18"],
}  # fmt: skip


@pytest.mark.parametrize("name", TWICE)
def test_the_same_seed_gives_the_same_weights_or_says_that_it_does_not(cnncli: Cli, name: str) -> None:
    config, *overrides = TWICE[name]
    said = [
        run(cnncli, config, FP32, *overrides, AS_DEVICE, "train.epochs=1", "--name", f"a/{number}").err
        for number in (1, 2)
    ]
    told = any("no two runs on this GPU are the same" in text for text in said)
    assert not (told and name == "pictures"), "of a plain network every operation has a fixed order"
    if not told:
        assert_same_weights("runs/a/1/last.pt", "runs/a/2/last.pt")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_that_is_stopped_and_resumed_ends_like_one_that_is_not(
    cnncli: Cli, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    options = (*BUSY, AVERAGED, AS_DEVICE, f"precision={precision}")
    run(cnncli, "digits", *options, "--name", "a/whole")
    step, steps = engine._step, []

    def stopping(*args: Any) -> bool:
        steps.append(None)
        if len(steps) == 5:
            signal.raise_signal(signal.SIGTERM)
        return step(*args)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "_step", stopping)
        answer = cnncli("train", ROOT / "configs/digits.yaml", *QUIET, *options, "--name", "a/part")
    assert answer.code == 143, answer.err
    assert cnncli("train", "--resume", "runs/a/part").code == 0
    assert_same_weights("runs/a/whole/last.pt", "runs/a/part/last.pt")


@on_gpu
@pytest.mark.parametrize(
    "overrides", [[], BUSY, ["train.ema_decay=0.9"], ["dataset.augment=[mixup, cutmix]"], ["optimizer={name: muon}"]]
)
def test_no_step_waits(cnncli: Cli, monkeypatch: pytest.MonkeyPatch, overrides: list[str]) -> None:
    epochs: list[None] = []
    train_one_epoch = fit.train_one_epoch

    def strict(*args: Any, **named: Any) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            train_one_epoch(*args, **named)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        epochs.append(None)

    monkeypatch.setattr(fit, "train_one_epoch", strict)
    run(cnncli, "digits", AS_DEVICE, FP32, "train.epochs=2", *overrides)
    assert len(epochs) == 2


@pytest.mark.parametrize("name", sorted(set(optimizers) - {"sparseadam"}))
def test_every_optimizer_takes_twenty_steps(losses: Callable[..., list[float]], name: str) -> None:
    found = losses("digits", DROPOUT, AS_DEVICE, FP32, "scheduler=constant", f"optimizer={{name: {name}, lr: 0.001}}")
    assert torch.isfinite(torch.tensor(found)).all()


@pytest.fixture
def checkpoints(cnncli: Cli) -> Callable[[str], list[str]]:
    """Of pictures: a run of two epochs on a device, and the words for it."""

    def call(device: str) -> list[str]:
        make_splits(Path("pictures"))
        data = "dataset={name: image_folder, root: pictures, image_size: 16, batch_size: 8}"
        overrides = (data, "model={name: simple_cnn, channels: [4, 8]}", "optimizer.lr=0.01", "checkpoint.every=1")
        run(cnncli, "cifar10", *overrides, FP32, f"device={device}", "train.epochs=2", "--name", f"a/{device}")
        return ["--ckpt", f"runs/a/{device}"]

    return call


def close(one: Any, two: Any) -> None:
    """Equal texts, and numbers that differ by one in ten thousand at most."""
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            close(one[key], two[key])
    elif isinstance(one, list):
        assert len(one) == len(two)
        for first, second in zip(one, two, strict=True):
            close(first, second)
    elif isinstance(one, float):
        assert one == pytest.approx(two, abs=1e-4, rel=1e-4)
    else:
        assert one == two


@pytest.mark.parametrize("trained", ["cpu", DEVICE])
def test_a_checkpoint_answers_alike_on_both_devices(
    cnncli: Cli, checkpoints: Callable[[str], list[str]], trained: str
) -> None:
    words = checkpoints(trained)
    for command in (["eval"], ["eval", "--tta"], ["predict", "pictures/test"]):
        answers = []
        for device in ("cpu", DEVICE):
            form = ["--format", "json"] if command[0] == "predict" else ["--json"]
            answer = cnncli(*command, *form, *words, f"device={device}", "compute.tf32=false")
            assert answer.code == 0, answer.err
            answers.append(answer.json)
        close(*answers)


@pytest.mark.parametrize(("first", "then"), [("cpu", DEVICE), (DEVICE, "cpu")])
def test_a_run_goes_on_on_the_other_device(
    cnncli: Cli, checkpoints: Callable[[str], list[str]], first: str, then: str
) -> None:
    checkpoints(first)
    before = json.loads(Path(f"runs/a/{first}/metrics.jsonl").read_text().splitlines()[-1])
    answer = cnncli("train", "--resume", f"runs/a/{first}/epoch-1.pt", f"device={then}")
    assert answer.code == 0, answer.err
    after = json.loads(Path(f"runs/a/{first}/metrics.jsonl").read_text().splitlines()[-1])
    assert after["epoch"] == before["epoch"] == 2
    assert after["train/loss"] == pytest.approx(before["train/loss"], rel=1e-2)


@on_gpu
def test_a_head_is_trained_on_features(cnncli: Cli, checkpoints: Callable[[str], list[str]]) -> None:
    checkpoints("cpu")
    tune = ("finetune", "--from", "runs/a/cpu/best.pt", "--data", "pictures", "--strategy", "head", AS_DEVICE)
    answer = cnncli(*tune, *QUIET, "finetune.new_head=true", "train.epochs=2", "dataset.augment=[]")
    assert answer.code == 0, answer.err


@on_gpu
def test_memory_that_does_not_suffice_is_one_line(cnncli: Cli) -> None:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2**28 / torch.cuda.mem_get_info()[1])
    try:
        answer = cnncli("train", ROOT / "configs/digits.yaml", *QUIET, AS_DEVICE, FP32,
                        "model={name: mlp, hidden: [8192, 8192]}")  # fmt: skip
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert answer.code != 0
    assert "out of memory; " in answer.err.strip().splitlines()[-1]
    assert "Traceback" not in answer.err


@on_gpu
def test_cuda_graphs_give_the_losses_of_eager_steps(losses: Callable[..., list[float]]) -> None:
    expected = losses(*CONFIGS["digits"], FP32, AS_DEVICE)
    found = losses(*CONFIGS["digits"], FP32, AS_DEVICE, "compute.compile=cuda_graphs")
    assert found == pytest.approx(expected, rel=1e-2, abs=1e-3)


def in_process(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cnncli", *words], env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_hidden_gpu_is_one_line() -> None:
    answer = in_process("train", str(ROOT / "configs/digits.yaml"), "device=cuda", CUDA_VISIBLE_DEVICES="")
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_two_ranks_share_a_card() -> None:
    answer = in_process("train", str(ROOT / "configs/digits.yaml"), *QUIET, AS_DEVICE, FP32, "train.epochs=1",
                        "--nproc", "2", "--name", "a/two")  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert Path("runs/a/two/best.pt").exists()
