"""Published sets come from the cache as they came from their files, without torchvision; the command that lists it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError
from cnncli.core.registry import datasets
from cnncli.data import build_data, cache
from tests.conftest import Answer, printed_twice
from tests.data.test_cache import Progress, again, source
from tests.data.test_torchvision_sets import mnist_files, place

fill_registries()
Cli = Callable[..., Answer]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small MNIST where torchvision looks for it."""
    place(tmp_path / "data" / "MNIST" / "raw", mnist_files())
    monkeypatch.setenv("CNNCLI_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "MNIST" / "raw"


MINI = "dataset: mnist\nmodel: {name: mlp, hidden: [4]}\ntrain: {epochs: 1}\nlogging: {tensorboard: false}\n"


@pytest.mark.slow
def test_a_second_run_does_without_torchvision(published: Path, write_config: Callable[..., Path]) -> None:
    path = write_config(MINI)
    code = (f"import sys\nfrom cnncli.cli.app import run\nassert run(['train', {str(path)!r}, 'baselines=none']) == 0\n"
            "print('torchvision' in sys.modules, 'sklearn' in sys.modules, 'pandas' in sys.modules)")  # fmt: skip
    answers = [printed.splitlines()[-1] for printed in printed_twice(code)]
    assert answers == ["True False False", "False False False"]


def test_a_published_set_comes_from_the_cache_as_it_came_from_its_files(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = datasets.build("mnist")
    monkeypatch.setattr("torchvision.datasets.MNIST", None)
    kept = datasets.build("mnist")
    assert kept.classes == read.classes
    for split in ("train", "test"):
        ours, theirs = getattr(kept, split), getattr(read, split)
        assert ours.shape == (1, 28, 28)
        assert torch.equal(ours.inputs, theirs.inputs)
        assert torch.equal(ours.targets, theirs.targets)
    with pytest.raises(ConfigError):  # without the cache torchvision is asked
        build_data(DatasetConfig(name="mnist", cache=False), Progress())
    os.utime(published / "train-images-idx3-ubyte", ns=(1, 1))
    with pytest.raises(ConfigError):
        datasets.build("mnist")


def test_the_command_lists_and_clears(published: Path, pictures: Path, cnncli: Cli) -> None:
    empty = cnncli("data", "cache")
    assert (empty.code, empty.out) == (0, f"0.0 MiB in {cache.folder()}\n")
    datasets.build("mnist")
    again(source(pictures))
    lines = cnncli("data", "cache").out.splitlines()
    assert lines[0].split("\t") == ["what", "pictures", "size", "last used"]
    assert lines[1].split("\t")[:2] == [f"{pictures}/train 8×12", "48"]
    assert lines[2].split("\t")[:3] == ["mnist", "80", "0.1 MiB"]
    answer = cnncli("data", "cache", "--json").json
    assert [entry["what"] for entry in answer["entries"]] == [f"{pictures}/train 8×12", "mnist"]
    assert answer["bytes"] == sum(entry["bytes"] for entry in answer["entries"]) > 0
    (Path(answer["entries"][1]["path"]) / "about.json").write_text("{}")
    assert "(damaged)" in cnncli("data", "cache").out
    assert cnncli("data", "cache", "--clear").out == f"0.1 MiB freed in {cache.folder()}\n"
    assert cnncli("data", "cache", "--json").json["entries"] == []


def test_the_digits_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    bunch = load_digits()
    raw = datasets.build("digits")
    assert len(raw.train) + len(raw.test) == len(bunch.target)
    total = raw.train.inputs.double().sum() + raw.test.inputs.double().sum()
    assert total == torch.from_numpy((bunch.images * 15.9375).round()).sum()
    monkeypatch.setattr("cnncli.data.digits.FILE", "elsewhere.csv.gz")
    other = datasets.build("digits")
    assert torch.equal(raw.train.inputs, other.train.inputs)
    assert torch.equal(raw.test.targets, other.test.targets)
