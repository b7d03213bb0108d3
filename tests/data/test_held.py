"""Samples on a GPU: windows stay views, sets that are too large stay on the host, features free pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cnncli.config.sections import DatasetConfig
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec, Series
from cnncli.data.bundle import DataBundle
from cnncli.data.lazy_targets import LazyTargets
from cnncli.data.sources import ArraySource, Held, moved, size_moved
from cnncli.data.windows import make_windows
from tests.conftest import ROOT, Answer
from tests.gpu.fake_device import FakeDevice, fake_device

Cli = Callable[..., Answer]
CPU, GPU = torch.device("cpu"), torch.device("cuda")
QUIET = ("logging={tensorboard: false, samples: false, pictures: false}", "train.epochs=1", "device=cuda")
SERIES = ("forecasting/airline", "dataset.file=series.csv", "model={name: tcn, channels: 4}")
TEXT = (
    "text/transformer",
    "dataset.path=words.txt",
    "dataset.block=32",
    "model={name: transformer, layers: 1, width: 16, heads: 2}",
)
SETS = {"series": SERIES, "text": TEXT, "rows": ("classification/iris",)}


def windows(length: int = 100, size: int = 20) -> torch.Tensor:
    """``[N, T, F]`` of two columns, of which the first few windows are another split's."""
    return torch.arange(2.0 * length).view(length, 2).unfold(0, size, 1).transpose(1, 2)[5:]


def test_windows_are_moved_as_the_series_that_they_are_views_of() -> None:
    made = windows()
    with fake_device():
        there = ArraySource(made, torch.zeros(len(made))).to(GPU)
        assert there.inputs.device.type == "cuda"
        assert there.inputs.shape == made.shape
        assert there.inputs.untyped_storage().nbytes() == size_moved(made) == 2 * 95 * 4 < made.numel() * 4 / 10
        assert there.gather(torch.tensor([3, 1], device=GPU)).shape == (2, 20, 2)
    assert torch.equal(moved(made, CPU), made)


def test_of_several_series_the_rows_of_a_split_are_moved_and_not_their_windows() -> None:
    made, rows = windows(), torch.tensor([7, 8, 30])
    source = ArraySource(made, torch.zeros(3), rows)
    assert source.size_moved == 2 * 95 * 4 + 3 * 4
    with fake_device():
        there = source.to(GPU)
        assert there.inputs.untyped_storage().nbytes() == 2 * 95 * 4
        assert there.rows is not None
        assert there.rows.device.type == "cuda"
        assert there.gather(torch.tensor([2, 0], device=GPU)).shape == (2, 20, 2)


def test_of_samples_that_splits_share_only_a_splits_own_are_moved() -> None:
    source = ArraySource(torch.zeros(10, 3), torch.zeros(4), torch.tensor([1, 2, 5, 7]))
    assert source.size_moved == 4 * 3 * 4 + 4 * 4
    with fake_device():
        assert source.to(GPU).inputs.shape == (4, 3)


def test_targets_that_are_computed_when_they_are_asked_for_take_what_they_are_computed_from() -> None:
    series = Series(("y",), ("y",), 4, False, None, (0.0,), (1.0,), (1.0,))
    spec = DataSpec((16, 1), (), series, output_shape=(4, 1))
    values = torch.arange(600_000, dtype=torch.float64)[:, None].numpy()
    inputs, targets, _ = make_windows(values, spec)
    assert isinstance(targets, LazyTargets)
    assert size_moved(targets) < targets.numel() * 8 / 2
    assert size_moved(inputs) < 600_000 * 4 + 1


@pytest.fixture
def data(tmp_path: Path) -> None:
    """A text and a series in the working directory."""
    Path("words.txt").write_text("the quick brown fox jumps over the lazy dog. " * 100)
    rows = [f"{2000 + n // 12}-{n % 12 + 1:02},{100 + n % 12 * 5 + n}" for n in range(150)]
    Path("series.csv").write_text("\n".join(["month,passengers", *rows]))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDevice]:
    """A GPU with little memory."""
    with fake_device() as device:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (100, 100))
        yield device


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", SETS)
def test_what_does_not_fit_on_the_device_stays_on_the_host_and_no_step_waits_for_it(
    cnncli: Cli, small: FakeDevice, name: str
) -> None:
    config, *overrides = SETS[name]
    answer = cnncli("train", ROOT / "configs" / f"{config}.yaml", *QUIET, *overrides)
    assert answer.code == 0, answer.err
    assert "in memory on cpu, sent to cuda:0 in every epoch" in answer.err
    assert small.waits["step"] == small.waits["evaluation"] == {}


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.usefixtures("data")
def test_memory_decides_for_a_series_too(cnncli: Cli) -> None:
    config, *overrides = SERIES
    found = {}
    for memory in ("auto", "always", "never"):
        with fake_device():
            file = ROOT / "configs" / f"{config}.yaml"
            answer = cnncli("train", file, *QUIET, *overrides, f"dataset.memory={memory}", "--dry-run")
        assert answer.code == 0, answer.err
        found[memory] = "sent to cuda:0 in every epoch" in answer.out
    assert found == {"auto": False, "always": False, "never": True}


def test_samples_are_moved_when_they_are_asked_for_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = []
    to = ArraySource.to
    monkeypatch.setattr(ArraySource, "to", lambda self, device: moves.append(device) or to(self, device))
    held = Held(ArraySource(torch.zeros(4, 2), torch.zeros(4)), CPU)
    assert moves == []
    assert held.get() is held.get()
    assert moves == [CPU]
    held.let_go()
    held.get()
    assert moves == [CPU, CPU]


def test_for_features_pictures_are_moved_once_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = datasets.build("digits")
    opened = raw.open(DatasetConfig(name="digits"), "classes", lambda items, total, what: items, None)
    sources, config = opened.sources, DatasetConfig(name="digits")
    bundle = DataBundle(config, opened.spec, sources, lambda items, total, what: items)
    moves: list[int] = []
    to = ArraySource.to
    monkeypatch.setattr(ArraySource, "to", lambda self, device: moves.append(self.inputs.ndim) or to(self, device))
    with fake_device():
        plain = bundle.loader("train", GPU, training=True, embedded=False)
        next(iter(plain.epoch(0)))  # as a trial does
        bundle.embed = lambda inputs: inputs.flatten(1)
        features = next(iter(bundle.loader("train", GPU, training=True).epoch(0)))[0]
        assert features.shape == (config.batch_size, 64)
        assert len(plain) == len(bundle.loader("train", GPU, training=True))
        assert moves == [4, 2], "the pictures once, and the features, which are there"
        assert bundle._held["train", GPU]._there is None
