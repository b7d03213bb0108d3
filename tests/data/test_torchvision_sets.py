"""The published sets: read from files placed by hand, downloaded by the real code, explained when neither works."""

import gc
import gzip
import hashlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision.datasets as tv

from cnncli.config.catalog import fill_registries
from cnncli.core.errors import DataError, StorageError
from cnncli.core.registry import datasets
from tests.conftest import Answer
from tests.served import served

fill_registries()
TRAIN, TEST = 60, 20


def idx(array: np.ndarray) -> bytes:
    """The file format of MNIST: magic number, sizes, bytes."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def labels(count: int, classes: int, first: int = 0) -> np.ndarray:
    return np.arange(count) % classes + first


def pixels(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape))


def mnist_files(prefix: str = "{}", classes: int = 10, first: int = 0) -> dict[str, bytes]:
    found = {}
    for part, count in (("train", TRAIN), ("t10k" if prefix == "{}" else "test", TEST)):
        start = prefix.format(part)
        found[f"{start}-images-idx3-ubyte"] = idx(pixels(count, 28, 28))
        found[f"{start}-labels-idx1-ubyte"] = idx(labels(count, classes, first))
    return found


def place(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def place_cifar(root: Path, kind: type[tv.CIFAR10], key: str, names: list[str]) -> None:
    files = {kind.meta["filename"]: pickle.dumps({kind.meta["key"]: names})}
    for (name, _), count in [(f, TRAIN // len(kind.train_list)) for f in kind.train_list] + [(kind.test_list[0], TEST)]:
        files[name] = pickle.dumps(
            {"data": pixels(count, 3072).astype(np.uint8), key: labels(count, len(names)).tolist()}
        )
    place(root / kind.base_folder, files)


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every set as small files of its own format, where a user would put the real ones."""
    root = tmp_path / "published"
    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        place(root / name / "raw", mnist_files())
    place(root / "EMNIST" / "raw", mnist_files("emnist-balanced-{}", 47))
    place(root / "EMNIST" / "raw", mnist_files("emnist-letters-{}", 26, first=1))
    place_cifar(root, tv.CIFAR10, "labels", [f"class{i}" for i in range(10)])
    place_cifar(root, tv.CIFAR100, "fine_labels", [f"class{i}" for i in range(100)])
    for part, count in (("train", TRAIN), ("test", TEST)):
        content = {"X": pixels(count, 32, 32, 3).transpose(1, 2, 3, 0), "y": labels(count, 10, 1).reshape(-1, 1)}
        scipy.io.savemat(root / f"{part}_32x32.mat", content)
    for kind in (tv.CIFAR10, tv.SVHN):  # the small files have other hashes than the real ones
        monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    monkeypatch.setenv("CNNCLI_DATA", str(root))
    return root


SHAPES = {"cifar10": (3, 32, 32), "cifar100": (3, 32, 32), "svhn": (3, 32, 32)}
CLASSES = {"cifar100": 100, "emnist": 47}
PUBLISHED = ["mnist", "fashion_mnist", "kmnist", "emnist", "cifar10", "cifar100", "svhn"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_set_is_read_and_trained_on(
    placed: Path, cnncli: Callable[..., Answer], write_config: Callable[..., Path], name: str
) -> None:
    raw = datasets.build(name)
    assert raw.train.shape == SHAPES.get(name, (1, 28, 28))
    assert (len(raw.train), len(raw.test), len(raw.classes)) == (TRAIN, TEST, CLASSES.get(name, 10))
    assert int(raw.train.targets.min()) == 0
    assert int(raw.train.targets.max()) < len(raw.classes)
    config = write_config(f"dataset: {{name: {name}, val_fraction: 0.0}}\nmodel: mlp\ntrain: {{epochs: 1}}\n"
                          "checkpoint: {monitor: train/loss}\nlogging: {tensorboard: false}\n")  # fmt: skip
    answer = cnncli("train", config, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["metrics"]["test"]["n"] == TEST


def test_pictures_are_not_turned_or_mixed_up(placed: Path) -> None:
    expected = pixels(TRAIN, 28, 28)
    assert np.array_equal(datasets.build("mnist").train.inputs[:, 0].numpy(), expected)
    assert np.array_equal(datasets.build("emnist").train.inputs[:, 0].numpy(), expected.transpose(0, 2, 1))
    letters = datasets.build("emnist", split="letters")
    assert letters.classes[0] == "a"
    assert len(letters.classes) == 26
    svhn = datasets.build("svhn")
    assert np.array_equal(svhn.train.inputs.numpy(), pixels(TRAIN, 32, 32, 3).transpose(0, 3, 1, 2))
    cifar = datasets.build("cifar10")
    assert cifar.classes == ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    first = pixels(TRAIN // 5, 3072)[0].reshape(3, 32, 32)
    assert np.array_equal(cifar.train.inputs[0].numpy(), first)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """MNIST's mirror on this machine; the folder whose files it serves."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    resources = []
    for name, content in mnist_files().items():
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(tv.MNIST, "resources", resources)
    with served(folder) as address:
        monkeypatch.setattr(tv.MNIST, "mirrors", [f"{address}/"])
        yield folder


def test_a_set_is_downloaded_once_into_the_data_folder(server: Path) -> None:
    raw = datasets.build("mnist")
    assert len(raw.train) == TRAIN
    assert Path("data/MNIST/raw/train-images-idx3-ubyte").is_file()
    for file in server.iterdir():
        file.unlink()
    assert len(datasets.build("mnist").test) == TEST


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib leaves the answer's socket open
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_failed_download_says_what_to_place_where_and_what_runs_at_once(
    server: Path, cnncli: Callable[..., Answer], write_config: Callable[..., Path], damage: str
) -> None:
    for file in server.iterdir():
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(StorageError):
        datasets.build("mnist")
    answer = cnncli("train", write_config("dataset: mnist\nmodel: mlp\n"))
    assert answer.code == 6
    errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    for part in ("MNIST/raw/", "train-images-idx3-ubyte", "CNNCLI_DATA", "cnncli train digits"):
        assert part in errors[0]
    gc.collect()  # here, not in the middle of another test, which would fail


def test_real_mnist_has_its_published_size(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_DATA", str(real_data))
    raw = datasets.build("mnist")
    assert (len(raw.train), len(raw.test)) == (60_000, 10_000)
    assert raw.train.inputs.double().mean().item() / 255 == pytest.approx(0.1307, abs=1e-4)


def test_damaged_files_are_named(placed: Path) -> None:
    for path in (placed / "MNIST" / "raw").iterdir():
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match="MNIST"):
        datasets.build("mnist")
