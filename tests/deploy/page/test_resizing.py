"""The page's pictures are Pillow's, byte by byte."""

import io
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from cnncli.core.spec import Decode
from cnncli.data.decode import read_held, read_image
from tests.deploy.page.javascript import javascript, needs_node

pytestmark = needs_node
PICTURE = """
import { networkPixels, overWhite } from "./page/pillow.js";
import { likeDraft } from "./page/decode.js";
const read = ({ width, height, data }) => ({ width, height, channels: 3, data: Uint8Array.from(data) });
"""


def told(pixels: np.ndarray) -> dict[str, object]:
    return {"width": pixels.shape[1], "height": pixels.shape[0], "data": pixels.ravel().tolist()}


def about(decode: Decode) -> dict[str, object]:
    return {"size": decode.size, "channels": decode.channels, "fit": decode.fit, "interpolation": decode.interpolation}


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_random_pictures_of_any_size_become_the_same_bytes(fit: str, interpolation: str, tmp_path: Path) -> None:
    draws = np.random.default_rng([len(fit), len(interpolation)])
    cases, expected = [], []
    for number in range(40):
        height, width = draws.integers(1, 150, 2)
        pixels = draws.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if number % 3 == 0:  # edges from black to white, where bicubic overshoots
            pixels = pixels // 128 * 255
        size = tuple(int(side) for side in draws.integers(1, 80, 2))
        decode = Decode(size, 1 + 2 * (number % 2), fit, interpolation)  # type: ignore[arg-type]
        cases.append({"picture": told(pixels), "about": about(decode)})
        expected.append(read_held(Image.fromarray(pixels), decode, "it").flatten().tolist())
    code = "found = given.map(({ picture, about }) => [...networkPixels(read(picture), about)]);"
    found = javascript(tmp_path, PICTURE + code, cases)
    if PIL.__version__ >= "13":
        assert found == expected
    else:  # it resized rows before columns also where most rows are lost, which rounds other values
        pairs = zip(found, expected, strict=True)
        assert max(abs(a - b) for own, theirs in pairs for a, b in zip(own, theirs, strict=True)) <= 2


def test_transparent_pictures_are_laid_over_white(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 50, 4), dtype=np.uint8)
    code = "found = [...overWhite({ ...given, data: Uint8Array.from(given.data) }).data];"
    expected = read_held(Image.fromarray(pixels), Decode((60, 50)), "it").permute(1, 2, 0)
    assert javascript(tmp_path, PICTURE + code, told(pixels)) == expected.flatten().tolist()


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_large_jpeg_is_shrunk_nearly_as_its_decoder_does(scale: int, tmp_path: Path) -> None:
    draws = np.random.default_rng(scale)
    coarse = Image.fromarray(draws.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    photo = np.asarray(coarse.resize((41 * 8 - 3, 31 * 8 - 5), Image.Resampling.BICUBIC)).astype(int)
    noisy = (photo + draws.normal(0, 12, photo.shape)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=90, subsampling=0)
    decode = Decode((noisy.shape[0] // (2 * scale), noisy.shape[1] // (2 * scale)), fit="stretch")
    expected = read_image(io.BytesIO(file.getvalue()), decode).numpy().astype(int).ravel()
    whole = np.asarray(Image.open(file))
    code = "const own = read(given.picture); found = [own, likeDraft(own, given.about.size)].map("
    code += "(each) => [...networkPixels(each, given.about)]);"
    plain, like = javascript(tmp_path, PICTURE + code, {"picture": told(whole), "about": about(decode)})
    like_error, plain_error = np.abs(like - expected).mean(), np.abs(plain - expected).mean()
    assert like_error < 1  # levels of 255, of a picture full of noise
    assert like_error < 0.5 * plain_error
