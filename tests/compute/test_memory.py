"""Memory that does not suffice is one line wherever it happens, and its advice is followed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cnncli.compute import runtime
from cnncli.compute.failures import explained
from cnncli.compute.place import Place
from cnncli.core.errors import TrainingError
from cnncli.data.loaders import MemoryLoader
from cnncli.data.sources import ArraySource, Held
from cnncli.inference.predictor import Predictor
from cnncli.models.recurrent import RecurrentText
from tests.conftest import Answer

Cli = Callable[..., Answer]
FULL = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB"
WORDS = "the quick brown fox jumps over the lazy dog. " * 40


@pytest.mark.parametrize(
    "said",
    [
        FULL,
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB, max allowed: 9.07 GB)",
        "Invalid buffer size: 16.00 GiB",
    ],
)
def test_every_word_for_it_is_known(said: str) -> None:
    with pytest.raises(TrainingError, match="out of memory; smaller"), explained("smaller"):
        raise RuntimeError(said)


def full(*_: object, **__: object) -> Any:
    raise torch.OutOfMemoryError(FULL)


@contextmanager
def too_many(kind: type[nn.Module], most: int, training: bool | None = None) -> Iterator[None]:
    """No layer of ``kind`` gets more than so many samples at once; in training, in evaluation, or in both."""

    def check(module: nn.Module, given: Any) -> None:
        if len(given[0]) > most and training in (None, module.training):
            full()

    forward = kind.__call__

    def call(self: nn.Module, *given: Any, **named: Any) -> Any:
        check(self, given)
        return forward(self, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "__call__", call)
        yield


def error(answer: Answer) -> str:
    """The line of an answer that failed for memory."""
    assert answer.code == 5, answer.err
    (line,) = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in answer.err
    assert line.startswith("error: out of memory; ")
    return line


def test_a_step_that_is_too_large(tiny: Path, cnncli: Cli) -> None:
    with too_many(nn.Linear, 64, training=True):
        line = error(cnncli("train", tiny))
        assert "lower dataset.batch_size (now 128; " in line
        assert cnncli("train", tiny, "dataset.batch_size=64").code == 0


def test_a_dry_run_and_a_profile_that_are_too_large(tiny: Path, cnncli: Cli) -> None:
    with too_many(nn.Linear, 64, training=True):
        for option in ("--dry-run", "--profile"):
            assert "lower dataset.batch_size (now 128" in error(cnncli("train", tiny, option))
            assert cnncli("train", tiny, option, "dataset.batch_size=64").code == 0


def test_validation_the_last_evaluation_and_eval_that_are_too_large(tiny: Path, cnncli: Cli) -> None:
    run = ("--name", "tiny/one", "--overwrite", "train.epochs=1")
    with too_many(nn.Linear, 100, training=False):
        assert "lower dataset.eval_batch_size (now 1,024)" in error(cnncli("train", tiny, *run))
        last = ("dataset.val_fraction=0", "checkpoint.monitor=train/loss")
        assert "lower dataset.eval_batch_size (now 1,024)" in error(cnncli("train", tiny, *run, *last))
        assert cnncli("train", tiny, *run, *last, "dataset.eval_batch_size=100").code == 0
        evaluate = ("eval", "--ckpt", "runs/tiny/one", "dataset.eval_batch_size=200")
        assert "lower dataset.eval_batch_size (now 200)" in error(cnncli(*evaluate))
        assert cnncli("eval", "--ckpt", "runs/tiny/one", "dataset.eval_batch_size=100").code == 0


def test_a_model_that_does_not_fit(tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    move, most = nn.Module.to, 5000

    def to(self: nn.Module, *given: Any, **named: Any) -> Any:
        placed = "memory_format" in named  # losses are moved, too
        return full() if placed and sum(p.numel() for p in self.parameters()) >= most else move(self, *given, **named)

    monkeypatch.setattr(nn.Module, "to", to)
    assert "use a smaller model" in error(cnncli("train", tiny, "model.hidden=[200]"))
    assert cnncli("train", tiny, "train.epochs=1", "--name", "tiny/one").code == 0
    most = 0
    assert "set device: cpu" in error(cnncli("eval", "--ckpt", "runs/tiny/one"))


def test_pictures_that_do_not_fit_on_the_device(tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ArraySource, "to", full)
    run = ("--name", "tiny/one", "--overwrite", "train.epochs=1")
    assert error(cnncli("train", tiny, *run)).endswith("set dataset.memory: never")
    assert cnncli("train", tiny, *run, "dataset.memory=never", "dataset.workers=0").code == 0
    assert error(cnncli("eval", "--ckpt", "runs/tiny/one", "dataset.memory=auto")).endswith("set dataset.memory: never")
    assert cnncli("eval", "--ckpt", "runs/tiny/one", "dataset.memory=never").code == 0


def test_rows_that_do_not_fit_on_the_device(
    write_config: Callable[[str], Path], cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArraySource, "to", full)
    assert error(cnncli("train", write_config("dataset: iris\nmodel: mlp"))).endswith("set dataset.memory: never")


def test_a_picture_of_samples_that_does_not_fit_stops_no_run(
    tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnncli.training.pictures.sample_grid", full)
    answer = cnncli("train", tiny, "logging.samples=true", "train.epochs=1")
    assert answer.code == 0
    (line,) = [line for line in answer.err.splitlines() if "warning" in line]
    assert "samples.png cannot be drawn (CUDA out of memory" in line


FEATURES = """\
name: head
dataset: {{name: image_folder, root: {root}, image_size: 32, batch_size: 8, eval_batch_size: 16, normalize: dataset}}
model: {{name: simple_cnn, channels: [4]}}
finetune: {{pretrained: {start}, strategy: head}}
train: {{epochs: 1}}
logging: {{tensorboard: false, samples: false, pictures: false}}
"""


def test_features_that_do_not_fit(pictures: Path, cnncli: Cli, write_config: Callable[..., Path]) -> None:
    start = write_config(
        FEATURES.format(root=pictures, start="").replace("finetune: {pretrained: , strategy: head}\n", "")
    )
    assert cnncli("train", start, "--name", "start/one").code == 0
    head = write_config(FEATURES.format(root=pictures, start="runs/start/one/best.pt"), "head.yaml")
    with too_many(nn.Conv2d, 8, training=False):
        assert "lower dataset.eval_batch_size (now 16)" in error(cnncli("train", head))
        assert cnncli("train", head, "dataset.eval_batch_size=8").code == 0
    with pytest.MonkeyPatch.context() as patch:
        kept = MemoryLoader.__init__

        def init(self: MemoryLoader, held: Held, *given: Any) -> None:
            if held.source.inputs.ndim == 2:
                full()
            kept(self, held, *given)

        patch.setattr(MemoryLoader, "__init__", init)
        assert error(cnncli("train", head)).endswith("set finetune.cache_features: false")
        assert cnncli("train", head, "finetune.cache_features=false").code == 0


def test_answers_that_do_not_fit_are_given_on_the_cpu(
    pictures: Path, cnncli: Cli, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = FEATURES.format(root=pictures, start="").replace("finetune: {pretrained: , strategy: head}\n", "")
    assert cnncli("train", write_config(start), "--name", "pictures/one").code == 0
    picture = next(pictures.rglob("*.png"))
    command = ("predict", "--ckpt", "runs/pictures/one", picture)
    used = full_but_on_the_cpu(monkeypatch, (Predictor, "_answer"))
    assert "set device=cpu" in error(cnncli(*command))
    assert cnncli(*command, "device=cpu").code == 0
    assert used == ["auto", "cpu"]


def full_but_on_the_cpu(monkeypatch: pytest.MonkeyPatch, *methods: tuple[type, str]) -> list[str]:
    """Let ``methods`` run out of memory unless device=cpu was asked for; gives the devices that were."""
    pick, used = runtime.pick_device, list[str]()

    def recorded(name: str, where: Place) -> torch.device:
        used.append(name)
        return pick(name, where)

    def unless_on_the_cpu(right: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: right(*given) if used[-1] == "cpu" else full()

    monkeypatch.setattr(runtime, "pick_device", recorded)
    for owner, name in methods:
        monkeypatch.setattr(owner, name, unless_on_the_cpu(getattr(owner, name)))
    return used


TEXT = """\
dataset: {name: text, path: words.txt, block: 16, batch_size: 16}
model: {name: lstm, hidden: 8}
train: {epochs: 1}
logging: {tensorboard: false, pictures: false}
"""
SERIES = """\
dataset: {name: series_csv, file: series.csv, window: 8, horizon: 2}
model: {name: gru, hidden: 4}
train: {epochs: 1}
logging: {tensorboard: false, pictures: false}
"""


def test_texts_and_forecasts_that_do_not_fit(
    cnncli: Cli, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("words.txt").write_text(WORDS)
    Path("series.csv").write_text("\n".join(["value", *(str(n % 7) for n in range(120))]))
    for name, text in (("text", TEXT), ("series", SERIES)):
        assert cnncli("train", write_config(text), "--name", f"{name}/one").code == 0
    write = ("generate", "--ckpt", "runs/text/one", "--length", "3")
    search = (*write, "--beam", "2")
    forecast = ("forecast", "--ckpt", "runs/series/one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecurrentText, "reorder", full)
        assert "search with fewer beams" in error(cnncli(*search))
    with pytest.MonkeyPatch.context() as patch:
        step = RecurrentText.step
        patch.setattr(
            RecurrentText, "step", lambda self, ids, state: step(self, ids, state) if len(ids) < 2 else full()
        )
        assert "search with fewer beams" in error(cnncli(*search))
        assert cnncli(*write, "--beam", "1").code == 0
    used = full_but_on_the_cpu(monkeypatch, (RecurrentText, "step"), (Predictor, "_answer"))
    for command in (write, search, forecast):
        assert "set device=cpu" in error(cnncli(*command))
        assert cnncli(*command, "device=cpu").code == 0
    assert used == ["auto", "cpu"] * 3
