"""``convolve``: scipy's values, sizes, kernels by name and from files, and those of a network."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import correlate2d

from cnncli.insight.kernels import NAMED, kernel
from tests.conftest import Answer

Cli = Callable[..., Answer]
ROOT = Path(__file__).parents[2]
FILES = {
    "even": "1 -1\n-1 1\n",
    "flat": "0.7, 0, -0.41, 1/3\n",
    "tall": "# rows\n1\n-2\n\n1  # the last\n",
    "wide": "1;2;3;2;1\n-1;-2;-3;-2;-1\n",
    "large": "\n".join(" ".join(str((3 * i + j) % 5 - 2) for j in range(6)) for i in range(7)),
}


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Colours at random, 31 pixels high and 40 wide."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (31, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.png")
    return Path("photo.png")


def expected(photo: Path, values: NDArray[np.float64]) -> NDArray[np.uint8]:
    grey = np.asarray(Image.open(photo).convert("L"), dtype=np.float64)
    found: NDArray[np.uint8] = np.clip(correlate2d(grey, values, mode="valid"), 0, 255).round().astype(np.uint8)
    return found


def equal_but_halves(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> bool:
    """Sums in another order may fall on the other side of a half."""
    difference = np.abs(found.astype(int) - wanted.astype(int))
    return found.shape == wanted.shape and difference.max() <= 1 and (difference > 0).mean() < 0.01


def test_every_kernel_gives_what_scipy_does(cnncli: Cli, photo: Path) -> None:
    for name, text in FILES.items():
        Path(f"{name}.txt").write_text(text)
    words = [*NAMED, *(f"{name}.txt" for name in FILES)]
    answer = cnncli("convolve", photo, *(word for each in words for word in ("--kernel", each)), "--json")
    assert answer.code == 0, answer.err
    for word, entry in zip(words, answer.json, strict=True):
        values = np.array(kernel(word)[1])
        found = np.asarray(Image.open(entry["path"]))
        assert entry["path"] == f"photo-{word.removesuffix('.txt')}.png"
        assert entry["kernel_size"] == list(values.shape)
        assert list(found.shape) == entry["size"] == [31 - values.shape[0] + 1, 40 - values.shape[1] + 1]
        assert equal_but_halves(found, expected(photo, values)), word


def test_kernels_are_read_as_they_are_written() -> None:
    assert kernel("laplacian")[1] == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    assert kernel("sharpen")[1] == [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    for name in ("blur", "gaussian"):
        assert np.sum(kernel(name)[1]) == pytest.approx(1)


def test_kernels_of_a_network_see_the_picture_in_its_own_size(cnncli: Cli, photo: Path) -> None:
    Path("net.yaml").write_text(
        "dataset: {name: digits, batch_size: 100}\nmodel: {name: simple_cnn, channels: [3], hidden: 8}\n"
        "train: {epochs: 1}\nlogging: {tensorboard: false, samples: false, pictures: false}\nbaselines: none\n"
    )
    assert cnncli("train", "net.yaml", "--name", "net/one").code == 0
    answer = cnncli("convolve", photo, "--ckpt", "net", "--out", "maps", "--json")
    assert answer.code == 0, answer.err
    Path("photo.jpg").write_bytes(photo.read_bytes())  # and what the page shows
    Path("mine.txt").write_text("1 2\n3 4\n")
    commands = re.findall(r"^cnncli (convolve .*)$", (ROOT / "docs" / "command-line.md").read_text("utf-8"), re.M)
    assert len(commands) == 3
    for command in commands:
        assert cnncli(*command.split()).code == 0, command
    assert [Path(entry["path"]).name for entry in answer.json] == [f"photo-conv-{number}.png" for number in range(3)]
    from cnncli.inference.predictor import load_predictor

    predictor = load_predictor(Path("runs/net/one/best.pt"))
    layer = next(each for each in predictor.network.modules() if isinstance(each, torch.nn.Conv2d))
    grey = np.asarray(Image.open(photo).convert("L"), dtype=np.float64) / 255
    mean, std = (getattr(predictor.spec.preprocess, name)[0] for name in ("mean", "std"))
    for entry, weights in zip(answer.json, layer.weight.detach().double().numpy(), strict=True):
        values = correlate2d((grey - mean) / std, weights[0], mode="valid")
        levels = (values - values.min()) / np.ptp(values) * 255
        assert equal_but_halves(np.asarray(Image.open(entry["path"])), levels.round().astype(np.uint8))
        assert (entry["lowest"], entry["highest"]) == (pytest.approx(values.min()), pytest.approx(values.max()))


def test_an_even_map_is_black_and_two_kernels_of_one_name_are_two_files(cnncli: Cli, photo: Path) -> None:
    Path("sub").mkdir()
    Path("zero.txt").write_text("0 0\n0 0\n")
    Path("sub/zero.txt").write_text("0\n")
    answer = cnncli("convolve", photo, "--kernel", "zero.txt", "--kernel", "sub/zero.txt", "--out", "new/maps")
    assert answer.code == 0, answer.err
    first, second = (np.asarray(Image.open(f"new/maps/photo-zero{again}.png")) for again in ("", "-2"))
    assert (first.shape, second.shape) == ((30, 39), (31, 40))
    assert first.max() == second.max() == 0


@pytest.mark.parametrize(
    ("content", "words", "told"),
    [
        (None, [], "no kernel given; add --kernel sharpen, --kernel FILE, or --ckpt RUN"),
        (None, ["--kernel", "sharpn"], "neither the name of a kernel nor a file; did you mean 'sharpen'?"),
        (b"1 2\n3\n", ["--kernel", "k.txt"], "k.txt:2: this row has 1 numbers, the first 2"),
        (b"1 x\n", ["--kernel", "k.txt"], "k.txt:1: 'x' is no number"),
        (b"1 1/0\n", ["--kernel", "k.txt"], "k.txt:1: '1/0' is no number"),
        (b"1 nan\n", ["--kernel", "k.txt"], "k.txt:1: 'nan' is no number"),
        (b"1e999999999\n", ["--kernel", "k.txt"], "k.txt:1: '1e999999999' is no number"),
        (b"# nothing\n", ["--kernel", "k.txt"], "k.txt: holds no numbers"),
        (b"\xff\xfe\x00", ["--kernel", "k.txt"], "k.txt: cannot be read as a kernel (is no text in UTF-8)"),
        (b"1\n" * 32, ["--kernel", "k.txt"], "k: the kernel of 32×1 is larger than the picture of 31×40"),
        (None, ["--kernel", "blur", "--out", "photo.png"], "--out photo.png: cannot be made"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    cnncli: Cli, photo: Path, content: bytes | None, words: list[str], told: str
) -> None:
    if content is not None:
        Path("k.txt").write_bytes(content)
    answer = cnncli("convolve", photo, *words)
    assert answer.code != 0
    assert told in answer.complaint
    assert not list(Path().glob("photo-*.png"))


def test_a_file_that_is_no_picture_is_named(cnncli: Cli, photo: Path) -> None:
    photo.write_text("no picture")
    answer = cnncli("convolve", photo, "--kernel", "blur")
    assert (answer.code, "photo.png: cannot be read as a picture" in answer.complaint) == (3, True)
